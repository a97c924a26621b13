# link-weights.sh WEIGHTS TREE [STAMP]: link each file of the weights into the migrated tree, except those that
# the tree has as converted code. STAMP: of a tree that was taken over from somebody, in which links are noted.
set -eu
noted=
[ ! -f "$stamps/${3:-}.adopted" ] || noted=yes
if [ -n "$noted" ]; then folders "$2"; else mkdir -p "$2"; fi
for file in "$1"/*; do
  [ -e "$file" ] || continue
  name=${file##*/}
  [ -e "$2/$name" ] || {
    # a link of somebody's, which may lead somewhere in a container
    [ -z "$noted" ] || [ ! -L "$2/$name" ] || keep "$2/$name"
    [ -z "$noted" ] || made adopted "link:$2/$name" "$file"
    ln -sfn "$file" "$2/$name"
  }
done

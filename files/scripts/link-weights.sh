# link-weights.sh WEIGHTS TREE [STAMP]: link each file of the weights into the migrated tree, except those that
# the tree has as converted code. STAMP: of a tree that was taken over from somebody, in which links are noted.
set -eu
mkdir -p "$2"
for file in "$1"/*; do
  name=${file##*/}
  [ -e "$2/$name" ] || {
    [ ! -f "$stamps/${3:-}.adopted" ] || made adopted "link:$2/$name" "$file"
    ln -sfn "$file" "$2/$name"
  }
done

# link-weights.sh WEIGHTS TREE: link each file of the weights into the migrated tree, except those that
# the tree has as converted code.
set -eu
mkdir -p "$2"
for file in "$1"/*; do
  name=${file##*/}
  [ -e "$2/$name" ] || ln -sfn "$file" "$2/$name"
done

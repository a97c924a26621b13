# WEIGHTS INTO: a link for each file that the migrated tree does not have as code of its own.
set -eu
mkdir -p "$2"
for file in "$1"/*; do
  name=${file##*/}
  [ -e "$2/$name" ] || ln -sfn "$file" "$2/$name"
done

# link-code.sh WEIGHTS TREE PATTERN…: copy code that comes with weights into the tree to be migrated.
set -eu
from=$1 into=$2; shift 2
mkdir -p "$into"
for pattern; do
  for file in "$from"/$pattern; do
    if [ -f "$file" ]; then cp -f "$file" "$into/"; fi
  done
done

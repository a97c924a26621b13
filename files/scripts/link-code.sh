# WEIGHTS INTO PATTERNS…: copies what the migration tool has to convert.
set -eu
from=$1 into=$2; shift 2
mkdir -p "$into"
for pattern; do
  for file in "$from"/$pattern; do
    [ -f "$file" ] && cp -f "$file" "$into/"
  done
done

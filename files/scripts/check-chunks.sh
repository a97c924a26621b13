# check-chunks.sh PART SIZE: compare a partial file with the sha256 of each chunk of SIZE bytes, on stdin.
# Prints "wrong INDEX" for each chunk that differs and "right BYTES", where the last correct chunk
# ends. The file is truncated to that.
part="$state/incoming/$1" chunk=$2
[ -f "$part" ] || { echo "right 0"; exit 0; }
bytes=$(stat -c %s "$part") || exit 1
index=0 right=0
while read -r sum && [ $((index * chunk)) -lt "$bytes" ]; do
  got=$(dd if="$part" bs="$chunk" skip=$index count=1 status=none | sha256sum) || exit 1
  index=$((index + 1))
  if [ "${got%% *}" != "$sum" ]; then echo "wrong $((index - 1))"; continue; fi
  right=$((index * chunk))
  [ $right -le "$bytes" ] || right=$bytes
done
[ "$right" = "$bytes" ] || truncate -s "$right" "$part" || exit 1
echo "right $right"

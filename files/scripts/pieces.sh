# PART PIECE, with the sha256 of each piece on stdin: compares a partial file with them. Prints
# "wrong INDEX" for a piece that is not right, and "right BYTES": where the last right one ends.
# What is behind that is cut off.
part="$state/incoming/$1" piece=$2
[ -f "$part" ] || { echo "right 0"; exit 0; }
bytes=$(stat -c %s "$part") || exit 1
index=0 right=0
while read -r sum && [ $((index * piece)) -lt "$bytes" ]; do
  got=$(dd if="$part" bs="$piece" skip=$index count=1 status=none | sha256sum) || exit 1
  index=$((index + 1))
  if [ "${got%% *}" != "$sum" ]; then echo "wrong $((index - 1))"; continue; fi
  right=$((index * piece))
  [ $right -le "$bytes" ] || right=$bytes
done
[ "$right" = "$bytes" ] || truncate -s "$right" "$part" || exit 1
echo "right $right"

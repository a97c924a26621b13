# inspect-tree.sh TREE: report all files of a directory tree, and checksums of those that are asked for.
# Changes nothing. On stdin, a line "SIZE TARGET PATH" for each of these: large files are read only if they
# have this SIZE, others have "-"; links to TARGET, if it is not "-", are not read.
# A fact is "tree SIGNATURE OWNER", "file SIZE PATH", "link TARGET PATH" or "sum SHA256 PATH".
# needs: checksums
read_only=yes
cd "$1" || exit 1
printf '@@fact\ttree\t%s\t%s\n' "$(signature .)" "$(stat -c %U .)"
find . \( -name .git -o -name __pycache__ -o -name '*.egg-info' -o -name '*.mlufleet-part' \) -prune -o \
  ! -path "*$T*" ! -path "*$N*" \( -type f -printf '@@fact\tfile\t%s\t%P\n' -o \
  -type l ! -lname "*$T*" ! -lname "*$N*" -printf '@@fact\tlink\t%l\t%P\n' \)
wanted=$(cat)
# shellcheck disable=SC2086  # words
printf '%s\n' "$wanted" | while IFS=$T read -r size _ path; do
  [ "$size" != - ] || [ ! -f "$path" ] || printf './%s\0' "$path"
done | xargs -0 -r $idle sha256sum | sed -n "s/^\([0-9a-f]\{64\}\)  \.\//@@fact${T}sum$T\1$T/p"
printf '%s\n' "$wanted" | while IFS=$T read -r size target path; do
  case $size in '' | -) continue ;; esac
  if [ ! -f "$path" ] || { [ -L "$path" ] && [ "$(readlink "$path")" = "$target" ]; }; then continue; fi
  real=$(readlink -f "$path")
  [ "$(stat -c %s "$real")" = "$size" ] || continue
  sum=$(known_sum "$(key_of "$real")")
  [ -n "$sum" ] || sum_of "$real" 3600
  [ -z "$sum" ] || printf '@@fact\tsum\t%s\t%s\n' "$sum" "$path"
done
echo '@@end'

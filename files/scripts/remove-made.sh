# remove-made.sh GROUP OPTIONS: remove things that this tool made, or put back what was there before it.
# stdin: kind and name of each. What is not as this tool left it any more stays.
# needs: images made-items
expected=
failed=0
while IFS=$T read -r kind name; do
  judge "$kind" "$name" ''
  [ "$verdict" = ours ] || continue
  case $kind in
    container) docker rm -f "$name" >/dev/null && audit "removed container $name" || failed=1 ;;
  esac
done
exit $failed

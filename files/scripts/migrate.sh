# migrate.sh CONTAINER PYTHON TOOL TREE OUTPUT STAMP: run the vendor's migration tool on a source tree.
# Succeeds only if the tool printed its last line and its report has rows: it also exits with 0 for a
# tree that does not exist.
set -u
container=$1 python=$2 tool=$3 tree=$4 output=$5 name=$6
if [ -d "$output" ]; then
  made=$(cut -d' ' -f2 "$stamps/$name" 2>/dev/null || true)
  if [ -n "$made" ] && [ "$made" = "$(signature "$output")" ]; then rm -rf "$output"
  elif [ -f "$stamps/$name.running" ]; then rm -rf "$output"
  else keep "$output"
  fi
fi
rm -f "$stamps/$name"
stamp "$name.running" "$(date +%s)"
docker exec -w "$(dirname "$tree")" "$container" test -d "$tree" ||
  { echo "$tree is not in the container"; exit 1; }
log=$(docker exec -w "$(dirname "$tree")" "$container" "$python" "$tool" -i "$tree" 2>&1)
status=$?
printf '%s\n' "$log"
case $(printf '%s\n' "$log" | tail -n 1) in
  "Migration Report:"*) ;;
  *) echo "the tool did not reach its last line (status $status)"; exit 1 ;;
esac
[ $status -eq 0 ] || exit 1
rows=$(($(wc -l < "$output/report.md") - 3))
[ "$rows" -gt 0 ] || { echo "the report has no rows: nothing was migrated"; exit 1; }
echo "$rows changes"

# survey-made.sh [weights] [driver] [engine]: print what this tool made on the host and what became of it:
# kind, name, group, state and detail. Reads only. The arguments say what is to go as well.
# stdin: what the releases of the host make, as kind, name and detail, for a host without a record.
# needs: images made-items
expected=$(cat)
{ known_made; [ ! -d "$state" ] || printf 'state\t%s\t\n' "$state"; } | sort -u |
  while IFS=$T read -r kind name detail; do
    judge "$kind" "$name" "$detail"
    [ "$verdict" = gone ] || printf '@@trace\t%s\t%s\t%s\t%s\t%s\n' "$kind" "$name" "${group:-}" "$verdict" "$why"
  done
echo "@@traces-end"

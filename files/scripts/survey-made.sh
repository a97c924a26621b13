# survey-made.sh [weights] [driver] [engine]: print what this tool made on the host and what became of it:
# kind, name, group, verdict and more words. Reads only. The arguments are the groups that are to go.
# stdin: what the releases of the host make, as kind, name and detail, for a host without a complete record.
# needs: images git packages made-items
allowed=$*
expected=$(cat)
print() {
  # KIND NAME
  judge "$1" "$2"
  case $group in -) group='' ;; esac
  [ "$verdict" = gone ] || printf '@@trace\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$group" "$verdict" "$why"
}
if [ -d "$state" ]; then
  read_known
  find_blocked
  [ -z "$known" ] || is_complete || printf '@@trace\trecord\t%s\t\tours\t\n' "$state/made"
  printf '%s\n' "$known" | awk -F '\t' 'NF > 1 && $1 != "state" && !seen[$1 FS $2]++ { print $1 FS $2 }' |
    while IFS=$T read -r kind name; do print "$kind" "$name"; done
  print module cambricon_drv
  for copy in "$state"/kept/rpmdb-*; do
    [ ! -e "$copy" ] || printf '@@trace\tcopy\t%s\t\tbefore it was repaired\t\n' "$copy"
  done
  print state "$state"
fi
echo "@@traces-end"

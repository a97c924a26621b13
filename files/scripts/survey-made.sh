# survey-made.sh [weights] [driver] [engine]: print what this tool made on the host and what became of it:
# kind, name, group, verdict and more words. Reads only. The arguments are the groups that are to go.
# stdin: what the releases of the host make, as kind, name and detail, for a host without a complete record.
# needs: images git packages filesystems made-items
allowed=$*
expected=$(cat)
print() {
  # KIND NAME
  judge "$1" "$2"
  case $group in -) group='' ;; esac
  [ "$verdict" = gone ] || printf '@@trace\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$group" "$verdict" "$why"
}
print_aside() { printf '@@trace\taside\t%s\t\tkept aside\t%s\n' "$1" "$2"; }  # PLACE WORDS
print_others_kept() {
  # PATH: what was kept from there besides the one that gets its name back, or is named already
  first=
  kept_names "$1" | while IFS= read -r place; do
    [ -e "$place" ] || [ -L "$place" ] || continue
    if [ -z "$first" ]; then first=$place; continue; fi
    case $place in
      # such copies stay with the driver
      "$state"/*) case " $allowed " in *" driver "*) ! cmp -s "$place" "$first" || continue ;; *) continue ;; esac ;;
    esac
    print_aside "$place" "it was at $1"
  done
}
print_kept_edits() {
  # PATH: the folders with edits of a checkout, but none that goes back into it
  for place in "$1".kept-*; do
    case ${place#"$1".kept-} in *[!0-9-]*) continue ;; esac
    { [ -f "$place/commit" ] || [ -f "$place/moved" ]; } || continue
    grep -qsxF "$place" "$1/.git/mlufleet-adopted/kept" || print_aside "$place" "edits or files of $1"
  done
}
if [ -d "$state" ]; then
  read_known
  find_blocked
  [ -z "$known" ] || is_complete || printf '@@trace\trecord\t%s\t\tours\t\n' "$state/made"
  printf '%s\n' "$known" | awk -F '\t' 'NF > 1 && $1 != "state" && !seen[$1 FS $2]++ { print $1 FS $2 }' |
    while IFS=$T read -r kind name; do print "$kind" "$name"; done
  print module cambricon_drv
  made_names kept | while IFS= read -r path; do print_others_kept "$path"; done
  { made_names checkout; made_names adopted | sed -n 's/^checkout://p'; } | sort -u |
    while IFS= read -r path; do print_kept_edits "$path"; done
  for copy in "$state"/kept/rpmdb-*; do
    [ ! -e "$copy" ] || printf '@@trace\tcopy\t%s\t\tbefore it was repaired\t\n' "$copy"
  done
  [ ! -L "$state" ] || printf '@@trace\tlink\t%s\t\ta symbolic link of somebody\twhat is in it goes\n' "$state"
  mounts_below "$state" | while IFS= read -r place; do
    printf '@@trace\tmount\t%s\t\tmounted in the folder of mlu-fleet\t\n' "$place"
  done
  print state "$state"
fi
echo "@@traces-end"

stamp "$1" "$2 $(signature "$3")" || exit 1
rm -f "$stamps/$1.running"  # until here it was ours to remove

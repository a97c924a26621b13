stamp "$1" "$2 $(signature "$3")"

stamp "$1" "$2"

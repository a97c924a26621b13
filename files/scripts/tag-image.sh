docker tag "$1" "$2"

mkdir -p "$@"

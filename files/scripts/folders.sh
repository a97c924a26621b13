# folders.sh PATH…: create directories.
mkdir -p "$@"

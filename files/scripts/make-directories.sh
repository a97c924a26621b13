# make-directories.sh PATH…: create directories.
mkdir -p "$@"

# make-directories.sh PATH…: create directories.
folders "$@"

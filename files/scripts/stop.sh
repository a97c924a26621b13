docker stop -t 10 "$1"

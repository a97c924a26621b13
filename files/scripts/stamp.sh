# stamp.sh NAME VALUE [NAME VALUE…]: write stamps.
while [ $# -gt 1 ]; do stamp "$1" "$2" || exit 1; shift 2; done

# NAME VALUE [NAME VALUE…]
while [ $# -gt 1 ]; do stamp "$1" "$2"; shift 2; done

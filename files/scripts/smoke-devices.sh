docker exec "$1" "$2" "$3" "$4"

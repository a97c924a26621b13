# smoke-devices.sh CONTAINER PYTHON SCRIPT CARDS: compute on every card of a container.
docker exec "$1" "$2" "$3" "$4"

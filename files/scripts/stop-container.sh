# stop-container.sh ID: stop a container.
docker stop "$1"

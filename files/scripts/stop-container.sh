# stop-container.sh ID: stop a container.
docker stop -t 10 "$1"

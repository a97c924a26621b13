# ARCHIVE ID: docker reads the compressed file itself; what it prints proves nothing.
docker load < "$1" || exit 1
docker image inspect "$2" >/dev/null || { echo "docker load did not bring $2"; exit 1; }
rm -f "$1"

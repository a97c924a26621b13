# CONTAINER: once, where the tutorial's own line would grow the file each time.
docker exec "$1" sh -c "git config --global --get-all safe.directory | grep -qxF '*' ||
  git config --global --add safe.directory '*'"

# package-folders.sh CONTAINER PYTHON: record where its Python packages are, for the probe.
folders=$(docker exec "$1" "$2" -c 'import sys; print(*[p for p in sys.path if p.endswith("-packages")])') ||
  exit 1
stamp packages-folders "$folders"

# CONTAINER PYTHON REQUIREMENTS EXCLUDE PIP ARGUMENTS…
container=$1 python=$2 requirements=$3 exclude=$4; shift 4
if [ -n "$requirements" ]; then
  # only the named requirements are left out: "torch" must not take torchvision with it
  docker exec "$container" sh -c 'grep -viE "^ *($2)([^A-Za-z0-9_.-]|$)" "$1" > /tmp/mlufleet-requirements.txt' \
    sh "$requirements" "${exclude:-^$}" || exit 1
fi
docker exec "$container" "$python" -m pip "$@"

# pip.sh CONTAINER PYTHON REQUIREMENTS EXCLUDE PIP-ARGUMENTS…: run pip in a container. REQUIREMENTS
# (may be empty) is filtered first; EXCLUDE is a pattern of names to leave out.
container=$1 python=$2 requirements=$3 exclude=$4; shift 4
if [ -n "$requirements" ]; then
  # match whole names only: "torch" must not exclude torchvision; files that are included by a relative
  # path lie beside the original
  docker exec "$container" sh -c 'copy=/tmp/mlufleet-requirements.txt
    grep -viE "^ *($2)([^A-Za-z0-9_.-]|$)" "$1" > "$copy" && sed -i \
      -e "/:\/\//!s#^\( *-[rc] *\)\([^-/ ]\)#\1${1%/*}/\2#" \
      -e "/:\/\//!s#^\( *--requirement[= ] *\)\([^/ ]\)#\1${1%/*}/\2#" \
      -e "/:\/\//!s#^\( *--constraint[= ] *\)\([^/ ]\)#\1${1%/*}/\2#" "$copy"' \
    sh "$requirements" "${exclude:-^$}" || exit 1
fi
docker exec "$container" "$python" -m pip "$@"

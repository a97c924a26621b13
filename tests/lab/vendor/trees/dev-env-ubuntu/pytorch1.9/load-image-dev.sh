#!/bin/bash
# Load the image of env.sh, from the file of the first argument or from the one that env.sh names.
# As the vendor's: the name is a pattern, a longer tag counts as loaded, nothing is compared afterwards.
set -e
source "./env.sh"
if [[ $# -eq 0 ]]; then
  echo "WARNING: $FULLNAME_IMAGE is loaded by default"
else
  FULLNAME_IMAGE=$1
fi
[[ -f $FULLNAME_IMAGE ]] || { echo "ERROR: $FULLNAME_IMAGE does not exist"; exit 255; }
[[ $FULLNAME_IMAGE =~ $FILENAME_IMAGE ]] || {
  echo "ERROR: $FULLNAME_IMAGE is not $FILENAME_IMAGE"
  exit 255
}
num=$(docker images | grep -w "$MY_IMAGE" | grep -cw "$VERSION" || true)
if [ 0 -eq "$num" ]; then
  docker load < "$FULLNAME_IMAGE"
else
  echo "$NAME_IMAGE is loaded already"
fi
docker images | grep -e REPOSITORY -e "$MY_IMAGE"

# tag-image.sh ID REFERENCE: tag an image.
# needs: images
[ "$(docker image inspect --format '{{.Id}}' "$2" 2>/dev/null)" = "$(known "$1")" ] || made tag "$2" "$1"
docker tag "$(known "$1")" "$2"

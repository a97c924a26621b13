# keep-image.sh REFERENCE ID: if REFERENCE names another image than ID, keep that under a new tag.
# needs: images
id=$(docker image inspect --format '{{.Id}}' "$1") || exit 1
held "$id" "$2" && exit 0
kept="$1-kept-$(printf %s "$id" | cut -c8-19)"
made adopted "image:$1" "$kept $id"
docker tag "$1" "$kept" && echo "kept what was at $1 as $kept"

# tag-image.sh ID REFERENCE: tag an image.
# needs: images
docker tag "$(known "$1")" "$2"

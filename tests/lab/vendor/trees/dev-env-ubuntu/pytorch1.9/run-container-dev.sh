#!/bin/bash
# Start the container of env.sh with a shell in it, or another shell in the one that is there.
# As the vendor's: the ports mean nothing in the host's network, and a folder that a mount names and
# that is not there is made by docker.
set -e
source "./env.sh"
[ -n "$(docker images -q "$NAME_IMAGE")" ] || { echo "ERROR: $NAME_IMAGE does not exist"; exit 255; }
num=$(docker ps -a | grep -cw "$MY_CONTAINER$" || true)
if [ 0 -eq "$num" ]; then
  docker run -e "DISPLAY=unix$DISPLAY" --privileged=true \
    --device /dev/cambricon_ctl --device /dev/cambricon_ipcm0 \
    --net=host --ipc=host --pid=host \
    -v /usr/bin/cnmon:/usr/bin/cnmon -v /sys/kernel/debug:/sys/kernel/debug \
    -v /tmp/.X11-unix:/tmp/.X11-unix -v /mnt/data/opt/share:/opt/share \
    -p 8888:8888 -p 5025:22 -w /home/share \
    -it -v "$PWD/../:/home/share" -v /data/ftp:/home/ftp \
    -v /data/datasets:/data/datasets -v /data/models:/data/models \
    --name "$MY_CONTAINER" "$NAME_IMAGE" /bin/bash
else
  docker start "$MY_CONTAINER"
  docker exec -ti "$MY_CONTAINER" /bin/bash
fi

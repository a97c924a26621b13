# load-image.sh ARCHIVE ID BYTES REFERENCE: load an image archive into docker and verify that image ID
# is there. docker reads compressed archives itself; its output proves nothing. ARCHIVE.layers has only
# the layers that docker lacked when it was asked; if it lacks more by now, it takes none.
# needs: images
full() {
  root=$(docker info --format '{{.DockerRootDir}}') driver=$(docker info --format '{{.Driver}}')
  # shellcheck disable=SC2046  # bytes free for users; inodes free and total (btrfs has none)
  set -- "$@" $(df -Pk "$root" | awk 'NR == 2 { printf "%.0f", $4 * 1024 }') $(stat -f -c '%d/%c' "$root")
  # keep the archive unless its own size is what is missing
  [ "$(stat -c %d "$1")" != "$(stat -c %d "$root")" ] || [ "$3" -ge "$2" ] || rm -f "$1"
  if [ "$3" -lt "$2" ]; then
    echo "no space left on device: $root has $3 bytes free, $2 are needed"
  elif [ "${4%/*}" = 0 ] && [ "$4" != 0/0 ]; then
    echo "@@code NO_INODES"; echo "$root has $3 bytes free, and no inodes"
  elif [ "$driver" = devicemapper ]; then
    echo "@@code DM_BASESIZE"
    echo "$root has $3 bytes free, an image of docker's devicemapper less (dm.basesize):" \
      "$(docker info 2>/dev/null | sed -n 's/^ *\(Base Device Size\|Data Space Available\)/\1/p' |
        paste -sd ,)"
  else
    echo "no space left on device, though $root has $3 bytes free: of another file system in it, or" \
      "a quota; docker's storage driver is $driver"
  fi
  exit 1
}
loaded "$2" "$4" || made image "$2" "$4"  # else it is somebody else's
for attempt in 1 2; do
  said=$(docker load < "$1" 2>&1); status=$?
  printf '%s\n' "$said"
  case $said in *"no space left on device"* | *"No space left on device"*) full "$1" "$3" ;; esac
  [ $status -eq 0 ] || break
  # with what an interrupted run left of the other kind
  if loaded "$2" "$4"; then note_tags "$2"; rm -f "${1%.layers}" "${1%.layers}.layers"; exit 0; fi
  echo "docker load did not bring $2 (attempt $attempt of 2)"
done
case $1 in *.layers) rm -f "$1" ;; esac
[ "$status" -eq 0 ] || exit 1
as=$(docker image inspect --format '{{.Id}}' "$4" 2>/dev/null)
case $(docker info --format '{{json .DriverStatus}}' 2>/dev/null) in *io.containerd.snapshotter*)
  echo "docker load did not bring $2: docker keeps images in containerd's store" \
    "(containerd-snapshotter), where $4 is ${as:-nothing}, and its manifest there does not name it" ;;
esac
exit 1

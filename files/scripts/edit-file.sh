# edit-file.sh PATH SHA256 [STAMP [CONTAINER]]: replace a file with the base64 content on stdin.
# Keeps the original, verifies the checksum, writes the stamp, then renames: a file that matches its
# stamp was written by this script.
path=$1 sum=$2 name=${3:-} container=${4:-}
part="$path.mlufleet-part"
[ -z "$container" ] || part="$state/rewrite.part"
mkdir -p "$state/kept"
rm -f "$part"
# noclobber: never write through a link that someone placed there
(set -C; umask 077; base64 -d > "$part") || exit 1
found=$(sha256sum "$part" | cut -d' ' -f1)
if [ "$found" != "$sum" ]; then
  echo "$path would become $found, expected $sum" >&2
  rm -f "$part"; exit 1
fi
original="$state/kept/.original.part"
if [ -n "$container" ]; then docker exec "$container" cat "$path" > "$original"
else cp -p "$path" "$original"
fi || exit 1
mv -f "$original" "$state/kept/$(printf %s "$path" | tr / _).$(sha256sum "$original" | cut -c1-12)"
[ -z "$name" ] || stamp "$name" "$sum${container:+ $container}"
if [ -n "$container" ]; then
  docker exec -i "$container" sh -c 'cp -p "$1" "$1.mlufleet-part" &&
    cat > "$1.mlufleet-part" && mv -f "$1.mlufleet-part" "$1"' sh "$path" < "$part" || exit 1
  rm -f "$part"
else
  chmod --reference="$path" "$part"
  chown --reference="$path" "$part"
  mv -fT "$part" "$path" || exit 1
fi
audit "rewrote ${container:+$container:}$path"

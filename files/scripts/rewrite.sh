# PATH SHA256, new content as base64 on stdin: keeps the original, verifies, then renames.
path=$1 sum=$2 part="$1.mlufleet-part"
base64 -d > "$part"
if [ "$(sha256sum "$part" | cut -d' ' -f1)" != "$sum" ]; then
  echo "$path would become $(sha256sum "$part" | cut -d' ' -f1), expected $sum" >&2
  rm -f "$part"; exit 1
fi
mkdir -p "$state/kept"
cp -p "$path" "$state/kept/$(printf %s "$path" | tr / _).$(sha256sum "$path" | cut -c1-12)"
chmod --reference="$path" "$part"
chown --reference="$path" "$part"
mv -f "$part" "$path"
audit "rewrote $path"

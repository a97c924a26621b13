# edit-file.sh PATH SHA256 [STAMP [CONTAINER [CREATES [CHECKOUT COMMIT FILE]]]]: replace a file with the
# base64 content on stdin, or with FILE of a COMMIT in a git CHECKOUT. SHA256 may be empty with a
# CHECKOUT. CREATES is "file" if the file may be missing, "folders" if its folder may be, too.
# Keeps the original, verifies the checksum, writes the stamp, then renames: a file that matches its
# stamp was written by this script.
# needs: git
path=$1 sum=$2 name=${3:-} container=${4:-} creates=${5:-} checkout=${6:-} commit=${7:-} file=${8:-}
part="$path.mlufleet-part"
[ -z "$container" ] || part="$state/rewrite.part"
there() { if [ -n "$container" ]; then docker exec "$container" test "$@"; else test "$@"; fi; }
finish() { [ -z "$name" ] || stamp "$name" "$sum${container:+ $container}"; }
fail() { rm -f "$part"; echo "$*" >&2; exit 1; }
mkdir -p "$state/kept"
[ -z "$container" ] || docker exec "$container" true || exit 1
missing='' did=rewrote
if ! there -f "$path"; then
  missing=yes did=created
  if [ -z "$creates" ] || there -e "$path"; then fail "$path is not a file"; fi
  [ "$creates" != folders ] || folders "${path%/*}" || exit 1
  there -d "${path%/*}" || fail "$path cannot be created: ${path%/*} is not a folder"
fi
rm -f "$part"
# noclobber: never write through a link that someone placed there
(
  set -C; umask 077
  if [ -n "$checkout" ]; then git --git-dir="$checkout/.git" cat-file blob "$commit:$file" > "$part"
  else base64 -d > "$part"
  fi
) || { rm -f "$part"; exit 1; }
found=$(sha256sum "$part" | cut -d' ' -f1)
[ "$found" = "${sum:-$found}" ] || fail "$path would become $found, expected $sum"
sum=$found
kept_as=-
if [ -z "$missing" ]; then
  original="$state/kept/.original.part"
  if [ -n "$container" ]; then docker exec "$container" cat "$path" > "$original"
  else cp -p "$path" "$original"
  fi || exit 1
  was=$(sha256sum "$original" | cut -d' ' -f1)
  if [ "$was" = "$sum" ]; then  # repeated after a lost connection
    rm -f "$original" "$part"; finish; exit
  fi
  kept_as="$state/kept/$(printf %s "$path" | tr / _).$(printf %s "$was" | cut -c1-12)"
  mv -f "$original" "$kept_as"
fi
[ -n "$container" ] || changed "$path" "$sum" "$kept_as"
mode=644
case $checkout$(git --git-dir="$checkout/.git" ls-tree --full-tree "$commit" "$file" 2>/dev/null) in
  "$checkout"100755*) mode=755 ;;
esac
finish
if [ -n "$container" ]; then
  docker exec -i "$container" sh -c 'if [ -f "$1" ]; then cp -p "$1" "$1.mlufleet-part"; fi &&
    cat > "$1.mlufleet-part" && { [ -f "$1" ] || chmod "$2" "$1.mlufleet-part"; } &&
    mv -f "$1.mlufleet-part" "$1"' sh "$path" $mode < "$part" || exit 1
  rm -f "$part"
else
  if [ -n "$missing" ]; then chmod $mode "$part"
  else
    chmod --reference="$path" "$part"
    chown --reference="$path" "$part"
  fi
  mv -fT "$part" "$path" || exit 1
fi
audit "$did ${container:+$container:}$path"

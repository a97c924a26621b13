# place-files.sh begin|end|drop KIND: receive files; lines "SHA256 PART PATH" on stdin.
# begin: print "want PART BYTES" for each file that is missing or differs; BYTES are there already.
# end: move what arrived into place if its checksum matches, else print "broken PART".
# drop: delete what arrived.
# Other partial files are deleted after an upload of their KIND (the prefix of their names) has
# succeeded, or after 7 days.
# needs: placing
phase=$1 kind=$2 incoming="$state/incoming"
mkdir -p "$incoming" || exit 1
chmod 755 "$state"
chmod 700 "$incoming"
owner="${SUDO_UID:-0}:${SUDO_GID:-0}"
chown "$owner" "$incoming"
status=0 asked=' '
while read -r sum name path; do
  part="$incoming/$name" asked="$asked$name "
  if [ "$phase" = drop ]; then rm -f "$part"; continue; fi
  [ -f "$path" ] && [ "$(sha256sum < "$path" | cut -d' ' -f1)" = "$sum" ] && continue
  # find out before gigabytes are sent
  folders "${path%/*}" || exit 1
  if [ "$phase" = begin ]; then
    # another login user may have begun the transfer
    if [ -f "$part" ] && [ ! -L "$part" ]; then chown "$owner" "$part"; touch "$part"; else rm -rf "$part"; fi
    echo "want $name $(stat -c %s "$part" 2>/dev/null || echo 0)"
  elif [ ! -f "$part" ] || [ -L "$part" ]; then  # a link would still be someone else's file
    echo "$path did not arrive" >&2; status=1
  elif [ "$(sha256sum < "$part" | cut -d' ' -f1)" != "$sum" ]; then
    echo "broken $name"; status=1
  else
    case $path in "$state"/bin/*) mode=755 ;; *) mode=644 ;; esac
    chown 0:0 "$part"; chmod $mode "$part"
    # the first mv may be a copy to another file system, which can be interrupted; on a network file
    # system another host may place the same file at the same time
    own="$path.$(uname -n).mlufleet-part"
    rm -rf "$own"
    mv -fT "$part" "$own" && place "$own" "$path" "$sum" "$kind" '' || status=1
  fi
done
for part in "$incoming"/*; do
  case $asked in *" ${part##*/} "*) continue ;; esac
  case $phase$status${part##*/} in
    end0"$kind".*) ;;
    *) [ -n "$(find "$part" -prune -type f -mmin +10080 2>/dev/null)" ] || continue ;;
  esac
  [ -f "$part" ] || continue
  echo "removed a partial file that nothing asks for: ${part##*/}, $(stat -c %s "$part") bytes"
  rm -f "$part"
done
exit $status

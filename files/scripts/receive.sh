# begin|end|drop KIND, with "sha256 part path" lines on stdin. begin prints "want PART BYTES" for
# each file that is not there byte for byte, with what is there of it; end puts what arrived in
# place, and only if it is what the lock says, else it prints "broken PART"; drop removes what
# arrived. A partial file that is not asked for goes when an upload of its kind has ended well
# (its name begins with the kind), or when it is older than 7 days.
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
  # before gigabytes are sent to a place that cannot be
  mkdir -p "${path%/*}" || exit 1
  if [ "$phase" = begin ]; then
    # whoever logs in now goes on with what another user began
    if [ -f "$part" ] && [ ! -L "$part" ]; then chown "$owner" "$part"; touch "$part"; else rm -rf "$part"; fi
    echo "want $name $(stat -c %s "$part" 2>/dev/null || echo 0)"
  elif [ ! -f "$part" ] || [ -L "$part" ]; then  # a link would be somebody's own file still
    echo "$path did not arrive" >&2; status=1
  elif [ "$(sha256sum < "$part" | cut -d' ' -f1)" != "$sum" ]; then
    echo "broken $name"; status=1
  else
    if [ -e "$path" ]; then
      case $path in "$state"/*) ;; *) keep "$path" ;; esac
    fi
    case $path in "$state"/bin/*) mode=755 ;; *) mode=644 ;; esac
    chown 0:0 "$part"; chmod $mode "$part"
    # on another file system the first of the two is a copy, and may be cut; on a network's another
    # host may place its own at the same time; what somebody put at either name, a link to a folder
    # too, is replaced and not followed
    own="$path.$(uname -n).mlufleet-part"
    rm -rf "$own"
    mv -fT "$part" "$own" && mv -fT "$own" "$path" && audit "placed $path" || status=1
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

# begin|end|drop, with "sha256  path" lines on stdin. begin prints "want SHA256" for each file that
# is not there byte for byte; end puts what arrived in place, and only if it is what the lock says;
# drop removes what arrived.
phase=$1 incoming="$state/incoming"
mkdir -p "$incoming" || exit 1
chmod 755 "$state"
chmod 700 "$incoming"
chown "${SUDO_UID:-0}:${SUDO_GID:-0}" "$incoming"
status=0
while read -r sum path; do
  part="$incoming/$sum.part"
  if [ "$phase" = drop ]; then rm -f "$part"; continue; fi
  [ -f "$path" ] && [ "$(sha256sum "$path" | cut -d' ' -f1)" = "$sum" ] && continue
  if [ "$phase" = begin ]; then
    echo "want $sum"
  elif [ ! -f "$part" ]; then
    echo "$path did not arrive" >&2; status=1
  elif [ "$(sha256sum "$part" | cut -d' ' -f1)" != "$sum" ]; then
    echo "$path arrived broken, expected sha256 $sum" >&2; rm -f "$part"; status=1
  else
    mkdir -p "$(dirname "$path")"
    if [ -e "$path" ]; then
      case $path in "$state"/*) ;; *) keep "$path" ;; esac
    fi
    chown 0:0 "$part"; chmod 644 "$part"
    mv -f "$part" "$path" || status=1
    audit "placed $path"
  fi
done
exit $status

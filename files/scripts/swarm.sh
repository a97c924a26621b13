# swarm.sh FILE BYTES CLIENT PORTS MIB ENTRY PORT OPTIONS…: fill a partial file from the swarm with aria2c
# and serve it to other hosts, as the login user, until stdin ends: the controller closes it when the file
# is no longer needed, or is gone itself. The first line of stdin is the torrent in base64.
# A FILE with a path is complete and may be somebody's: it is only read.
# Prints "address OWN CONTROLLER", then aria2c's output.
part="$state/incoming/$1" control="$state/incoming/$1.aria2"
case $1 in /*)
  part=$1 control=
  # aria2 would cut a longer file, and go on where a control file says
  [ "$(stat -c %s "$part")" = "$2" ] && [ ! -e "$part.aria2" ] || exit 1 ;;
esac
client=$3 ports=$4 rate=$5 entry=$6 port=$7; shift 7
called() { caller=${1:-none} address=${3:-none}; }
# shellcheck disable=SC2086  # client address, client port, server address
called ${SSH_CONNECTION:-}
entry=${entry:-$caller}
echo "address $address $entry"
exec 3<&0
read -r torrent <&3 || exit 1
own=$(mktemp -d) || exit 1
# SIGKILL: a stopped process would not handle anything else, and there is nothing to clean up
trap 'kill -KILL $pid $leash 2>/dev/null; rm -rf "$own" ${control:+"$control"}' EXIT
trap 'exit 0' HUP INT TERM PIPE
printf '%s' "$torrent" | base64 -d > "$own/torrent" || exit 1
# without the host's proxy settings, which are for the internet
env -i PATH="$PATH" "$client" "$@" --torrent-file="$own/torrent" \
  --dir="${part%/*}" --index-out="1=${part##*/}" \
  --interface="$address" --listen-port="$ports" \
  --bt-tracker="http://$entry:$port/announce" \
  --max-overall-download-limit="${rate}M" --max-overall-upload-limit="${rate}M" \
  --stop-with-process=$$ 2>&1 < /dev/null 3<&- &
pid=$!
{ cat; kill $$; } <&3 > /dev/null 2>&1 &
leash=$!
wait $pid
status=$?
echo "aria2c ended with status $status"
exit $status

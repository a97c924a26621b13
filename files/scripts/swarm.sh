# PART CLIENT PORTS MIB ENTRY PORT OPTIONS…, with a torrent in base64 as the first line of stdin: aria2c
# brings the partial file from the swarm and gives it on, as the login user, until stdin ends:
# that is what a controller that has enough, or is no more, looks like from here. Prints
# "address OWN CONTROLLER" at once, then what aria2c says.
part="$state/incoming/$1" client=$2 ports=$3 rate=$4 entry=$5 port=$6; shift 6
called() { caller=${1:-none} address=${3:-none}; }
# shellcheck disable=SC2086  # who called, from which port, to which address
called ${SSH_CONNECTION:-}
entry=${entry:-$caller}
echo "address $address $entry"
exec 3<&0
read -r torrent <&3 || exit 1
own=$(mktemp -d) || exit 1
# not asked to end, killed: one that was stopped would not hear, and there is nothing to tidy up
trap 'kill -KILL $pid $leash 2>/dev/null; rm -rf "$own" "$part.aria2"' EXIT
trap 'exit 0' HUP INT TERM PIPE
printf '%s' "$torrent" | base64 -d > "$own/torrent" || exit 1
# a proxy of this host's is for strangers
env -i PATH="$PATH" "$client" "$@" --torrent-file="$own/torrent" \
  --dir="${part%/*}" --index-out="1=${part##*/}" --allow-overwrite=true \
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

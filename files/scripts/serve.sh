# serve.sh key FOLDER | put CONTAINER FOLDER DEFINITION | await CONTAINER FOLDER SECONDS
#   | drain CONTAINER FOLDER SECONDS | retry CONTAINER
#   | prove IMAGE PYTHON FOLDER URL CONTAINER NAME
# What the servers in a release's container are to do, and what they do. FOLDER on the host is mounted into
# the container; its first process, the supervisor, reads definition.json there. A line on standard input of
# `key` is the key that clients have to send; an empty one removes it.
# needs: images
how=$1; shift
told() {
  # CONTAINER: print name and state of every instance that its supervisor knows
  pid=$(docker inspect --type container --format '{{.State.Pid}}' "$1") || return 1
  folder=/proc/$pid/root/run/mlufleet-serve
  [ "$pid" != 0 ] && [ -d "$folder" ] && [ ! -L "$folder" ] || return 0
  for file in "$folder"/[0-9] "$folder"/[0-9][0-9]; do
    [ -f "$file" ] && [ ! -L "$file" ] || continue
    IFS= read -r line < "$file" 2>/dev/null || [ -n "$line" ] || continue
    printf '%s\t%s\n' "${file##*/}" "$line"
  done
}
T=$(printf '\t')
case $how in
  key)
    umask 077
    mkdir -p "$1" && chmod 700 "$1" || exit 1
    IFS= read -r key
    if [ -n "$key" ]; then printf '%s\n' "$key" > "$1/key.part" && mv -f "$1/key.part" "$1/key"
    else rm -f "$1/key"
    fi ;;
  put)
    umask 077
    mkdir -p "$2" && chmod 700 "$2" || exit 1
    printf '%s\n' "$3" > "$2/definition.part" && sync && mv -f "$2/definition.part" "$2/definition.json" &&
      docker kill --signal HUP "$1" >/dev/null ;;
  retry) docker kill --signal HUP "$1" >/dev/null ;;
  await)
    line=; IFS= read -r line < "$2/definition.json"
    digest=${line#*: \"} digest=${digest%%\"*}
    count=$(printf %s "$line" | grep -o '"port": [0-9]' | wc -l)
    end=$(($(uptime) + $3)) before=
    while :; do
      now=$(told "$1") || exit 1
      ours=$(printf '%s\n' "$now" | digest=$digest awk -F '\t' '$2 == ENVIRON["digest"]')
      states=$(printf '%s\n' "$ours" | awk -F '\t' 'NF { printf "%s %s ", $1, $3 }')
      [ "$states" = "$before" ] || echo "instances: ${states:-not started yet}"
      before=$states
      failed=$(printf '%s\n' "$ours" | awk -F '\t' '$3 == "failed"' | head -n 1)
      if [ -n "$failed" ]; then
        docker logs --tail 30 "$1" 2>&1
        echo "@@code $(printf '%s' "$failed" | cut -f9)"
        echo "instance $(printf '%s' "$failed" | cut -f1) is not started any more: $(printf '%s' "$failed" | cut -f10)"
        exit 1
      fi
      [ "$(printf '%s\n' "$ours" | awk -F '\t' '$3 == "ready"' | wc -l)" -lt "$count" ] || exit 0
      [ "$(uptime)" -lt "$end" ] || break
      sleep 1
    done
    docker logs --tail 30 "$1" 2>&1
    code=$(printf '%s\n' "$ours" | awk -F '\t' '$9 ~ /^SERVE/ { print $9; exit }')
    echo "@@code ${code:-SERVE_LOAD}"; echo "not ready after $3 s: ${states:-no instance was started}"
    exit 1 ;;
  drain)
    rm -f "$2/definition.json"
    [ "$(docker inspect --type container --format '{{.State.Running}}' "$1" 2>/dev/null)" = true ] || exit 0
    docker kill --signal HUP "$1" >/dev/null
    end=$(($(uptime) + $3))
    while left=$(told "$1" | awk -F '\t' '$3 != "stopped" && $3 != "failed"') && [ -n "$left" ]; do
      [ "$(uptime)" -lt "$end" ] || { echo "@@code SERVE_STUCK"; echo "$left" | head -n 3; exit 1; }
      sleep 1
    done
    exit 0 ;;
  prove)
    # what the supervisor measured while the server was cold
    told "$5" | grep "^$6$T" | while IFS=$T read -r _ _ _ _ _ seconds _; do echo "{\"ready_s\": $seconds}"; done
    pid=$(docker inspect --type container --format '{{.State.Pid}}' "$5") || exit 1
    measured=/proc/$pid/root/run/mlufleet-serve/.$6.json && [ -f "$measured" ] && [ ! -L "$measured" ] && head -c 1000 "$measured"
    # from the host's own network, through the published port, and without the cards
    image=$(known "$1") python=$2 folder=$3 url=$4
    [ ! -f "$folder/key" ] || set -- --key-file /etc/mlufleet-serve/key
    [ -f "$folder/key" ] || set --
    docker run --rm --network host --cap-drop ALL --security-opt no-new-privileges --read-only \
      --volume "$folder:/etc/mlufleet-serve:ro" --entrypoint "$python" "$image" \
      /etc/mlufleet-serve/client.py prove --url "$url" --definition /etc/mlufleet-serve/definition.json "$@" ;;
esac

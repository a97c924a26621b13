# serve.sh key FOLDER | put CONTAINER FOLDER DEFINITION | await CONTAINER DIGEST COUNT SECONDS
#   | drain|replace CONTAINER FOLDER SECONDS | retry CONTAINER | forget FOLDER
#   | prove IMAGE PYTHON FOLDER URL CONTAINER NAME
# What the servers in a release's container are to do, and what they do. FOLDER on the host is mounted into
# the container; its first process, the supervisor, reads definition.json there. A line on standard input of
# `key` is the key that clients have to send; an empty one removes it. `replace` drains before the program
# in FOLDER is replaced. DIGEST and COUNT are those of the definition and of its instances.
# needs: images served-folder
how=$1; shift
ask() {
  # CONTAINER TEMPLATE: print what docker says of a container, and nothing if there is none; fail with the
  # reason if docker does not say
  timeout -k 2 60 docker inspect --type container --format "$2" "$1" 2>/dev/null && return
  why=$(timeout -k 2 60 docker inspect --type container "$1" 2>&1 >/dev/null)
  case $why in *"o such container"* | *"o such object"*) return 0 ;; esac
  printf '%s\n' "${why:-no answer}"
  return 1
}
unanswered() {
  # CONTAINER REASON: whether its servers still run is not known, so nothing that follows may be done
  echo "@@code ENGINE"
  echo "docker does not say what container $1 does: $2"
  exit 1
}
told_folder() {
  # CONTAINER: print where its supervisor says what its instances do, nothing if it says nothing; fail as `ask`
  pid=$(ask "$1" '{{.State.Pid}}') || { printf '%s\n' "$pid"; return 1; }
  folder=/proc/${pid:-0}/root/run/mlufleet-serve
  # a link in the container would lead elsewhere on the host
  [ ! -d "$folder" ] || [ -L "$folder" ] || printf '%s\n' "$folder"
}
told() {
  # CONTAINER: print name and state of every instance that its supervisor knows; fail as `ask`
  folder=$(told_folder "$1") || { printf '%s\n' "$folder"; return 1; }
  [ -n "$folder" ] || return 0
  for file in "$folder"/[0-9] "$folder"/[0-9][0-9]; do
    [ -f "$file" ] && [ ! -L "$file" ] || continue
    IFS= read -r line < "$file" 2>/dev/null || [ -n "$line" ] || continue
    printf '%s\t%s\n' "${file##*/}" "$line"
  done
}
hang_up() {
  # CONTAINER: tell its supervisor to look at its folder. Not by `docker kill`: after any signal, docker takes
  # the container for stopped by an operator, and does not start it after a reboot (moby/moby#41302)
  pid=$(ask "$1" '{{.State.Pid}}') || unanswered "$1" "$pid"
  [ "${pid:-0}" != 0 ] || { echo "container $1 does not run"; return 1; }
  kill -HUP "$pid"
}
retries() {
  # CONTAINER: print how often its supervisor was told to try again, and has done so
  folder=$(told_folder "$1") || unanswered "$1" "$folder"
  file=$folder/.retries
  [ -z "$folder" ] || [ ! -f "$file" ] || [ -L "$file" ] || head -c 100 "$file"
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
      hang_up "$1" ;;
  retry)
    # until it has done so, it still says that it has given up
    before=$(retries "$1") || { printf '%s\n' "$before"; exit 1; }
    hang_up "$1" || exit 1
    end=$(($(uptime) + 60))
    while now=$(retries "$1") || { printf '%s\n' "$now"; exit 1; }; [ "$now" = "$before" ]; do
      [ "$(uptime)" -lt "$end" ] || { echo "the supervisor in container $1 does not react"; exit 1; }
      sleep 1
    done
    exit 0 ;;
  await)
    end=$(($(uptime) + $4)) before=
    while :; do
      now=$(told "$1") || unanswered "$1" "$now"
      ours=$(printf '%s\n' "$now" | digest=$2 awk -F '\t' '$2 == ENVIRON["digest"]')
      # with what the last start failed with
      states=$(printf '%s\n' "$ours" | awk -F '\t' 'NF { printf "%s %s%s ", $1, $3, $9 == "-" ? "" : " (" $9 ": " $10 ")" }')
      [ "$states" = "$before" ] || echo "instances: ${states:-not started yet}"
      before=$states
      failed=$(printf '%s\n' "$ours" | awk -F '\t' '$3 == "failed"' | head -n 1)
      if [ -n "$failed" ]; then
        docker logs --tail 30 "$1" 2>&1
        echo "@@code $(printf '%s' "$failed" | cut -f9)"
        echo "instance $(printf '%s' "$failed" | cut -f1) is not started any more: $(printf '%s' "$failed" | cut -f10)"
        exit 1
      fi
      [ "$(printf '%s\n' "$ours" | awk -F '\t' '$3 == "ready"' | wc -l)" -lt "$3" ] || exit 0
      [ "$(uptime)" -lt "$end" ] || break
      sleep 1
    done
    docker logs --tail 30 "$1" 2>&1
    code=$(printf '%s\n' "$ours" | awk -F '\t' '$9 ~ /^SERVE/ { print $9; exit }')
    echo "@@code ${code:-SERVE_LOAD}"; echo "not ready after $4 s: ${states:-no instance was started}"
    exit 1 ;;
  drain | replace)
    running=$(ask "$1" '{{.State.Running}}') || unanswered "$1" "$running"
    rm -f "$2/definition.json"
    [ "$how" = drain ] || rm -f "$stamps/serve-files"
    [ "$running" = true ] || exit 0
    (hang_up "$1") >/dev/null 2>&1  # it looks once a second, too
    end=$(($(uptime) + $3))
    while now=$(told "$1") || unanswered "$1" "$now"; do
      left=$(printf '%s\n' "$now" | awk -F '\t' 'NF && $3 != "stopped" && $3 != "failed"')
      [ -n "$left" ] || break
      [ "$(uptime)" -lt "$end" ] || { echo "@@code SERVE_STUCK"; echo "$left" | head -n 3; exit 1; }
      sleep 1
    done
    exit 0 ;;
  forget)
    forget_served "$1"
    # the stamps last: they tell that there may be something to remove
    rm -f "$stamps/serve" "$stamps"/serve-* ;;
  prove)
    # what the supervisor measured while the server was cold
    now=$(told "$5") || unanswered "$5" "$now"
    printf '%s\n' "$now" | grep "^$6$T" | while IFS=$T read -r _ _ _ _ _ seconds _; do echo "{\"ready_s\": $seconds}"; done
    folder=$(told_folder "$5") || unanswered "$5" "$folder"
    measured=$folder/.$6.json
    [ -z "$folder" ] || [ ! -f "$measured" ] || [ -L "$measured" ] || head -c 1000 "$measured"
    # from the host's own network, through the published port, and without the cards
    image=$(known "$1") python=$2 folder=$3 url=$4
    if [ -f "$folder/key" ]; then set -- --key-file /etc/mlufleet-serve/key; else set --; fi
    docker run --rm --network host --cap-drop ALL --security-opt no-new-privileges --read-only \
      --volume "$folder:/etc/mlufleet-serve:ro" --entrypoint "$python" "$image" \
      /etc/mlufleet-serve/client.py prove --url "$url" --definition /etc/mlufleet-serve/definition.json "$@" ;;
esac

# verdict.sh: say in one line, within two seconds, whether this host is what its last smoke test proved. Exit
# status: 0 ready, 1 degraded, 2 broken, 3 unknown. What could not be seen is never called ready.
# It is placed on the host, for a prolog of Slurm or cron. Before its text stand the variables that it compares
# with: DRIVER, the version; CARDS, addresses; BOOT, the boot in which the smoke test passed; FACTS, the docker
# template whose output stamps keep a digest of; RELEASES, a word CONTAINER:KEY:RELEASE:SERVERS for each
# release, KEY "-" for the only one, SERVERS the numbers of its instances with their ports (0=4650,1=4651).
# A read of a broken card may never end, not even by SIGKILL. So every check is a process of its own that
# nobody waits for. What it finds is a line in a file: kind, code, subject and sentence, separated by tabs. Kind:
# locked, vital (a host that serves nothing cannot do its work), minor, unknown; alone: served for a release
# that has servers, and for each of them ready, or passing if it changes by itself; end, without which something
# could not be written. What is wrong, and which of it explains the rest, is judged as the watch judges it
# (mlufleet/watch/causes.py, tracking.py).
# for all checks at once in hundredths of a second, for each, and for docker in one; the shell has the rest
LIMIT_CS=170 CHECK_S=1.6 DOCKER_S=1.2
T=$(printf '\t')
first() { line=; IFS= read -r line 2>/dev/null < "$1"; }  # FILE: its first line, without a process
found() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4"; }  # KIND CODE SUBJECT SENTENCE
now_cs() {
  read -r up _ < /proc/uptime
  echo $((${up%.*} * 100 + 1${up#*.} - 100))
}
check_state() {
  # what a run does to the host, and what earlier ones have left
  if [ -f "$state/lock" ]; then
    IFS=$T read -r run operator _ lease _ < "$state/lock"
    case $lease in '' | *[!0-9]*) lease=0 ;; esac
    [ "$(age "$state/lock")" -gt "$lease" ] || found locked LOCKED '' "run $run of $operator works on this host"
  fi
  [ -w "$state" ] || found minor READ_ONLY "$state" "it cannot be written"
  for job in "$state"/jobs/*; do
    [ -d "$job" ] || continue
    left=$(stuck "$job" | tr '\n' ' ')
    [ -z "$left" ] || found minor HUNG '' "$left of $(cut -f4 "$job/who"): not even SIGKILL ends it"
  done
}
check_cards() {
  present='' answering=''
  for card in /sys/bus/pci/devices/*; do
    first "$card/vendor"
    [ "$line" = 0xcabc ] || continue
    address=${card##*/} present="$present ${card##*/}"
    first "$card/device"
    case $line in *[16]) continue ;; esac  # a virtual function
    # byte 8 of the configuration is the revision
    if [ "$(od -An -v -tx1 -j8 -N1 "$card/config" 2>/dev/null | tr -d ' ')" = ff ]; then
      found vital CARD_DROPPED "$address" "revision ff"
    else answering="$answering $address"
    fi
  done
  for address in $CARDS; do
    case " $present " in *" $address "*) ;; *) found vital CARDS_MISSING "$address" "it is not on the bus" ;; esac
  done
  check_driver
}
check_driver() {
  # one root cause is one problem: without a driver no card runs and no node is there
  other='' without='' driven=0 stopped='' number=0 missing=''
  for address in $answering; do
    folder=/proc/driver/cambricon/mlus/$address version=
    [ -r "$folder/information" ] || { without="$without $address"; continue; }
    while IFS=: read -r key value; do
      value=${value#"${value%%[! ]*}"}
      case $key in 'Driver Version'*) version=${value#v}; break ;; esac
    done < "$folder/information"
    driven=$((driven + 1))
    [ "$version" = "$DRIVER" ] || other=${version:-none}
    first "$folder/core_state"
    case $line in '' | CN_RUNNING) ;; *) stopped="$stopped $address:$line" ;; esac
  done
  [ -n "$answering" ] || return
  if [ "$driven" = 0 ]; then found vital DRIVER_NOT_PROVED '' "no driver is loaded"; return; fi
  if [ -n "$other" ]; then found vital DRIVER_NOT_PROVED '' "driver $other runs, and $DRIVER was proved"; return; fi
  for card in $stopped; do found vital CARD_UNHEALTHY "${card%:*}" "${card##*:}"; done
  for address in $without; do found vital CARD_UNHEALTHY "$address" "no driver runs it"; done
  [ -z "$without" ] || return
  [ -c /dev/cambricon_ctl ] || missing=" /dev/cambricon_ctl"
  for address in $answering; do
    for node in "/dev/cambricon_dev$number" "/dev/cambricon_ipcm$number"; do
      [ -c "$node" ] || missing="$missing $node"
    done
    number=$((number + 1))
  done
  [ -z "$missing" ] || found vital DRIVER_NOT_PROVED '' "there is no$missing"
}
split() {
  # WORD of RELEASES
  IFS=: read -r name key release servers <<END
$1
END
  key=${key#-}
}
known() {
  # succeed if the host still has the release: a run removes a container together with its stamp
  for stamps in "$state/stamps${key:+/$key}" "$state/stamps"; do
    first "$stamps/container-name"
    [ "$line" != "$name" ] || return 0
  done
  return 1
}
check_release() {
  # WORD of RELEASES: its container, then its servers
  split "$1"
  known || return
  [ -z "$servers" ] || echo served
  said=$(timeout -k 0.1 "$DOCKER_S" docker inspect --type container --format \
    "@container$T{{.State.Running}}$T{{.State.Paused}}$T{{.State.Pid}}$T{{.Config.Labels}}$T{{json .State.Error}}
$FACTS" "$name" 2>&1 </dev/null)
  ended=$?
  case $ended in
    0) ;;
    124 | 137) found unknown ENGINE "$name" "docker does not answer in time"; return ;;
    *) case $ended:$said in
         12[567]:*) found vital ENGINE '' "docker is not there" ;;  # of timeout itself
         *"o such"*) found vital CONTAINER "$name" "it does not exist" ;;
         *) found vital ENGINE '' "docker does not answer" ;;
       esac
       return ;;
  esac
  said=${said#*@container"$T"}  # a client may warn of something first
  IFS=$T read -r running paused pid labels error <<END
$said
END
  first "$stamps/container"
  proved=$line digest=${line%% *} error=${error#\"} error=${error%\"}
  if [ "$paused" = true ]; then found vital CONTAINER "$name" "it is paused"; return; fi
  if [ "$running" != true ]; then found vital CONTAINER "$name" "it does not run${error:+: $error}"; return; fi
  case $labels in *"mlufleet.spec:$digest"*) ;; *) found vital CONTAINER "$name" "it is not the one that was proved"; return ;; esac
  actual=$(printf '%s\n' "$said" | sed 1d | sha256sum | cut -c1-16)
  [ "$proved" = "$digest $actual" ] || found vital CONTAINER "$name" "its settings were changed"
  if [ -n "$servers" ]; then check_servers
  # its servers prove another release in each boot
  elif [ "$BOOT" != "$(booted)" ]; then found minor SMOKE_ANSWER "$release" "the model was not asked since the boot"
  fi
}
check_servers() {
  # the definition that the supervisor in the container reads, and what it says of each instance
  first "$state/serve${key:+/$key}/definition.json"
  case $line in '{"digest": "'*) digest=${line#*: \"} digest=${digest%%\"*} ;; *) digest= ;; esac
  folder=/proc/$pid/root/run/mlufleet-serve
  listening=$(grep -hs ' 0A ' "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6")
  for server in $(printf %s "$servers" | tr , ' '); do
    told=$folder/${server%%=*} subject=$release/${server%%=*} line=
    # a link in the container would lead elsewhere on the host
    if [ -f "$told" ] && [ ! -L "$told" ] && [ ! -L "$folder" ]; then first "$told"; fi
    IFS=$T read -r its how _ _ _ _ _ code reason <<END
$line
END
    case $code in SERVE*) ;; *) code=SERVE ;; esac
    if [ -z "$digest" ] || [ "$its" != "$digest" ]; then found minor SERVE "$subject" "it was not started"
    elif [ "$how" != ready ]; then
      case $how in loading | draining) echo passing ;; esac
      found minor "$code" "$subject" "it is $how: ${reason:--}"
    else
      case $listening in
        *":${server#*=} "*) echo ready ;;
        *) found minor SERVE "$subject" "nothing listens on its port" ;;
      esac
    fi
  done
}
case ${1:-} in
  state) check_state; echo end; exit 0 ;;
  cards) check_cards; echo end; exit 0 ;;
  release) check_release "$2"; echo end; exit 0 ;;
esac
end() {
  # STATUS LINE: one line, whatever a container or a driver has said
  printf '%s\n' "$2" | tr -d '\000-\011\013-\037\177' | cut -c1-400 | head -n 1
  exit "$1"
}
discard() {
  # FOLDER: remove it. A check that goes on may write there meanwhile: then once more, and a later call sweeps
  rm -rf "$1" 2>/dev/null || rm -rf "$1" 2>/dev/null || :
}
sweep() {
  # BASE: remove what calls have left that were killed
  for left in "$1".*; do
    [ -d "$left" ] && [ ! -L "$left" ] || continue
    caller=${left#"$1".}
    grep -qs verdict.sh "/proc/${caller%%.*}/cmdline" || discard "$left"
  done
}
[ "$(id -u)" = 0 ] || end 3 "unknown: SUDO: only root sees all of a host"
[ -n "${RELEASES:-}" ] || end 3 "unknown: NOT_RECORDED: this text was not placed by a run"
began=$(now_cs)
trap '[ -z "${work:-}" ] || discard "$work"' 0
trap 'end 3 "unknown: TIMED_OUT: a signal has ended it"' 1 2 15
# the last one is for when nothing else can be written; others may write there, too
for base in /run/mlufleet-verdict "$state/verdict-work" "${TMPDIR:-/tmp}/mlufleet-verdict"; do
  pids=''
  case $base in "${TMPDIR:-/tmp}"/*) ;; *) pids=$base; sweep "$base" ;; esac
  work=$(mktemp -d "$base.$$.XXXXXX" 2>/dev/null) || continue
  echo room 2>/dev/null > "$work/room" && break
  discard "$work"
  work=''
done
[ -n "$work" ] || end 3 "unknown: NO_SPACE: there is no room for a temporary file"
begin() {
  # NAME WORDS…: start a check, which has its own limit, and is left behind if even SIGKILL does not end it:
  # then no other one is started, or a node whose health is checked again and again would fill with them
  check=$1; shift
  asked="$asked $check"
  line=''
  [ -z "$pids" ] || first "$pids-$check.pid"
  if [ -n "$line" ] && grep -qs verdict.sh "/proc/$line/cmdline"; then : > "$work/$check.late"; return; fi
  {
    if timeout -k 0.1 "$CHECK_S" sh "$0" "$@" > "$work/$check.part"; then ended=$check; else ended=$check.late; fi
    mv "$work/$check.part" "$work/$ended"
  } </dev/null >/dev/null 2>&1 &
  started="$started $check:$!"
}
asked='' started=''
begin state state
begin cards cards
for word in $RELEASES; do split "$word"; begin "container-$name" release "$word"; done
while :; do
  left=''
  for check in $asked; do [ -f "$work/$check" ] || [ -f "$work/$check.late" ] || left="$left $check"; done
  [ -n "$left" ] && [ $(($(now_cs) - began)) -lt $LIMIT_CS ] || break
  sleep 0.05
done
for check in $started; do
  [ -f "$work/${check%:*}" ] || [ -f "$work/${check%:*}.late" ] ||
    [ -z "$pids" ] || echo "${check##*:}" > "$pids-${check%:*}.pid"
done 2>/dev/null
locked='' vital='' unknown='' told='' served='' ready='' passing=''
note() {
  # LINE of a check
  kind=${1%%"$T"*} rest=${1#*"$T"} code=${rest%%"$T"*} rest=${rest#*"$T"}
  # what is down because of a card or the driver is no problem of its own
  case $told:$code in
    *CARD_DROPPED*:CONTAINER | *CARDS_MISSING*:CONTAINER | *CARD_UNHEALTHY*:CONTAINER | *DRIVER_NOT*:CONTAINER) return ;;
    *CARD_DROPPED*:SERVE* | *CARDS_MISSING*:SERVE* | *DRIVER_NOT*:SERVE* | *DRIVER_NOT*:SMOKE*) return ;;
  esac
  subject=${rest%%"$T"*}
  problem="$code${subject:+ $subject}: ${rest#*"$T"}; "
  case $told in *"$problem"*) return ;; esac  # an engine that is down says so of each container
  case $kind in
    locked) locked=$problem ;;
    unknown) unknown=$unknown$problem ;;
    vital) vital=yes told=$told$problem ;;
    minor) told=$told$problem ;;
  esac
}
for check in $asked; do
  [ -f "$work/$check" ] || unknown="${unknown}TIMED_OUT $check: it did not end in time; "
  # also what a check has found before it hung
  for file in "$work/$check" "$work/$check.late" "$work/$check.part"; do [ ! -f "$file" ] || break; done
  [ -f "$file" ] || continue
  ended=''
  while IFS= read -r line; do
    case $line in
      end) ended=yes ;;
      served) served=yes ;;
      ready) ready=yes ;;
      passing) passing=yes ;;
      *) note "$line" ;;
    esac
  done < "$file"
  [ -n "$ended" ] || [ ! -f "$work/$check" ] ||
    unknown="${unknown}NO_SPACE $check: what it found could not be written; "
done
all=$told$unknown all=${all%; }
# a host that serves does its work as long as one of its servers answers
if [ -n "$served" ]; then
  vital=
  [ -n "$ready$passing$unknown" ] || [ -z "$told" ] || vital=yes
fi
if [ -n "$locked" ]; then end 3 "unknown: ${locked%; }"
elif [ -n "$vital" ]; then end 2 "broken: $all"
elif [ -n "$unknown" ]; then end 3 "unknown: $all"
elif [ -n "$told" ]; then end 1 "degraded: $all"
else end 0 ready
fi

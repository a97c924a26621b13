# ID SECONDS STDIN BODY NAME [ARGUMENTS…]: runs BODY as a job of the host's own. It outlives the
# connection; asked for again by its id it is picked up, not started twice.
set -u
id=$1 seconds=$2 stdin=$3 body=$4 name=$5; shift 5
umask 077
job="$state/jobs/$id"
quote() { printf "'%s' " "$(printf '%s\n' "$1" | sed "s/'/'\\\\''/g")"; }
run=$(printf '%s\n' "$WHO" | cut -f1)
put() { cat > "$job.new/$1"; }  # it says why it cannot
written() {
  mkdir -p "$job.new" && printf '%s\n' "$body" | put body && printf '%s' "$stdin" | put stdin &&
    booted | put boot && echo $(($(uptime) + seconds)) | put deadline &&
    printf '%s\n' "$WHO" | put who && {
    echo "cd /; umask 022; echo \$\$ > $job/pid"
    printf 'WHO=%stimeout -k 10 %s sh %s ' "$(quote "$WHO")" "$seconds" "$job/body"
    for argument; do quote "$argument"; done
    echo "> $job/log 2>&1 < $job/stdin"
    echo "echo \$? > $job/status.part; sync; mv -f $job/status.part $job/status"
  } | put main
}
if [ -d "$job" ] && [ ! -f "$job/status" ] && [ "$(cat "$job/boot")" != "$(booted)" ]; then
  # the host went down in the middle of it: scripts look at what is there, and go on from that
  audit "again, after a reboot of the host"
  rm -rf "$job"
fi
if [ ! -d "$job" ]; then
  holder=$(cut -f1 "$state/lock" 2>/dev/null)
  if [ "$holder" != "$run" ]; then
    echo "@@code LOCKED"; echo "run ${holder:-of nobody} holds this host by now"; exit 1
  fi
  for old in "$state/jobs"/*; do
    [ ! -d "$old" ] || alive "$old" || [ -n "$(stuck "$old")" ] || rm -rf "$old"
  done
  # a disk that is full would leave the half of a script, which is not to be run
  written "$@" || { rm -rf "$job.new"; echo "$job cannot be written"; exit 1; }
  sync
  mv "$job.new" "$job"
  audit "start"
  # out of this session's reach: where there is systemd, also out of its control group
  if [ -d /run/systemd/system ] && systemd-run --unit "mlufleet-$id" --setenv=HOME=/root \
    --setenv="PATH=$PATH" sh "$job/main" >/dev/null 2>&1; then :
  else HOME=/root setsid sh "$job/main" >/dev/null 2>&1 </dev/null &
  fi
fi
# what a step said, in bounded length: the whole stays here for the operator of the host
said() {
  if [ "$(stat -c %s "$job/log")" -le 8388608 ]; then cat "$job/log"
  else head -c 4194304 "$job/log"; printf '\n(cut) %s\n' "in full: $job/log"; tail -c 4194304 "$job/log"
  fi
}
tick=0
while [ ! -f "$job/status" ]; do
  if [ $tick -gt 20 ] && ! alive "$job"; then
    [ -f "$job/status" ] && break
    said 2>/dev/null
    audit "died"; echo "the job ended without a status: $name was killed"; exit 1
  fi
  # not even SIGKILL ends what is stuck in the kernel: it is left behind
  if overdue "$job"; then
    said 2>/dev/null
    audit "hung"; echo "@@code HUNG"
    echo "process $(cat "$job/pid") does not end, not even by SIGKILL"; exit 1
  fi
  tick=$((tick + 1))
  if [ $tick -lt 20 ]; then sleep 0.1; else sleep 1; fi
done
said
status=$(cat "$job/status")
[ -f "$job/told" ] || audit "ended with status $status"
: > "$job/told"
case $status in 124 | 137)
  # a signal needs a moment to end a process that can be ended
  n=0
  while left=$(stuck "$job") && [ -n "$left" ] && [ $n -lt 3 ]; do n=$((n + 1)); sleep 1; done
  if [ -n "$left" ]; then
    audit "hung"; echo "@@code HUNG"
    # shellcheck disable=SC2086,SC2116  # in one line
    echo "not even SIGKILL ends $(echo $left), after $seconds s"
  else echo "@@code TIMED_OUT"; echo "it was ended after $seconds s"
  fi ;;
esac
exit "$status"

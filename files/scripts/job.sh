# job.sh ID SECONDS STDIN BODY NAME [ARGUMENTS…]: run BODY as a job of the host that outlives the
# connection, and wait for it. A job that exists already is resumed, not started again.
# STDIN is the text of its standard input, or @@pipe: then it reads the lines on standard input of this
# script up to a line with a dot, through a pipe, so that they are in no file and no list of processes.
set -u
id=$1 seconds=$2 stdin=$3 body=$4 name=$5; shift 5
umask 077
job="$state/jobs/$id"
quote() { printf "'%s' " "$(printf '%s\n' "$1" | sed "s/'/'\\\\''/g")"; }
run=$(printf '%s\n' "$WHO" | cut -f1)
put() { cat > "$job.new/$1"; }  # prints the reason if it fails
given() {
  # an earlier attempt may have been cut, and left its pipe
  [ ! -p "$job.new/stdin" ] || rm -f "$job.new/stdin"
  if [ "$stdin" = "@@pipe" ]; then mkfifo "$job.new/stdin"; else printf '%s' "$stdin" | put stdin; fi
}
# both ends, so that opening the pipe does not wait
from() { if [ "$stdin" = "@@pipe" ]; then echo '<>'; else echo '<'; fi; }
written() {
  mkdir -p "$job.new" && printf '%s\n' "$body" | put body && given &&
    booted | put boot && echo $(($(uptime) + seconds)) | put deadline &&
    printf '%s\n' "$WHO" | put who && {
    echo "cd /; umask 022; echo \$\$ > $job/pid"
    printf 'WHO=%stimeout -k 10 %s sh %s ' "$(quote "$WHO")" "$seconds" "$job/body"
    for argument; do quote "$argument"; done
    echo "> $job/log 2>&1 $(from) $job/stdin"
    echo "echo \$? > $job/status.part; sync; mv -f $job/status.part $job/status"
  } | put main
}
if [ -d "$job" ] && [ ! -f "$job/status" ] && [ "$(cat "$job/boot")" != "$(booted)" ]; then
  # the host rebooted meanwhile: scripts inspect what is there and continue from that
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
  # a full disk could leave half a script, which must not run
  written "$@" || { rm -rf "$job.new"; echo "$job cannot be written"; exit 1; }
  sync
  mv "$job.new" "$job"
  audit "start"
  # detach from this session; with systemd, also from its control group
  if [ -d /run/systemd/system ] && systemd-run --unit "mlufleet-$id" --setenv=HOME=/root \
    --setenv="PATH=$PATH" sh "$job/main" >/dev/null 2>&1; then :
  else HOME=/root setsid sh "$job/main" >/dev/null 2>&1 </dev/null &
  fi
fi
# also of a job that a lost connection left without them
if [ -p "$job/stdin" ] && [ ! -f "$job/status" ] && [ ! -f "$job/passed" ]; then
  lines=$(cat)
  # of a connection that was lost, only a part arrives
  case $lines in *.)
    # shellcheck disable=SC2016  # expanded by the inner shell
    printf '%s\n' "${lines%.}" | timeout 60 sh -c 'cat > "$1"' sh "$job/stdin" && : > "$job/passed" ;;
  esac
fi
# print the job's output with a size limit; the complete log stays on the host
said() {
  if [ "$(stat -c %s "$job/log")" -le 8388608 ]; then cat "$job/log"
  else head -c 4194304 "$job/log"; printf '\n(cut) %s\n' "in full: $job/log"; tail -c 4194304 "$job/log"
  fi
}
pause() { sleep "$1" 2>/dev/null || sleep 1; }  # SECONDS; not every sleep knows fractions
tick=0
while [ ! -f "$job/status" ]; do
  # on a busy host it may begin seconds later
  if [ $tick -gt 38 ] && ! alive "$job"; then
    [ -f "$job/status" ] && break
    said 2>/dev/null
    audit "died"; echo "the job ended without a status: $name was killed"; exit 1
  fi
  # a process stuck in the kernel survives SIGKILL: leave it behind
  if overdue "$job"; then
    said 2>/dev/null
    audit "hung"; echo "@@code HUNG"
    echo "process $(cat "$job/pid") does not end, not even by SIGKILL"; exit 1
  fi
  # most jobs are short, and a run has dozens: the pauses grow with what this one has taken
  tick=$((tick + 1))
  if [ $tick -le 10 ]; then pause 0.02
  elif [ $tick -le 30 ]; then pause 0.1
  elif [ $tick -le 70 ]; then pause 0.2
  else pause 1
  fi
done
said
status=$(cat "$job/status")
[ -f "$job/told" ] || audit "ended with status $status"
: > "$job/told"
case $status in 124 | 137)
  # give a signaled process a moment to end
  n=0
  while left=$(stuck "$job") && [ -n "$left" ] && [ $n -lt 3 ]; do n=$((n + 1)); sleep 1; done
  if [ -n "$left" ]; then
    audit "hung"; echo "@@code HUNG"
    # shellcheck disable=SC2086,SC2116  # join lines
    echo "not even SIGKILL ends $(echo $left), after $seconds s"
  else echo "@@code TIMED_OUT"; echo "it was ended after $seconds s"
  fi ;;
esac
exit "$status"

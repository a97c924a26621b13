# lock.sh acquire RUN OPERATOR WHY LEASE | release RUN | beat RUN | break OPERATOR
# The host lock: one run at a time. A holder sends heartbeats that touch the lock file; it counts as
# dead when the file has not changed for LEASE seconds. Only this host's clock is used. A holder whose
# connection ends writes lock.left; later changes to the lock by that connection are no heartbeat.
# needs: daemon
set -u
BEAT=5
how=$1 run=$2
lock="$state/lock" left="$state/lock.left"
# a host that was given back has no state any more, and gets none by the end of the run that did it
[ "$how" = acquire ] || [ -d "$state" ] || { [ "$how" != break ] || echo "@@lock free"; exit 0; }
# a record that begins with the state folder itself says everything that is made on the host
[ -d "$state" ] || made state "$state"
mkdir -p "$state"; chmod 755 "$state"
guarded() { exec 9> "$state/lock.guard" && flock -w 10 9; }
free() { exec 9>&-; }
field() { cut -f"$1" "$lock" 2>/dev/null | head -n 1; }
lease() {
  # print the holder's lease in seconds; anything but such a number counts as 0
  given=$(field 4)
  case $given in '' | *[!0-9]* | ??????????*) given=0 ;; esac
  echo "$given"
}
changed() { stat -c %Y.%i "$lock" 2>/dev/null; }
take() {
  printf '%s\t%s\t%s\t%s\t%s\n' "$run" "$operator" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$lease" \
    "$why" | cat > "$lock.part" && mv -fT "$lock.part" "$lock" && rm -f "$left" && return
  # mv and rm have printed the reason
  echo "$lock cannot be written"; exit 1
}
hung_up() { [ "$(cat "$left" 2>/dev/null)" = "$(field 1)" ]; }
mine() { [ "$(field 1)" = "$run" ]; }
holder() {
  echo "held by $(field 2), run $(field 1), since $(field 3), last seen $(age "$lock") s ago:" \
    "$(field 5)"
}
release() {
  guarded || exit 1
  if mine; then rm -f "$lock" "$left"; fi
}
case $how in
  release) release ;;
  beat)
    # each line from the controller is a heartbeat; the end of stdin means that the holder has gone
    while read -r word; do
      mine || exit 0
      [ "$word" != release ] || { release; exit 0; }
      rm -f "$left"  # another connection of this run has ended
      touch -c "$lock"
      echo beat
    done
    # shorten the lease, so that the next run need not wait for all of it
    if mine; then
      echo "$run" > "$left"
      touch -cd "@$(($(date +%s) - $(lease) + BEAT))" "$lock"
    fi ;;
  break)
    guarded || exit 1
    [ -f "$lock" ] || { echo "@@lock free"; exit 0; }
    echo "@@lock was $(holder)"
    WHO="-	$run	lock" audit "broke the lock $(holder)"
    rm -f "$lock" "$left" ;;
  acquire)
    operator=$3 why=$4 lease=$5
    # login users may reach their incoming files only; answers and releases are for root
    for private in releases smoke kept; do
      mkdir -p "$state/$private"; chmod 700 "$state/$private"
    done
    waited=0 quiet=0 last=
    while :; do
      guarded || { echo "@@code LOCKED"; echo "the lock's guard is busy"; exit 1; }
      if [ ! -f "$lock" ] || mine; then take; free; break; fi
      now=$(changed)
      if [ "$now" != "$last" ]; then
        if [ -n "$last" ] && ! hung_up; then echo "@@code LOCKED"; holder; exit 1; fi
        last=$now waited=0
        # if the clock was changed, a live lock may look old: wait for at least one heartbeat
        quiet=$(($(lease) - $(age "$lock")))
        [ $quiet -gt $((BEAT + 2)) ] || quiet=$((BEAT + 2))
        [ $quiet -le 120 ] || { echo "@@code LOCKED"; holder; exit 1; }
      elif [ $waited -gt $quiet ]; then
        WHO="$run	$operator	lock" audit "took over the lock $(holder)"
        take; free; break
      fi
      free; sleep 1; waited=$((waited + 1))
      # if nobody reads this, the controller is gone: do not take the lock
      echo "@@waiting" || exit 1
    done
    # wait for jobs that the previous holder left running, so that none runs twice
    for job in "$state"/jobs/*; do
      while [ -d "$job" ] && alive "$job"; do
        if overdue "$job"; then
          echo "@@code HUNG"; echo "process $(cat "$job/pid") of $(cut -f1 "$job/who") does not end"
          exit 1
        fi
        mine || { echo "@@code LOCKED"; echo "another run has taken this host"; exit 1; }
        touch -c "$lock"
        echo "@@waiting" || exit 1
        sleep 1
      done
    done
    # the looks of this run need not ask for it
    recall_daemon >/dev/null || note_daemon || : ;;
esac

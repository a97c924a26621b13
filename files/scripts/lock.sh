# acquire RUN OPERATOR WHY LEASE | release RUN | beat RUN | break OPERATOR: one run at a time on a
# host. A holder beats every few seconds; it counts as dead when its lock has not changed for a
# lease, by what is seen on this host alone: nobody's clock is compared with another's. One that
# has hung up says so in lock.left: what it still did to the lock before that is no sign of life.
set -u
BEAT=5
how=$1 run=$2
lock="$state/lock" left="$state/lock.left"
mkdir -p "$state"; chmod 755 "$state"
guarded() { exec 9> "$state/lock.guard" && flock -w 10 9; }
free() { exec 9>&-; }
field() { cut -f"$1" "$lock" 2>/dev/null | head -n 1; }
lease() {
  # of whoever holds it, in seconds; what is no such number is no arithmetic either
  given=$(field 4)
  case $given in '' | *[!0-9]* | ??????????*) given=0 ;; esac
  echo "$given"
}
changed() { stat -c %Y.%i "$lock" 2>/dev/null; }
take() {
  printf '%s\t%s\t%s\t%s\t%s\n' "$run" "$operator" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$lease" \
    "$why" | cat > "$lock.part" && mv -fT "$lock.part" "$lock" && rm -f "$left" && return
  # they have said why
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
    # a line from the controller is a beat; at the end of its input the holder has hung up
    while read -r word; do
      mine || exit 0
      [ "$word" != release ] || { release; exit 0; }
      rm -f "$left"  # it was another connection of this run's that ended
      touch -c "$lock"
      echo beat
    done
    # the lease is cut short, so that whoever comes next does not wait for all of it
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
    # whoever logs in reaches his own folder; what models answered and releases hold is root's
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
        # a clock that was set makes a live lock look old: at least one beat is waited for
        quiet=$(($(lease) - $(age "$lock")))
        [ $quiet -gt $((BEAT + 2)) ] || quiet=$((BEAT + 2))
        [ $quiet -le 120 ] || { echo "@@code LOCKED"; holder; exit 1; }
      elif [ $waited -gt $quiet ]; then
        WHO="$run	$operator	lock" audit "took over the lock $(holder)"
        take; free; break
      fi
      free; sleep 1; waited=$((waited + 1))
      # nobody reads it where the controller is gone, and a lock is not taken for nobody
      echo "@@waiting" || exit 1
    done
    # what the last holder left running is not started twice: it is let end
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
    done ;;
esac

# smoke-model.sh CONTAINER BIN WORKDIR KIND EXPECT WHERE SECONDS [NAME=VALUE…] COMMAND…: ask a model a
# question (stdin) and look for EXPECT in its answer. WHERE is the file or URL of KIND artefact or http.
# The exit status is ignored: an interactive program ends with a traceback at the end of its input.
set -u
container=$1 bin=$2 workdir=$3 kind=$4 expect=$5 where=$6 seconds=$7; shift 7
mkdir -p "$state/smoke"
log="$state/smoke/$(date +%Y%m%d-%H%M%S).log"
question=$(cat)
inside() { docker exec -i -w "$workdir" "$container" env PATH="$bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$@"; }
# limit the output: a program that never stops would fill the disk
begin() { inside MLUFLEET_SMOKE=1 timeout -k 10 "$seconds" env "$@" 2>&1 | head -c 67108864; }
end_all() {
  # find processes by a mark in their environment, which children inherit; this also finds what an
  # earlier, interrupted test left behind
  docker exec "$container" sh -c '
    marked() {
      for one in /proc/[0-9]*; do
        tr "\0" "\n" < "$one/environ" 2>/dev/null | grep -qx MLUFLEET_SMOKE=1 && echo "${one#/proc/}"
      done
    }
    # of what was found before: a process that ends has no environment any more while it still holds a card
    held() {
      for one in $found; do
        case $(sed "s/.*) //" "/proc/$one/stat" 2>/dev/null) in "" | [ZX]*) ;; *) echo "$one" ;; esac
      done
    }
    n=0 found=
    # twice: one look may miss a child that a process starts before it ends
    while now=$(marked; marked); found=$(held; echo "$now"); [ -n "$found" ]; do
      [ $n -lt 10 ] || { [ -z "$now" ] && [ $n -lt 60 ]; } ||
        { echo "does not end: $(echo "$found" | sort -u | tr "\n" " ")"; exit 1; }
      if [ $n -lt 5 ]; then kill -TERM $now; else kill -KILL $now; fi 2>/dev/null
      n=$((n + 1))
      # what ends at once is not waited for
      sleep 0.2 2>/dev/null && [ -z "$(marked; held)" ] || sleep 1
    done'
}
end_all || exit 1
trap end_all EXIT
trap 'exit 1' HUP INT TERM
answer=
case $kind in
  http)
    # ask directly, whatever proxy the environment names
    connect='import socket, sys, urllib.parse as p
at = p.urlsplit(sys.argv[1])
socket.create_connection((at.hostname, at.port or 80), 5)'
    ask='import sys, urllib.request as u
request = u.Request(sys.argv[1], sys.stdin.buffer.read() or None,
                    {"Content-Type": "application/json"})
answer = u.build_opener(u.ProxyHandler({})).open(request, timeout=float(sys.argv[2]))
sys.stdout.buffer.write(answer.read(1 << 20))'
    if inside python -c "$connect" "$where" 2>/dev/null; then
      echo "something else already listens at $where"; exit 1
    fi
    begin "$@" > "$log" </dev/null & server=$!
    now() { cut -d. -f1 /proc/uptime; }
    end=$(($(now) + seconds))
    while left=$((end - $(now))); [ $left -gt 0 ] && kill -0 $server 2>/dev/null; do
      said=$(printf %s "$question" | inside python -c "$ask" "$where" "$left" 2>/dev/null) && break
      said=
      sleep 2
    done
    printf '%s\n' "$said" >> "$log"
    case $said in *"$expect"*) answer=$(printf %s "$said" | tr '\n' ' ') ;; esac ;;
  artefact)
    # an existing file would prove nothing and is not ours to delete
    kept="$where.kept-$(date +%Y%m%d-%H%M%S)"
    if inside test -e "$where"; then
      inside mv "$where" "$kept" || { echo "an old $where cannot be moved away"; exit 1; }
      echo "kept what was at $where as $kept, in the container"
    fi
    begin "$@" > "$log" </dev/null
    # it may be inside a migrated tree, which must not change
    made="$log-${where##*/}"
    if inside test -f "$where"; then
      inside cat "$where" > "$made" || exit 1
      inside rm -f "$where" || { echo "$where cannot be taken away again"; exit 1; }
      grep -qaF -- "$expect" "$made" &&
        answer="$where, $(stat -c %s "$made") bytes, kept as $made"
    fi ;;
  *)
    printf '%s\n' "$question" | begin "$@" > "$log"
    [ "$kind" = stdin ] && echoed=$question || echoed=
    answer=$(grep -aF -- "$echoed" "$log" | grep -aF -- "$expect" | head -n 1 | head -c 4096) ;;
esac
# the model's output must not look like a report of this script
sed 's/^kept what was /| &/' "$log"
echo "output is kept in $log"
end_all || exit 1
trap - EXIT
[ -n "$answer" ] || { echo "no answer with $expect"; exit 1; }
echo "@@answer $answer"

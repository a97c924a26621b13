# CONTAINER BIN WORKDIR KIND EXPECT ARTEFACT-OR-URL SECONDS [NAME=VALUE…] COMMAND…, stdin: the
# question. Exit status is not looked at: an interactive script ends with a traceback at the end
# of its input, after a right answer.
set -u
container=$1 bin=$2 workdir=$3 kind=$4 expect=$5 where=$6 seconds=$7; shift 7
mkdir -p "$state/smoke"
log="$state/smoke/$(date +%Y%m%d-%H%M%S).log"
question=$(cat)
inside() { docker exec -i -w "$workdir" "$container" env PATH="$bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$@"; }
case $kind in
  http)
    inside timeout "$seconds" env "$@" > "$log" 2>&1 </dev/null & server=$!
    waited=0 answer=
    while [ $waited -lt "$seconds" ] && kill -0 $server 2>/dev/null; do
      answer=$(inside python -c 'import sys, urllib.request as u
print(u.urlopen(u.Request(sys.argv[1], data=sys.stdin.buffer.read() or None,
      headers={"Content-Type": "application/json"}), timeout=60).read().decode())' "$where" 2>/dev/null <<Q
$question
Q
) && break
      waited=$((waited + 2)); sleep 2
    done
    inside pkill -f "$*" 2>/dev/null; kill $server 2>/dev/null
    printf '%s\n' "$answer" >> "$log" ;;
  artefact)
    inside rm -f "$where"
    inside timeout -k 10 "$seconds" env "$@" > "$log" 2>&1 </dev/null
    answer=
    inside test -s "$where" && answer="$where" ;;
  *)
    printf '%s\n' "$question" | inside timeout -k 10 "$seconds" env "$@" > "$log" 2>&1
    answer=$(grep -F -- "$question" "$log" | grep -F -- "$expect" | head -n 1) ;;
esac
cat "$log"
echo "output is kept in $log"
case $answer in
  "") echo "no answer"; exit 1 ;;
  *"$expect"*) echo "@@answer $answer" ;;
  *) echo "expected $expect"; exit 1 ;;
esac

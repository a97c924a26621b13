# PID CONTAINER: asks first, then insists.
[ -n "$2" ] && exec docker stop -t 20 "$2"
kill -TERM "$1" 2>/dev/null
n=0
while [ -d "/proc/$1" ] && [ $n -lt 20 ]; do n=$((n + 1)); sleep 1; done
[ ! -d "/proc/$1" ] || kill -KILL "$1"

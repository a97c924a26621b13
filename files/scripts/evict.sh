# PID CONTAINER KIND NAME: asks first, then insists; what something starts again is stopped there.
case $3 in
  docker | podman) exec "$3" stop -t 20 "$2" ;;
  unit)  # not where it is only somebody's shell in a service, sshd above all
    [ "$(systemctl show -p MainPID "$4")" != "MainPID=$1" ] || exec systemctl stop "$4" ;;
esac
kill -TERM "$1" 2>/dev/null
n=0
while [ -d "/proc/$1" ] && [ $n -lt 20 ]; do n=$((n + 1)); sleep 1; done
[ ! -d "/proc/$1" ] || kill -KILL "$1"

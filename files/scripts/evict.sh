# evict.sh PID CONTAINER KIND NAME: end a process that uses a card: SIGTERM first, then SIGKILL.
# A process that a supervisor (KIND: docker, podman, unit) would restart is stopped by that.
case $3 in
  docker | podman) exec "$3" stop -t 20 "$2" ;;
  unit)  # not if it is a shell within a service, such as a login through sshd
    [ "$(systemctl show -p MainPID "$4")" != "MainPID=$1" ] || exec systemctl stop "$4" ;;
esac
kill -TERM "$1" 2>/dev/null
n=0
while [ -d "/proc/$1" ] && [ $n -lt 20 ]; do n=$((n + 1)); sleep 1; done
[ ! -d "/proc/$1" ] || kill -KILL "$1"

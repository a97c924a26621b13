# Shared by the scripts that install packages with the system's own tool.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
package_locks() {
  for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/cache/apt/archives/lock \
    /var/lib/rpm/.rpm.lock /var/lib/rpm/.dbenv.lock; do
    [ -e "$lock" ] || continue
    inode=$(stat -c %i "$lock")
    awk -v inode=":$inode" '$2 == "POSIX" && $6 ~ inode "$" { print $5 }' /proc/locks
  done
  for pidfile in /var/run/yum.pid /var/cache/dnf/metadata_lock.pid; do
    [ -s "$pidfile" ] && pid=$(cat "$pidfile") && [ -d "/proc/$pid" ] && echo "$pid"
  done
}
wait_for_packages() {
  # never beside another package manager: who holds a lock is named, and its lock stays
  waited=0
  while pid=$(package_locks | head -n 1) && [ -n "$pid" ]; do
    who="$(cat "/proc/$pid/comm" 2>/dev/null || echo a process) (pid $pid)"
    if [ $waited -ge "${LOCK_SECONDS:-300}" ]; then
      echo "@@code PACKAGE_LOCKED"; echo "$who still holds the package lock"; exit 1
    fi
    [ $((waited % 30)) -eq 0 ] && echo "waiting for $who"
    waited=$((waited + 5)); sleep 5
  done
}

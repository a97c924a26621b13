# NAME VERSION FILE: by the system's own package tool, never beside another one: the vendor's
# preinst removes dpkg's lock itself, so the lock does not protect anybody here.
set -u
name=$1 version=$2 file=$3
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
busy() {
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
waited=0
while pid=$(busy | head -n 1) && [ -n "$pid" ]; do
  who="$(cat "/proc/$pid/comm" 2>/dev/null || echo a process) (pid $pid)"
  if [ $waited -ge "${LOCK_SECONDS:-300}" ]; then
    echo "@@code PACKAGE_LOCKED"; echo "$who still holds the package lock"; exit 1
  fi
  [ $((waited % 30)) -eq 0 ] && echo "waiting for $who"
  waited=$((waited + 5)); sleep 5
done
if command -v apt-get >/dev/null 2>&1; then
  conf=/etc/apt/apt.conf.d/99update-notifier
  [ -f $conf ] && cp -p $conf $conf.mlufleet
  dpkg --configure -a >/dev/null 2>&1
  apt-get install -y --allow-downgrades --reinstall -o Dpkg::Options::=--force-confold "$file"
  status=$?
  # the vendor's preinst appends to apt's configuration: back to what it was
  if [ -f $conf.mlufleet ]; then mv -f $conf.mlufleet $conf; else rm -f $conf; fi
  exit $status
fi
yum=$(command -v yum || command -v dnf)
installed=$(rpm -q --qf '%{VERSION}' "$name" 2>/dev/null) || installed=
case $installed in
  "") "$yum" -y install "$file" ;;
  "$version") "$yum" -y reinstall "$file" ;;
  *)
    if [ "$(printf '%s\n%s\n' "$installed" "$version" | sort -V | head -n 1)" = "$version" ]; then
      "$yum" -y downgrade "$file"
    else
      "$yum" -y install "$file"
    fi ;;
esac

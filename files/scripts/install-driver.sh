# NAME VERSION FILE SECONDS: by the system's own package tool, never beside another one: the
# vendor's preinst removes dpkg's lock itself, so the lock does not protect anybody here.
set -u
name=$1 version=$2 file=$3 patience=$4
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
unlocked() {
  while pid=$(busy) || :; pid=${pid%%[!0-9]*}; [ -n "$pid" ]; do
    who="$(cat "/proc/$pid/comm" 2>/dev/null || echo a process) (pid $pid)"
    if [ $waited -ge "$patience" ]; then
      echo "@@code PACKAGE_LOCKED"; echo "$who still holds the package lock after $waited s"; exit 1
    fi
    [ $((waited % 10)) -eq 0 ] && echo "waiting for $who, $((patience - waited)) s left"
    waited=$((waited + 5)); sleep 5
  done
}
broken() {
  echo "@@code PACKAGE_BROKEN"; echo "$*"; exit 1
}
# "NAME STATE" of every package that dpkg has not finished
unfinished() {
  dpkg-query -W -f '${Package} ${Status}\n' |
    awk '$3 != "ok" || $4 ~ /^(half|unpacked|triggers)/ { print $1 " (" ($3 == "ok" ? $4 : $3) ")" }'
}
unlocked
if command -v apt-get >/dev/null 2>&1; then
  left=$(unfinished)
  if [ -n "$left" ] || [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ]; then
    audit "dpkg --configure -a, for" ${left:-an interrupted dpkg}
    dpkg --configure -a --force-confold
    # our own is installed anew below; another's is for its owner to repair
    left=$(unfinished | grep -v "^$name ")
    [ -z "$left" ] || broken $left
  fi
  # the vendor's preinst appends to apt's configuration: put back what was there before, also
  # what was there before an installation that a power cut ended
  conf=/etc/apt/apt.conf.d/99update-notifier kept="$state/apt-conf"
  if [ ! -d "$kept" ]; then
    rm -rf "$kept.part"; mkdir -p "$kept.part"
    [ ! -f $conf ] || cp -p $conf "$kept.part/"
    mv "$kept.part" "$kept"
  fi
  unlocked
  apt-get install -y --allow-downgrades --reinstall -o Dpkg::Options::=--force-confold \
    -o DPkg::Lock::Timeout=$((patience > waited ? patience - waited : 0)) "$file"
  status=$?
  if [ -f "$kept/${conf##*/}" ]; then cp -p "$kept/${conf##*/}" $conf; else rm -f $conf; fi
  rm -rf "$kept"
  exit $status
fi
readable() { said=$(rpm -qa 2>&1 >/dev/null) && [ -z "$said" ]; }
if ! readable; then
  audit "rpm --rebuilddb: $(printf '%s\n' "$said" | head -n 1)"
  rpm --rebuilddb
  readable || broken "the rpm database: $(printf '%s\n' "$said" | tail -n 1)"
fi
yum=$(command -v yum || command -v dnf)
installed=$(rpm -q --qf '%{VERSION}' "$name" 2>/dev/null) || installed=
unlocked
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

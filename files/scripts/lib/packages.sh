# Install packages with the system's package tool.
export DEBIAN_FRONTEND=noninteractive
waited=0
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
  # SECONDS: wait for other package managers; on timeout report the holder and leave its lock alone
  while pid=$(package_locks) || :; pid=${pid%%[!0-9]*}; [ -n "$pid" ]; do
    who="$(cat "/proc/$pid/comm" 2>/dev/null || echo a process) (pid $pid)"
    if [ $waited -ge "$1" ]; then
      echo "@@code PACKAGE_LOCKED"; echo "$who still holds the package lock after $waited s"; exit 1
    fi
    [ $((waited % 10)) -eq 0 ] && echo "waiting for $who, $(($1 - waited)) s left"
    waited=$((waited + 5)); sleep 5
  done
}
unfinished() {
  # print "NAME (STATE)" of every package that dpkg has not finished
  dpkg-query -W -f '${Package} ${Status}\n' |
    awk '$3 != "ok" || $4 ~ /^(half|unpacked|triggers)/ { print $1 " (" ($3 == "ok" ? $4 : $3) ")" }'
}
broken() { echo "@@code PACKAGE_BROKEN"; echo "$*"; exit 1; }
unreadable() { { rpm -qa; rpm -q "$1"; } 2>&1 >/dev/null | grep '^error'; }
repair_packages() {
  # [NAME]: finish interrupted installations once. NAME is installed again anyway; broken packages of
  # others are reported for their owner to repair
  if deb; then
    left=$(unfinished)
    [ -n "$left" ] || [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ] || return 0
    # shellcheck disable=SC2086  # join lines
    audit "dpkg --configure -a, for" ${left:-an interrupted dpkg}
    dpkg --configure -a --force-confold
    left=$(unfinished | grep -v "^${1:-none} ")
    # shellcheck disable=SC2086
    [ -z "$left" ] || broken $left
  elif said=$(unreadable "${1:-none}"); then
    audit "rpm --rebuilddb: $(printf '%s\n' "$said" | head -n 1)"
    # keep a copy: what cannot be read is lost in the rebuilt database
    place=$(rpm --eval '%{_dbpath}') kept="$state/kept/rpmdb-$(date +%Y%m%d-%H%M%S)"
    mkdir -p "$state/kept" && cp -a "$place" "$kept" || exit 1
    echo "kept what was at $place as $kept"
    rpm --rebuilddb
    if said=$(unreadable "${1:-none}") || [ -z "$(rpm -qa)" ]; then
      broken "the rpm database in $place: $(printf '%s\n' "${said:-it is empty}" | head -n 1)"
    fi
  fi
}
refresh_lists() {
  # update the package lists once, if there are repositories: they may be missing or outdated. Its
  # messages are shown only if that did not help
  [ -z "${refreshed:-}" ] && grep -rqsE '^(deb|URIs:) ?' /etc/apt/sources.list /etc/apt/sources.list.d ||
    return 1
  refreshed=$(apt-get update -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
    -o Acquire::Retries=0 2>&1)
  refreshed=$(printf '%s\n' "$refreshed" | grep -E '^(E|W|Err)' | head -n 3)
  refreshed=${refreshed:-apt-get update went well}
}
list_installed() {
  # print name and version of all packages; several versions of one may be installed at once
  if deb; then
    # shellcheck disable=SC2016  # fields of dpkg-query
    dpkg-query -W -f '${Status} ${binary:Package} ${Version}\n' |
      awk '$3 != "not-installed" && $3 != "config-files" { print $4, $5 }'
  else rpm -qa --qf '%{NAME}.%{ARCH} %{VERSION}-%{RELEASE}\n' | grep -v '^gpg-pubkey'
  fi | LC_ALL=C sort
}
noting() {
  # GROUP COMMAND…: run a command that installs packages, and note those that it brought. The list of
  # before it survives a command that is cut off
  noted=$state/packages-$1
  [ -f "$noted" ] || { mkdir -p "$state" && list_installed > "$noted.part" && mv -f "$noted.part" "$noted"; }
  group=$1; shift
  came=0
  "$@" || came=$?
  note_installed "$group"
  return $came
}
compare_installed() {
  # GROUP: print "NAME<tab>GROUP VERSION VERSION-BEFORE" of each package that came since the list was made
  list_installed | awk -v group="$1" 'FILENAME != "-" { old[$0]; next } { now[$0] }
    END {
      for (line in old) if (!(line in now)) { split(line, f, " "); was[f[1]] = f[2] }
      for (line in now) if (!(line in old)) {
        split(line, f, " ")
        print f[1] "\t" group, f[2], (f[1] in was ? was[f[1]] : "-")
      }
    }' "$state/packages-$1" -
}
note_installed() {
  # GROUP: record the packages that came since the list was made
  compare_installed "$1" | while IFS="$(printf '\t')" read -r package detail; do made package "$package" "$detail"; done
  rm -f "$state/packages-$1"
}
note_folders() {
  # FILE…: note the folders that an rpm's files need; no package owns those that rpm makes for them
  deb || rpm -qpl "$@" 2>/dev/null | sed -n 's|/[^/]*$||p' | sort -u | while read -r folder; do
    [ -d "$folder" ] || [ -z "$folder" ] || note_missing "$folder"
  done
}
install_named() {
  # NAME…: install from the host's own repositories
  if deb; then
    apt-get install -y --no-install-recommends "$@" ||
      { refresh_lists && apt-get install -y --no-install-recommends "$@"; } ||
      { [ -z "${refreshed:-}" ] || echo "$*: $(printf '%s' "$refreshed" | tr '\n' ' ')"; return 1; }
  else "$(command -v yum || command -v dnf)" -y install "$@"
  fi
}
install_files() {
  # FILE…: install local packages, which satisfy each other's dependencies, without any repository
  if deb; then apt-get install -y --no-install-recommends "$@"
  else
    # CentOS 7's yum fails if there is nothing to do
    for file; do
      shift
      rpm -q "$(rpm -qp --qf '%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}' "$file" 2>/dev/null)" \
        >/dev/null 2>&1 || set -- "$@" "$file"
    done
    [ $# -eq 0 ] || note_folders "$@"
    [ $# -eq 0 ] || "$(command -v yum || command -v dnf)" -y --disablerepo='*' install "$@"
  fi
}
would_be() {
  # NAME: print the version that the repositories would install
  if deb; then
    apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p' | grep -vxF '(none)'
  else
    "$(command -v yum || command -v dnf)" -q list available "$1" 2>/dev/null | tr -s ' ' '\n' |
      grep -A 1 '\.\(x86_64\|aarch64\|noarch\)$' | sed -n 2p
  fi | sed 's/^[0-9]*://'
}

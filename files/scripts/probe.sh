# Observes a host for every stage at once: one line a thing, fields split by tabs, framed by
# markers because a login shell may print a banner. POSIX sh, GNU findutils, no Python.
# Variables set before this text: PACKAGES IMAGE IMAGE_ID CONTAINER MOUNTS TREES SOURCES OURS FILES
# ROOTS
export LC_ALL=C PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH"
T=$(printf '\t')
say() { first=$1; shift; printf '%s' "$first"; for field; do printf '\t%s' "$field"; done; echo; }
ask() {
  # WHAT COMMAND…: what docker answers of it; where it does not answer, that is said: it is not "no"
  what=$1; shift
  answer=$(quiet 20 "$@")
  status=$?
  case $status in 124 | 137) say silent "$what" ;; esac
  return $status
}
quiet() { timeout -k 2 "$@" 2>/dev/null </dev/null; }
printf '\n@@mlufleet-begin\n'  # a banner's last line may have no end
# shellcheck source=/dev/null
. /etc/os-release 2>/dev/null
say os "${ID:-unknown}" "${VERSION_ID:-}" "${PRETTY_NAME:-}"
kernel=$(uname -r)
say kernel "$kernel" "$(uname -m)"
say boot "$(booted)"
# names that lead to one machine; a machine-id alone does not tell copies of one disk image apart
say machine "$(cat /etc/machine-id 2>/dev/null) $(uname -n) $(booted)"
say clock "$(date +%s)"
say uid "$(id -u)"
# its default is another in each system's sshd
quiet 5 sshd -T | grep -qx 'usedns yes' && say usedns yes
[ -e "/lib/modules/$kernel/build/." ] && say headers "/lib/modules/$kernel/build"
for variable in /sys/firmware/efi/efivars/SecureBoot-*; do
  [ -r "$variable" ] && say secureboot "$(od -An -tu1 -j4 -N1 "$variable" | tr -d ' ')"
done
# shellcheck disable=SC2012  # of these names, versions are sorted best by sort
for next in $(grubby --default-kernel 2>/dev/null || ls /boot/vmlinuz-* 2>/dev/null | sort -V); do :; done
[ -n "${next:-}" ] && say next "${next#/boot/vmlinuz-}"
for tool in git docker dockerd timeout sha256sum flock base64 apt-get; do
  command -v "$tool" >/dev/null 2>&1 && say tool "$tool"
done
for card in /sys/bus/pci/devices/*; do
  [ "$(cat "$card/vendor" 2>/dev/null)" = 0xcabc ] || continue
  revision=$(od -An -tx1 -j8 -N1 "$card/config" 2>/dev/null | tr -d ' ')
  say card "${card##*/}" "$(cat "$card/device")" "$revision" \
    "$(od -An -tx2 -j46 -N2 "$card/config" 2>/dev/null | tr -d ' ')"
done
for node in /dev/cambricon_*; do
  [ -c "$node" ] && say node "$node"
done
for information in /proc/driver/cambricon/mlus/*/information; do
  [ -r "$information" ] || continue
  card=${information%/information}
  say running "${card##*/}" \
    "$(sed -n 's/^Driver Version *: *v\{0,1\}//p' "$information" | head -n 1)" \
    "$(cat "$card/core_state" 2>/dev/null | head -n 1)" \
    "$(sed -n 's|^Board Serial Number *: *||p' "$information" | head -n 1)"
done
for package in $PACKAGES; do
  if command -v dpkg-query >/dev/null 2>&1; then
    dpkg-query -W -f 'package\t${Package}\t${Version}\t${Status}\n' "$package" 2>/dev/null
  elif command -v rpm >/dev/null 2>&1; then
    rpm -q --qf 'package\t%{NAME}\t%{VERSION}\tinstalled\n' "$package" 2>/dev/null | grep '^package'
  fi
done
for built in /var/lib/dkms/cambricon*/*/*/*/module; do
  [ -d "$built" ] || continue
  kernel=${built%/*/module}
  version=${kernel%/*}
  say module-for "${kernel##*/}" "${version##*/}"
done
find /proc/[0-9]*/fd -lname '/dev/cambricon*' 2>/dev/null | cut -d/ -f3 | sort -u |
while read -r pid; do
  say holder "$pid" "$(cat "/proc/$pid/comm" 2>/dev/null)" \
    "$(sed -n 's/.*docker[-/]\([0-9a-f]\{64\}\).*/\1/p' "/proc/$pid/cgroup" 2>/dev/null | head -n 1)"
done
if command -v docker >/dev/null 2>&1; then
  server=$(quiet 10 docker version --format '{{.Server.Version}}') && say engine "$server" \
    "$(systemctl is-enabled docker 2>/dev/null)"
  if [ -n "$server" ]; then
    root=$(quiet 20 docker info --format '{{.DockerRootDir}}') && say root "$root"
    ROOTS="$ROOTS $root"
    ask image docker image inspect --format '{{.Id}}' "$IMAGE" && say tagged "$answer"
    ask image docker image inspect --format '{{.Id}}' "$IMAGE_ID" && say image "$answer"
    # a missing label is printed as "<no value>" by some paths through docker's templates; one that
    # is paused is "running" to docker
    line=
    ask container docker inspect --type container --format \
      "container$T{{.Id}}$T{{.Image}}$T{{and .State.Running (not .State.Paused)}}$T{{.State.Pid}}$T{{with index .Config.Labels \"mlufleet.spec\"}}{{.}}{{else}}-{{end}}" \
      "$CONTAINER" && line=$answer && echo "$line"
    pid=$(printf '%s\n' "$line" | cut -f5)
    [ -n "$pid" ] && ask container docker inspect --type container --format "$CONTAINER_FACTS" \
      "$CONTAINER" && say facts "$(printf '%s\n' "$answer" | sha256sum | cut -c1-16)"
    # what pip or anybody else changed in there: names of all packages, times of their records
    # shellcheck disable=SC2013  # a word is a folder
    [ -n "$pid" ] && [ "$pid" != 0 ] &&
      say site "$(for folder in $(cat "$state/stamps/packages-folders" 2>/dev/null); do
        cd "/proc/$pid/root$folder" 2>/dev/null || continue
        find . -mindepth 1 -maxdepth 1 ! -name __pycache__ \( -name '*-info' -printf '%f %T@\n' \
          -o -printf '%f\n' \)
      done | LC_ALL=C sort | sha256sum | cut -c1-16)"
    # a bind mount keeps what it showed at the start, also when the host has something else by now
    for mount in $MOUNTS; do
      [ -n "$pid" ] && [ "$pid" != 0 ] || break
      [ "$(stat -Lc %d:%i "${mount%%:*}" 2>/dev/null)" = \
        "$(stat -Lc %d:%i "/proc/$pid/root${mount#*:}" 2>/dev/null)" ] || say stale "${mount#*:}"
    done
  fi
fi
for path in $SOURCES; do
  if [ -d "$path/.git" ]; then
    # a status that fails (git too old, a broken index) must not count as clean
    changes=$(cd "$path" && GIT_OPTIONAL_LOCKS=0 git -c safe.directory='*' status --porcelain 2>&1) ||
      changes="git status failed"
    # "assume unchanged" and "skip worktree" hide edits from status
    hidden=$(cd "$path" && git -c safe.directory='*' ls-files -v | grep '^[a-zS]')
    [ -z "$hidden" ] || changes="$changes
$hidden"
    say source "$path" "$(cd "$path" && git -c safe.directory='*' rev-parse HEAD 2>/dev/null)" \
      "$(printf %s "$changes" | grep -c '')"
  elif [ -e "$path" ] && [ -n "$(ls -A "$path" 2>/dev/null)" ] &&
    [ ! -e "$path.mlufleet-part/.git/mlufleet-filling" ]; then
    say source "$path" foreign 0
  fi
done
set -f # patterns are meant as they are
# shellcheck disable=SC2153
for ours in $OURS; do
  list=${ours%%:*}/.git/info/exclude
  [ -d "${ours%%:*}/.git" ] && ! grep -qxF -- "${ours#*:}" "$list" 2>/dev/null &&
    say unlisted "${ours%%:*}"
done
set +f
for path in $TREES; do
  [ -d "$path" ] && say tree "$path" "$(signature "$path")"
done
for path in $FILES; do
  [ -f "$path" ] && say file "$path" "$(sha256sum "$path" | cut -d' ' -f1)"
done
for stamp in /var/lib/mlufleet/stamps/*; do
  [ -f "$stamp" ] && say stamp "${stamp##*/}" "$(head -n 1 "$stamp")"
done
# what a swarm left of one has holes
find "$state/incoming" -name '*.part' -printf '%f %s %b\n' 2>/dev/null |
  awk '{ there = $3 * 512; printf "part\t%s\t%.0f\n", $1, there < $2 ? there : $2 }'
for path in $ROOTS; do
  while [ ! -d "$path" ]; do path=$(dirname "$path"); done
  say disk "$path" "$(df -Pk "$path" | awk 'NR == 2 { print $4 * 1024 }')" \
    "$(df -Pi "$path" | awk 'NR == 2 { print ($2 == 0 ? "-" : $4) }')"
  [ -w "$path" ] || say read-only "$path"  # for root, only where the file system is
done
[ -f "$state/lock" ] && say lock "$(cat "$state/lock")" "$(age "$state/lock")"
for job in "$state"/jobs/*; do
  [ -d "$job" ] || continue
  left=$(stuck "$job" | tr '\n' ' ')
  alive "$job" || [ -n "$left" ] || continue
  say job "$(cat "$job/who")" "$(($(uptime) - $(cat "$job/deadline")))" "$left"
done
echo '@@mlufleet-end'

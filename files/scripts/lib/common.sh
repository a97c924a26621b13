# Functions that every script on a host may use.
deb() {
  # succeed if the host uses dpkg; an rpm system may also have the programs dpkg and apt
  command -v apt-get >/dev/null 2>&1 &&
    { ! command -v rpm >/dev/null 2>&1 || [ -e /var/lib/dpkg/info/dpkg.list ]; }
}
state=/var/lib/mlufleet
# a host with several releases has one directory of stamps for each
stamps=$state/stamps${SLOT:+/$SLOT}
signature() {
  (cd "$1" && find . \( -name .git -o -name __pycache__ -o -name '*.egg-info' \
    -o -name '*.mlufleet-part' \) -prune -o \
    \( -type f -o -type l \) -printf '%P %s %C@ %m\n' | LC_ALL=C sort | sha256sum |
    { read -r sum _; echo "$sum"; })
}
stamp() {
  # NAME VALUE: write a stamp atomically: temporary file, sync, rename
  mkdir -p "$stamps"
  printf '%s\n' "$2" | cat > "$stamps/.$1.part" && sync && mv -f "$stamps/.$1.part" "$stamps/$1"
}
made() {
  # KIND NAME [DETAIL]: note once what this tool has made or changed on the host, for the day when the host
  # is given back. KIND: folder, checkout, tree, file, image, tag, container, package, unit, config, data,
  # group, kept, adopted, state; lib/made-items.sh says what NAME and DETAIL are
  # a name that would be read as another line or field is not noted: what it names is never removed
  case $2${3:-} in *"$(printf '\t')"* | *"
"*) return 0 ;; esac
  mkdir -p "$state"
  grep -qsF "$(printf '\t%s\t%s\t%s\t' "$1" "$2" "${3:-}")" "$state/made" ||
    printf '%s\t%s\t%s\t%s\t\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$2" "${3:-}" >> "$state/made"
}
folders() {
  # PATH…: create directories, and note those that were missing
  note_missing "$@"
  mkdir -p "$@"
}
note_missing() (
  # PATH…: note the directories that will be created
  for folder; do
    missing=
    while [ ! -d "$folder" ]; do missing="$folder
$missing" folder=${folder%/*} folder=${folder:-/}; done
    printf %s "$missing" | while IFS= read -r folder; do
      case $folder/ in "$state"/*) ;; *) made folder "$folder" ;; esac
    done
  done
)
identity() { stat -c %s.%Z.%i "$1"; }  # FILE: what differs after any change of it
changed() {
  # PATH SHA256 COPY [GROUP]: note that the file becomes one of this tool's, with this checksum. COPY has
  # the original; "-" if there was none. GROUP: driver or engine, if it goes with that
  made config "$1" "${2:-$(sha256sum < "$1" | cut -d' ' -f1)} $3 ${4:--}"
}
keep() {
  # PATH: move something that this tool did not make out of the way, and report its new name. It is noted
  # first, so that a run that is killed leaves nothing under a name that nobody knows
  kept="$1.kept-$(date +%Y%m%d-%H%M%S)-$$"
  made kept "$1" "$kept"
  mv -T "$1" "$kept" || return 1
  echo "kept what was at $1 as $kept"
}
read_process() {
  # PID: set `process` to what the kernel says of it in one line, and `start` to when it began
  process=''
  IFS= read -r process 2>/dev/null < "/proc/$1/stat"
  # shellcheck disable=SC2086  # words; a name in parentheses is ahead of them
  set -- ${process##*) }
  start=${20:-}
}
booted() {
  # print what no other boot of this host has: its id and, for containers, the start of process 1
  boot_id=''
  IFS= read -r boot_id < /proc/sys/kernel/random/boot_id
  read_process 1
  echo "$boot_id:$start"
}
audit() {
  # MESSAGE…: append to the audit log: time, run, operator, stage, message. WHO is set by the caller
  printf '%s\t%s\t%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${WHO:--}" "$*" >> "$state/audit.log"
}
stuck() {
  # JOB: list processes of its session that are still there after SIGKILL
  IFS= read -r session 2>/dev/null < "$1/pid" || return 0
  grep -lsE '^(SigPnd|ShdPnd):.*[13579bdf]..$' /proc/[0-9]*/status | while read -r status; do
    sed -n "s/^\([0-9]*\) (\(.*\)) . [0-9]* [0-9]* $session .*/\2 (pid \1)/p" \
      "${status%us}" 2>/dev/null
  done
}
age() {
  # FILE: print its age in seconds by this host's clock; 0 if the clock was set back
  seconds=$(($(date +%s) - $(stat -c %Y "$1")))
  [ $seconds -ge 0 ] || seconds=0
  echo $seconds
}
uptime() { IFS=. read -r up _ < /proc/uptime; echo "$up"; }  # seconds, unaffected by changes of the clock
# the next two are asked again and again while a job runs: they start one program between them
overdue() {
  # JOB: succeed if it is 20 s past its limit, when SIGKILL was sent long ago
  deadline=''
  IFS= read -r deadline 2>/dev/null < "$1/deadline"
  [ -n "$deadline" ] && [ "$(uptime)" -gt $((deadline + 20)) ]
}
alive() {
  # JOB: succeed if its process still runs, in this boot
  its_boot='' its_pid=''
  IFS= read -r its_boot 2>/dev/null < "$1/boot"
  IFS= read -r its_pid 2>/dev/null < "$1/pid"
  [ ! -f "$1/status" ] && [ "$its_boot" = "$(booted)" ] &&
    grep -qs "$1/main" "/proc/${its_pid:-none}/cmdline"
}

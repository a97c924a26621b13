# Shared by the scripts that run on a host.
deb() {
  # the host's packages are dpkg's: one of rpm's may have dpkg and apt as programs like any other
  command -v apt-get >/dev/null 2>&1 &&
    { ! command -v rpm >/dev/null 2>&1 || [ -e /var/lib/dpkg/info/dpkg.list ]; }
}
state=/var/lib/mlufleet
# of one of several releases of this host, in a folder of its own
stamps=$state/stamps${SLOT:+/$SLOT}
signature() {
  (cd "$1" && find . \( -name .git -o -name __pycache__ -o -name '*.egg-info' \
    -o -name '*.mlufleet-part' \) -prune -o \
    \( -type f -o -type l \) -printf '%P %s %C@ %m\n' | LC_ALL=C sort | sha256sum | cut -d' ' -f1)
}
stamp() {
  # temp file, sync, rename: a stamp is whole or absent
  mkdir -p "$stamps"
  printf '%s\n' "$2" | cat > "$stamps/.$1.part" && sync && mv -f "$stamps/.$1.part" "$stamps/$1"
}
keep() {
  # moves what the tool did not make out of the way, and says where it is
  kept="$1.kept-$(date +%Y%m%d-%H%M%S)-$$"
  mv "$1" "$kept"
  echo "kept what was at $1 as $kept"
}
booted() { echo "$(cat /proc/sys/kernel/random/boot_id):$(sed 's/.*) //' /proc/1/stat | cut -d' ' -f20)"; }
audit() {
  # one line for each change: time, run, operator, stage, what; WHO is set ahead of this text
  printf '%s\t%s\t%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${WHO:--}" "$*" >> "$state/audit.log"
}
stuck() {
  # JOB: processes of its session that SIGKILL was sent to, and that are still there
  session=$(cat "$1/pid" 2>/dev/null) || return 0
  grep -lsE '^(SigPnd|ShdPnd):.*[13579bdf]..$' /proc/[0-9]*/status | while read -r status; do
    sed -n "s/^\([0-9]*\) (\(.*\)) . [0-9]* [0-9]* $session .*/\2 (pid \1)/p" \
      "${status%us}" 2>/dev/null
  done
}
age() {
  # FILE: seconds since it was written, by this host's clock; 0 where that was set back since
  seconds=$(($(date +%s) - $(stat -c %Y "$1")))
  [ $seconds -ge 0 ] || seconds=0
  echo $seconds
}
uptime() { cut -d. -f1 /proc/uptime; }  # seconds that no setting of the clock changes
# JOB: 20 s past its limit, when SIGKILL has been sent long ago
overdue() { [ "$(uptime)" -gt $(($(cat "$1/deadline") + 20)) ]; }
alive() {
  # JOB: its process still runs, in this boot
  [ ! -f "$1/status" ] && [ "$(cat "$1/boot" 2>/dev/null)" = "$(booted)" ] &&
    grep -qs "$1/main" "/proc/$(cat "$1/pid" 2>/dev/null || echo none)/cmdline"
}

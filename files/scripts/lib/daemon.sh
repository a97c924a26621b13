# The docker daemon's version, without asking it again: a process keeps the version that it has.
find_daemon() {
  # set `daemon` to what no other process has: boot, number and start of the daemon
  daemon='' pid=''
  IFS= read -r pid 2>/dev/null < /var/run/docker.pid
  case $pid in '' | *[!0-9]*) return 1 ;; esac
  read_process "$pid"
  case $process in "$pid (docker"*) ;; *) return 1 ;; esac
  daemon="$(booted) $pid $start"
}
note_daemon() {
  # keep the version of the daemon that runs
  find_daemon && version=$(timeout -k 2 10 docker version --format '{{.Server.Version}}' 2>/dev/null </dev/null) &&
    printf '%s\t%s\n' "$daemon" "$version" > "$state/daemon.part" && mv -f "$state/daemon.part" "$state/daemon"
}
recall_daemon() {
  # print the version of the daemon that runs, if it was kept
  find_daemon && kept='' version='' && IFS="$(printf '\t')" read -r kept version 2>/dev/null < "$state/daemon" &&
    [ "$kept" = "$daemon" ] && printf '%s' "$version"
}

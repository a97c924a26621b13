# Give a command a terminal.
terminal() {
  # COMMAND: run it with a terminal of its own, which sudo's `requiretty` demands. Its standard streams
  # are not that terminal and stay untouched. An old script(1) ends when its input ends, so that is a
  # FIFO that stays open.
  own=$(mktemp -d) || return 1
  trap 'rm -rf "$own"' EXIT
  trap 'exit 1' HUP TERM
  mkfifo "$own/silence" && exec 6<> "$own/silence" || return 1
  # shellcheck disable=SC2016  # expanded by that shell
  OWN=$own COMMAND=$1 SHELL=/bin/sh script -qc \
    '(eval "$COMMAND") <&3 >&4 2>&5; echo $? > "$OWN/status"' /dev/null \
    3<&0 4>&1 5>&2 <&6 >/dev/null 2>&1
  { read -r ended < "$own/status"; } 2>/dev/null ||
    { echo "script (util-linux) gives no terminal" >&2; ended=1; }
  exec 6>&-
  return "$ended"
}

terminal() {
  # COMMAND: with a terminal of its own, which sudo asks for where its `requiretty` is set. Input
  # and output are not that terminal's: they stay what they are. An old script(1) ends when its own
  # input ends, so that never does.
  own=$(mktemp -d) || return 1
  trap 'rm -rf "$own"' EXIT
  trap 'exit 1' HUP TERM
  mkfifo "$own/silence" && exec 6<> "$own/silence" || return 1
  # shellcheck disable=SC2016  # that shell's to expand
  OWN=$own COMMAND=$1 SHELL=/bin/sh script -qc \
    '(eval "$COMMAND") <&3 >&4 2>&5; echo $? > "$OWN/status"' /dev/null \
    3<&0 4>&1 5>&2 <&6 >/dev/null 2>&1
  { read -r ended < "$own/status"; } 2>/dev/null ||
    { echo "script (util-linux) gives no terminal" >&2; ended=1; }
  exec 6>&-
  return "$ended"
}

# remove-state.sh RUN [record]: remove the state folder, whose lock this RUN holds. The lock goes last, so
# that no other run begins meanwhile. With `record`, what stays on the host is still to be known as this
# tool's: the record stays, and what it refers to. What is mounted in the folder is never emptied; the folder
# stays, empty, if it is a mount itself, or if there is only a link to it.
# needs: filesystems
[ "$(cut -f1 "$state/lock" 2>/dev/null)" = "$1" ] ||
  { echo "@@code LOCKED"; echo "run $1 does not hold this host"; exit 1; }
inside=$(cd -P "$state" && pwd -P) || exit 1
empty() {
  # FIND-ARGUMENTS…: remove what is in the folder and matches, but no mounts
  find "$inside" -mindepth 1 -maxdepth 1 ! -name 'lock*' ! -name made "$@" | without_mounts "$inside" | {
    status=0
    while IFS= read -r name; do
      case $name in "$inside"/*) rm -rf --one-file-system "$name" || status=1 ;; esac
    done
    exit $status
  }
}
if [ $# -gt 1 ]; then
  empty ! -name kept ! -name signing ! -name images && rm -f "$inside"/lock*
else
  mounted=$(mounts_below "$inside" | paste -sd , -)
  [ -z "$mounted" ] || { echo "$state stays: a file system is mounted in it, $mounted"; exit 1; }
  # the record goes after the rest: a run that is killed must not leave anything that nobody knows
  empty && rm -f "$inside/made" "$inside"/lock* && { rmdir "$state" 2>/dev/null || [ -z "$(ls -A "$inside")" ]; }
fi && echo "@@removed"

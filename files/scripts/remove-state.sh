# remove-state.sh RUN [record]: remove the state folder, whose lock this RUN holds. The lock goes last, so
# that no other run begins meanwhile. With `record`, what stays on the host is still to be known as this
# tool's: the record stays, and what it refers to.
[ "$(cut -f1 "$state/lock" 2>/dev/null)" = "$1" ] ||
  { echo "@@code LOCKED"; echo "run $1 does not hold this host"; exit 1; }
if [ $# -gt 1 ]; then
  find "$state" -mindepth 1 -maxdepth 1 ! -name 'lock*' ! -name made ! -name kept ! -name signing ! -name images \
    -exec rm -rf {} + && rm -f "$state"/lock*
else
  # the record goes after the rest: a run that is killed must not leave anything that nobody knows
  find "$state" -mindepth 1 -maxdepth 1 ! -name 'lock*' ! -name made -exec rm -rf {} + &&
    rm -f "$state/made" "$state"/lock* && rmdir "$state"
fi && echo "@@removed"

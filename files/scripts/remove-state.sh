# remove-state.sh RUN: remove the state folder, whose lock this RUN holds. The lock goes last, so that no
# other run begins meanwhile.
# needs: made-items
[ "$(cut -f1 "$state/lock" 2>/dev/null)" = "$1" ] || { echo "@@code LOCKED"; echo "run $1 does not hold this host"; exit 1; }
find "$state" -mindepth 1 -maxdepth 1 ! -name 'lock*' -exec rm -rf {} + || exit 1
rm -f "$state"/lock* && rmdir "$state" && echo "@@removed"

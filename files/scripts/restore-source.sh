# restore-source.sh PATH: give back a checkout that others had made before this tool: the branch or commit
# that it was at, its edits, and its list of ignored files. Does nothing to any other folder.
# needs: git checkout restore-checkout
path=$1
mkdir -p "$state"
exec 9< "$(dirname "$path")"
status=0
flock -w 3000 9 2>/dev/null || status=$?
[ $status -ne 1 ] || { echo "another run has worked in $path for 50 minutes"; exit 1; }
own_git
restore_checkout "$path"

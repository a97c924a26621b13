# restore-source.sh PATH: give back a checkout that others had made before this tool: the branch or commit
# that it was at, its edits, and its list of ignored files. Does nothing to any other folder.
# needs: git checkout restore-checkout
mkdir -p "$state"
return_checkout "$1"

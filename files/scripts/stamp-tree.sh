# stamp-tree.sh NAME VALUE TREE: write a stamp of VALUE and the signature of a directory tree.
stamp "$1" "$2 $(signature "$3")" || exit 1
rm -f "$stamps/$1.running"  # an interrupted run may delete the tree up to here

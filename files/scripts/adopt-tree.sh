# adopt-tree.sh TREE STAMP SIGNATURE [PATCH-STAMP SHA256]…: take over a migrated tree of somebody that is what
# the tool makes, and note which of its files are patched already. Changes nothing in it. Fails if the tree
# does not have the SIGNATURE, by which it was compared, any more.
tree=$1 name=$2 signature=$3; shift 3
[ "$(signature "$tree")" = "$signature" ] || { echo "$tree has changed while it was compared"; exit 1; }
# it stays somebody's: nothing may delete it
made adopted "tree:$tree"
stamp "$name.adopted" "$signature" || exit 1
rm -f "$stamps/$name.running"
while [ $# -gt 0 ]; do
  stamp "$1" "$2" || exit 1
  shift 2
done
audit "took over $tree"

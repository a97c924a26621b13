# migrate.sh CONTAINER PYTHON TOOL TREE CHECKOUT OUTPUT STAMP NESTED [WEIGHTS FOLDER PATTERN]…: make a migrated
# tree with the vendor's tool. TREE is the path of the CHECKOUT in the container. NESTED: further checkouts
# inside it, separated by colons. Of each WEIGHTS folder, files that match PATTERN are migrated in FOLDER of
# the tree.
# The tool copies everything that it finds, also 14 GB of somebody's weights. So it gets a copy of the commits
# and of that code, and nothing else; the new tree then replaces the old one.
# Succeeds only if the tool printed its last line and its report has rows: it also exits with 0 for a
# tree that does not exist.
# needs: git
set -u
container=$1 python=$2 tool=$3 tree=$4 checkout=$5 output=$6 name=$7 nested=$8; shift 8
export GIT_LFS_SKIP_SMUDGE=1
base=${tree##*/}
part="$output.mlufleet-part"
input="$part/$base" inside="${tree}_mlu.mlufleet-part/$base"
failed() { echo "$*"; exit 1; }
copy() {
  # CHECKOUT INTO: its commit, without edits and files of others, and its repository, which the tool
  # copies too: by hard links, as it may be large
  mkdir -p "$2" || exit 1
  (
    cd "$1" || exit 1
    export GIT_INDEX_FILE="$part/index"
    git -c core.sparseCheckout=false read-tree HEAD &&
      git -c core.sparseCheckout=false checkout-index --quiet --all --prefix="$2/"
  ) || failed "the files of $1 cannot be copied to $2"
  rm -f "$part/index"
  cp -al "$1/.git" "$2/.git" 2>/dev/null || { rm -rf "$2/.git"; cp -a "$1/.git" "$2/.git"; } || exit 1
}
own_git
rm -rf "$part"
copy "$checkout" "$input"
IFS=:
for other in $nested; do copy "$other" "$input/${other#"$checkout"/}"; done
unset IFS
while [ $# -gt 0 ]; do
  for file in "$1"/$3; do
    [ -f "$file" ] || continue
    { mkdir -p "$input/$2" && cp -f "$file" "$input/$2/"; } || failed "$file cannot be copied to $input/$2"
  done
  shift 3
done
docker exec -w "$(dirname "$inside")" "$container" test -d "$inside" ||
  failed "$inside is not in the container"
log=$(docker exec -w "$(dirname "$inside")" "$container" "$python" "$tool" -i "$inside" 2>&1)
status=$?
printf '%s\n' "$log"
case $(printf '%s\n' "$log" | tail -n 1) in
  "Migration Report:"*) ;;
  *) failed "the tool did not reach its last line (status $status)" ;;
esac
[ $status -eq 0 ] || exit 1
rows=$(($(wc -l < "${input}_mlu/report.md") - 3))
[ "$rows" -gt 0 ] || failed "the report has no rows: nothing was migrated"
if [ -e "$output" ] || [ -L "$output" ]; then
  was=$(cut -d' ' -f2 "$stamps/$name" 2>/dev/null || true)
  # what was taken over from somebody stays somebody's
  if [ -f "$stamps/$name.adopted" ]; then keep "$output" || exit 1
  elif [ -f "$stamps/$name.running" ]; then rm -rf "$output"
  elif [ -n "$was" ] && [ "$was" = "$(signature "$output")" ]; then rm -rf "$output"
  else keep "$output" || exit 1
  fi
fi
rm -f "$stamps/$name" "$stamps/$name.adopted" "$stamps/$name.running"
made tree "$output" "$stamps/$name"
mv -T "${input}_mlu" "$output" || exit 1
stamp "$name.running" "$(date +%s)"
rm -rf "$part"
echo "$rows changes"

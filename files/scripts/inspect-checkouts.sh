# inspect-checkouts.sh PATH…: report whose each of the folders is and how its checkout was made, as "PATH OWNER
# BRANCH COMMITS SHALLOW ORIGIN". COMMITS are those that no branch of a remote and no tag has. Changes nothing.
# needs: git
for path; do
  cd "$path" 2>/dev/null || continue
  shallow=
  [ ! -e .git/shallow ] || shallow=shallow
  printf '@@fact\t%s\t%s\t%s\t%s\t%s\t%s\n' "$path" "$(stat -c %U .)" \
    "$(git symbolic-ref --quiet --short HEAD 2>/dev/null)" \
    "$(git rev-list --count HEAD --not --remotes --tags --glob=refs/mlufleet 2>/dev/null)" \
    "$shallow" "$(git config remote.origin.url 2>/dev/null)"
done
echo '@@end'

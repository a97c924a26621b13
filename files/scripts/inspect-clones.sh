# inspect-clones.sh PATH…: report which of the paths are checkouts, as "PATH HEAD OWNER". Changes nothing.
# needs: git
for path; do
  [ -e "$path/.git" ] || continue
  printf '@@fact\t%s\t%s\t%s\n' "$path" "$(cd "$path" && git rev-parse --verify --quiet HEAD 2>/dev/null)" \
    "$(stat -c %U -- "$path")"
done
echo '@@end'

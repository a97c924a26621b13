# shellcheck disable=SC2016  # what is in single quotes is for the shells that xargs starts
# Give back checkouts that others had made: branch or commit, edits, and the list of ignored files.
return_checkout() (
  # PATH: the same, while no other run works there, and without a trace in the caller's shell
  exec 9< "$(dirname "$1")" || exit 0  # the folder is gone, and the checkout with it
  locked=0
  flock -w 3000 9 2>/dev/null || locked=$?
  [ $locked -ne 1 ] || { echo "another run has worked in $1 for 50 minutes"; exit 1; }
  own_git
  restore_checkout "$1"
)
restore_checkout() {
  # PATH: does nothing if PATH is no checkout that was adopted. What cannot be put back stays where it was
  # kept, and is named again
  path=$1
  [ -d "$path/$adopted" ] || return 0
  cd "$path" || return 1
  commit=
  read -r before branch < "$adopted/head"
  unlock
  undo_checkout
  : > "$working"
  [ -e "$adopted/restored" ] || patched "$(git status --porcelain)" | while IFS= read -r change; do
    git checkout --quiet -- "${change#???}"
  done
  # edits that came later, and commits
  [ -e "$adopted/restored" ] || keep_edits || { echo "git cannot tell what was changed in $path"; return 1; }
  target=$before
  [ -z "$branch" ] || target=$(git rev-parse --quiet --verify "$branch^{commit}") ||
    { echo "branch ${branch#refs/heads/} of $path is gone: it stays at commit $before" branch=; target=$before; }
  head=$(git rev-parse HEAD)
  if [ ! -e "$adopted/restored" ]; then
    keep_commit "$head" HEAD
    if [ "$head" != "$target" ]; then
      clear_way "$target"
      echo "$target" > "$working"
      git checkout --quiet --no-overwrite-ignore --detach "$target" && [ "$(git rev-parse HEAD)" = "$target" ] ||
        { echo "git checkout: $path cannot be brought back to $target"; return 1; }
    fi
    [ -z "$branch" ] || git symbolic-ref -m "mlufleet: given back" HEAD "$branch"
    git diff --name-only -z --no-renames "$head" "$target" | give_back
    : > "$adopted/restored"  # what is edited from here on is what was edited before
  fi
  # later folders than the first with edits are of runs that were cut short, and repeat a part of it
  [ ! -e "$adopted/kept" ] || while IFS= read -r kept; do
    [ -d "$kept" ] || continue
    edits=
    [ ! -e "$kept/commit" ] || edits=yes
    put_back "$kept" "$target"
    [ -z "$edits" ] || : > "$adopted/edited"
  done < "$adopted/kept"
  forget
}
put_back() {
  # FOLDER COMMIT: into a checkout at COMMIT, put back what was kept in a folder; remove the folder if that is
  # proved to be complete
  whole=yes
  if [ -e "$1/edits.patch" ] && [ ! -e "$1/applied" ]; then
    if apply --check "$1/edits.patch" 2>/dev/null; then apply "$1/edits.patch" || whole=
    elif ! apply --reverse --check "$1/edits.patch" 2>/dev/null; then whole=
    fi
    [ -n "$whole" ] || echo "kept what was edited in $path as $1/edits.patch: it does not apply any more"
  fi
  if [ -n "$whole" ] && [ -e "$1/edits.patch" ]; then
    git apply --numstat -z "$1/edits.patch" | lines | cut -f3- | names | give_back
    : > "$1/applied"
  fi
  [ ! -e "$1/moved" ] || move_back "$1"
  if [ "$(cat "$1/commit" 2>/dev/null)" = "$2" ] && [ -n "$whole" ]; then
    [ -e "$adopted/edited" ] || restore_index "$1" || whole=
    for file in $notes; do
      [ ! -e "$1/git/$file" ] || [ -e ".git/$file" ] || mv "$1/git/$file" ".git/$file"
    done
    mkdir -p "$1/now"
    [ -e "$adopted/edited" ] || { edited_tree "$1/now" && [ "$tree" = "$(cat "$1/tree")" ]; } || whole=
    rm -rf "$1/now"
  elif [ -e "$1/staged.patch" ]; then
    whole=
    if apply --cached --check "$1/staged.patch" 2>/dev/null; then apply --cached "$1/staged.patch"
    else echo "kept what was staged in $path as $1/staged.patch: it does not apply any more"
    fi
  fi
  if [ -n "$whole" ] && [ -z "$(find "$1/files" ! -type d 2>/dev/null | head -n 1)" ]; then rm -rf "$1"
  else echo "kept what was in $path in $1"
  fi
}
move_back() {
  # FOLDER: move back what lies in its files/, where nothing is, or only what git can bring again
  with_index "$1/.index" git read-tree HEAD
  with_index "$1/.index" git update-index -q --refresh >/dev/null 2>&1 || :
  with_index "$1/.index" git diff-files --name-only -z | lines > "$1/.differing"
  git ls-tree -r -z --name-only HEAD | lines | grep -avxFf "$1/.differing" > "$1/.same" || :
  lines < "$1/moved" | grep -axFf "$1/.same" | names > "$1/.replaced" || :
  xargs -0 -r sh -c '
    from=$1; shift
    for name; do [ ! -e "$from/$name" ] || [ -d "./$name" ] || rm -f "./$name"; done' sh "$1/files" < "$1/.replaced"
  xargs -0 -r sh -c '
    from=$1; shift
    for name; do
      rmdir "./$name" 2>/dev/null
      [ ! -e "$name" ] && [ ! -L "$name" ] || continue
      case $name in */*) mkdir -p "${name%/*}" || continue ;; esac
      mv -T "$from/$name" "./$name"
    done' sh "$1/files" < "$1/moved" 2>/dev/null
  rm -f "$1/.index" "$1/.differing" "$1/.same" "$1/.replaced"
}
restore_index() {
  # FOLDER: take its index again, with all that was staged, unless git has collected some of that since
  [ -e "$1/git/index" ] || return 0
  ! with_index "$1/git/index" git ls-files --stage | sed -n '/^160000/!s/^[0-7]* \([0-9a-f]*\) .*/\1/p' |
    git cat-file --batch-check | grep -q ' missing$' || return 1
  cp -p "$1/git/index" .git/index.mlufleet && mv -f .git/index.mlufleet .git/index
}
forget() {
  # remove what this tool noted in the repository
  [ ! -e "$adopted/branches" ] || while read -r id name; do
    [ "$(git rev-parse --quiet --verify "refs/heads/$name")" != "$id" ] ||
      ! git merge-base --is-ancestor "$id" HEAD || git branch --quiet -D "$name"
  done < "$adopted/branches"
  git for-each-ref --format='%(refname)' refs/mlufleet | while read -r ref; do git update-ref -d "$ref"; done
  find .git/refs/mlufleet .git/logs/refs/mlufleet -depth -type d -empty -delete 2>/dev/null
  if [ -e "$adopted/exclude" ] && [ "$(unlisted)" = "$(cat "$adopted/exclude")" ]; then
    cp -p "$adopted/exclude" .git/info/new && mv -f .git/info/new .git/info/exclude
  elif [ -e .git/info/exclude ]; then
    unlisted > .git/info/new
    mv -f .git/info/new .git/info/exclude
    [ -s .git/info/exclude ] || { rm .git/info/exclude; rmdir .git/info 2>/dev/null; }
  fi
  give_back </dev/null
  rm -rf "$host" "$adopted" "$working"
}

# shellcheck disable=SC2016  # what is in single quotes is for the shells that xargs starts
# What people have in a checkout: told apart from what is ours, kept before anything is changed, and
# recorded for the day when the host is given back. All functions work in the folder of the checkout, $path.
#
# PATH.kept-TIME, the folder of kept edits, has
#   edits.patch   what differed from the commit, for `git apply`; staged.patch: what was staged
#   files/        what no patch can hold, or what was in the way, under its name in the checkout
#   git/          the index, and the files of a merge or rebase that was not finished
#   commit, tree  the commit that the edits belong to, and the tree with them
#
# .git/mlufleet-adopted/, in a checkout that others had made, has
#   head          the commit and, unless it was detached, the branch
#   exclude       .git/info/exclude as it was; missing if there was none
#   kept          the folders of what was kept before this tool first changed the checkout, a line each
#   branches      the commits that were kept as branches then, and the branches
adopted=.git/mlufleet-adopted host=.git/mlufleet-host
# there while this tool changes the checkout; what is there later was interrupted, by a power failure. It has
# the commit while that is checked out
working=.git/mlufleet-working
begin='# mlu-fleet: begin' end='# mlu-fleet: end'
# bytes; larger files are moved, not written into a patch
patchable=16777216
N='
'
notes='MERGE_HEAD MERGE_MSG MERGE_MODE MERGE_RR AUTO_MERGE CHERRY_PICK_HEAD REVERT_HEAD REBASE_HEAD rebase-merge
  rebase-apply sequencer'
# names that end with NUL as lines, and back; no name has a byte of value 1
lines() { tr '\n\0' '\001\n'; }
names() { tr '\n\001' '\0\n'; }
with_index() { (index=$1; shift; export GIT_INDEX_FILE="$index"; "$@"); }  # FILE COMMAND…
adopting() { [ -d "$adopted" ] && [ ! -e "$host" ]; }  # succeed if others left the checkout as it is
remember() {
  # note once how others left a checkout that this tool is about to change
  [ ! -e "$host" ] && [ ! -d "$adopted" ] || return 0
  rm -rf "$adopted.part"
  mkdir "$adopted.part"
  echo "$(git rev-parse HEAD) $(git symbolic-ref -q HEAD || :)" > "$adopted.part/head"
  [ ! -e .git/info/exclude ] || cp -p .git/info/exclude "$adopted.part/exclude"
  made adopted "checkout:$path"
  mv "$adopted.part" "$adopted"
}
unlock() {
  # remove locks of an interrupted git, of which no process is left
  [ -e "$working" ] || return 0
  find "$(pwd -P)/.git" -name '*.lock' -type f | while IFS= read -r lock; do
    [ -n "$(find /proc/[0-9]*/fd -lname "$lock" 2>/dev/null)" ] || rm -f "$lock"
  done
}
undo_checkout() {
  # if a checkout was interrupted, bring back to HEAD what it has written: what is as in its commit
  wanted=$(cat "$working" 2>/dev/null)
  [ -n "$wanted" ] && git cat-file -e "$wanted^{commit}" 2>/dev/null || return 0
  index=.git/mlufleet-index list=.git/mlufleet-list
  rm -f $index
  with_index $index git read-tree "$wanted"
  with_index $index git update-index -q --refresh >/dev/null 2>&1 || :
  with_index $index git diff-files --name-only -z | lines > $list
  written() { git diff --name-only -z --no-renames --diff-filter="$1" HEAD "$wanted"; }
  written A | lines | grep -avxFf $list | names | xargs -0 -r sh -c 'for name; do rm -f "./$name"; done' sh
  written MT | lines | grep -avxFf $list | names > $list.restored
  written D | xargs -0 -r sh -c '
    for name; do [ -e "$name" ] || [ -L "$name" ] || printf "%s\0" "$name"; done' sh >> $list.restored
  with_index $index git read-tree HEAD
  with_index $index git checkout-index -f -z --stdin < $list.restored
  rm -f $index $list $list.restored
  git read-tree --reset HEAD
}
keep_commit() {
  # COMMIT WHERE: keep a commit that no branch or tag contains by a new branch
  pinned=$(git rev-parse --quiet --verify "${commit:-HEAD}^{commit}" || :)
  [ -n "$(git rev-list -n 1 "$1" --not ${pinned:+"$pinned"} --branches --tags --remotes \
    --glob=refs/mlufleet 2>/dev/null)" ] || return 0
  branch="kept-$(date +%Y%m%d-%H%M%S)-$$"
  [ "$2" = HEAD ] || branch="$branch-${2#* }"
  # several in one second
  while git rev-parse --quiet --verify "refs/heads/$branch" >/dev/null; do branch=$branch-2; done
  git branch "$branch" "$1^{commit}" || return 1
  ! adopting || echo "$(git rev-parse "$branch") $branch" >> "$adopted/branches"
  echo "kept what was at $path $2 as branch $branch"
}
unlisted() {
  # print the lines of others; of a block without an end, nobody knows whose its lines are
  if grep -qsxF "$end" .git/info/exclude; then sed "/^$begin\$/,/^$end\$/d" .git/info/exclude
  else grep -avxF "$begin" .git/info/exclude 2>/dev/null
  fi
}
listed() { ! grep -qsxF "$end" .git/info/exclude || sed -n "/^$begin\$/,/^$end\$/p" .git/info/exclude; }
exclude() {
  # PATTERN…, more on stdin: have git ignore them, in a block of ours that also has what is there already
  new=$(for pattern; do printf '%s\n' "$pattern"; done; cat)
  [ -n "$new" ] || return 0
  mkdir -p .git/info
  {
    # an earlier version wrote them without the block; what others wrote stays theirs
    unlisted | if [ -d "$adopted" ]; then grep -a ''; else grep -avxF "$new"; fi || :
    echo "$begin"
    { listed | grep -avxF "$begin$N$end" || :
      printf '%s\n' "$new"; } | awk '!seen[$0]++'
    echo "$end"
  } > .git/info/new
  mv -f .git/info/new .git/info/exclude
}
others() {
  # print patterns of the files that git neither has nor ignores
  git ls-files --others --directory --no-empty-directory --exclude-standard -z | lines |
    sed 's/[][\*? ]/\\&/g; s/\x01/?/g; s|^|/|'
}
give_back() {
  # names on stdin: what git wrote as root belongs to the owner of the repository
  user=$(stat -c %u:%g .git)
  [ "${user%:*}" != 0 ] || return 0
  chown -hR --from=0 "$user" .git
  xargs -0 -r sh -c '
    for name; do
      while [ -n "$name" ]; do
        printf "%s\0" "$name"
        case $name in */*) name=${name%/*} ;; *) name= ;; esac
      done
    done' sh | sort -zu | xargs -0 -r chown -hf --from=0 "$user" -- || :
}
differing() {
  # INDEX: in it, put HEAD; print the names of files in the folder that differ from it, however git was
  # told to overlook them. Files that a sparse checkout leaves out are none
  rm -f "$1"
  with_index "$1" git read-tree HEAD || return 1
  with_index "$1" git update-index -q --refresh >/dev/null 2>&1 || :
  git ls-files -v -z | lines | sed -n 's/^[Ss] //p' | names | xargs -0 -r sh -c '
    for name; do [ -e "$name" ] || [ -L "$name" ] || printf "%s\n" "$name"; done' sh > "$1.sparse"
  with_index "$1" git diff-files --name-only -z | lines | grep -avxFf "$1.sparse" | names
  rm -f "$1.sparse"
}
sort_out() {
  # FOLDER LIMIT OURS, names on stdin: write them into lists: .patch for what a patch can hold; .gone for
  # what is missing for git; .moved for what has to be moved out of the way, also folders above
  xargs -0 -r sh -c '
    to=$1 limit=$2 ours=$3; shift 3
    for name; do
      above=$name way=
      while case $above in */*) ;; *) false ;; esac; do
        above=${above%/*}
        if [ -L "$above" ] || { [ -e "$above" ] && [ ! -d "$above" ]; }; then way=$above; fi
      done
      if [ -n "$way" ]; then
        printf "%s\0" "$way" >> "$to/.moved"; printf "%s\0" "$name" >> "$to/.gone"
      elif [ -L "$name" ] || [ ! -e "$name" ]; then printf "%s\0" "$name" >> "$to/.patch"
      elif [ -f "$name" ]; then
        if [ "$(stat -c %s "./$name")" -le "$limit" ]; then printf "%s\0" "$name" >> "$to/.patch"
        else printf "%s\0" "$name" >> "$to/.moved"
        fi
      else
        case "$ours" in *"
/$name
"*) continue ;; esac
        printf "%s\0" "$name" >> "$to/.moved"; printf "%s\0" "$name" >> "$to/.gone"
      fi
    done' sh "$1" "$2" "$3"
}
diff_of() {
  git diff --binary --full-index --no-renames --no-color --no-ext-diff --no-textconv --src-prefix=a/ \
    --dst-prefix=b/ "$@"
}
apply() { git apply --whitespace=nowarn "$@"; }
move_to() {
  # FOLDER: move what its list .moved names into its files/, and report each
  [ -s "$1/.moved" ] || { rm -f "$1/.moved"; return 0; }
  sort -zu "$1/.moved" > "$1/moved"
  xargs -0 sh -c '
    to=$1; shift
    for name; do
      if [ -e "$name" ] || [ -L "$name" ]; then
        case $name in */*) mkdir -p "$to/${name%/*}" ;; *) mkdir -p "$to" ;; esac
        mv "./$name" "$to/$name" && printf "%s\n" "$name"
      fi
    done' sh "$1/files" < "$1/moved" > "$1/.said"
  head -n 20 "$1/.said" | while IFS= read -r name; do
    echo "kept what was at $path/$name as $1/files/$name"
  done
  more=$(($(wc -l < "$1/.said") - 20))
  [ $more -le 0 ] || echo "kept what was at $more more places of $path in $1/files"
  rm -f "$1/.said" "$1/.moved"
  chown -h --reference=.git "$1"/*
}
new_folder() {
  # set `kept` to the folder of kept edits under its final name, and `draft` to its name until it is complete
  kept="$path.kept-$(date +%Y%m%d-%H%M%S)-$$" draft="$path.kept-part"
  while [ -e "$kept" ]; do kept=$kept-2; done
  rm -rf "$draft"
  mkdir -m 700 "$draft"
  mkdir "$draft/git"
}
settle() {
  # the folder is complete and on the disk before anything in the checkout is changed
  chown -R --reference=.git "$draft"
  ! adopting || printf '%s\n' "$kept" >> "$adopted/kept"
  sync
  mv -T "$draft" "$kept"
}
times_of() { xargs -0 -r stat -c '%i %s %z' -- 2>&1 || :; }  # names on stdin: what differs after any edit
edited_tree() {
  # FOLDER PATTERN…: set `tree` to the tree of HEAD with all that was edited and fits into a patch. In the
  # folder, write an index of it, and lists: .names, .moved
  into=$1 index="$1/.index"; shift
  differing "$index" > "$into/.names" || return 1
  times_of < "$into/.names" > "$into/.times"
  for list in patch gone moved; do : > "$into/.$list"; done
  sort_out "$into" "$patchable" "$N$(printf '%s\n' "$@")$N" < "$into/.names"
  with_index "$index" git update-index --remove -z --stdin < "$into/.patch" &&
    with_index "$index" git update-index --force-remove -z --stdin < "$into/.gone" || return 1
  rm -f "$into/.patch" "$into/.gone"
  tree=$(with_index "$index" git write-tree --missing-ok)
}
keep_edits() {
  # PATTERN…: if files of the commit were edited, or something is staged or unfinished, keep all of that and
  # bring the files back to HEAD. Files that git does not know stay. Fails, with nothing changed, if a
  # patch would not bring the edits back
  new_folder
  edited_tree "$draft" "$@" || return 1
  with_index "$draft/.index" diff_of --cached HEAD > "$draft/edits.patch" || return 1
  diff_of --cached HEAD > "$draft/staged.patch" || return 1
  if [ -s "$draft/edits.patch" ]; then
    with_index "$draft/.index" git read-tree HEAD &&
      with_index "$draft/.index" apply --cached "$draft/edits.patch" &&
      [ "$(with_index "$draft/.index" git write-tree --missing-ok)" = "$tree" ] || return 1
  fi
  rm -f "$draft/.index"
  unfinished=$(in_progress)
  if [ ! -s "$draft/.names" ] && [ ! -s "$draft/staged.patch" ] && [ -z "$unfinished" ] &&
    ! git ls-files -v | grep -aq '^[a-zS]'; then
    rm -rf "$draft"; return 0
  fi
  for patch in edits staged; do [ -s "$draft/$patch.patch" ] || rm "$draft/$patch.patch"; done
  cp -p .git/index "$draft/git/index"
  git rev-parse HEAD > "$draft/commit"
  echo "$tree" > "$draft/tree"
  settle
  # the disk may have taken a minute
  if ! times_of < "$kept/.names" | cmp -s - "$kept/.times"; then
    rm -rf "$kept"
    echo "somebody is editing files of $path: nothing was changed"
    exit 1
  fi
  rm -f "$kept/.times"
  set_aside "$kept" "$unfinished"
  move_to "$kept"
  for flag in assume-unchanged skip-worktree; do
    git ls-files -v -z | lines | sed -n 's/^[a-zS] //p' | names | git update-index --no-$flag -z --stdin
  done
  git read-tree --reset HEAD
  git checkout-index -f -u -z --stdin < "$kept/.names"
  give_back < "$kept/.names"
  rm -f "$kept/.names"
  [ ! -e "$kept/edits.patch" ] || echo "kept what was edited in $path as $kept/edits.patch"
  [ ! -e "$kept/staged.patch" ] || echo "kept what was staged in $path as $kept/staged.patch"
}
set_aside() {
  # FOLDER OPERATION: keep what git noted of an operation that is not finished, which a checkout would delete
  [ -n "$2" ] || return 0
  cat .git/MERGE_HEAD .git/CHERRY_PICK_HEAD .git/REVERT_HEAD .git/rebase-*/orig-head .git/rebase-*/onto \
    2>/dev/null | while read -r id; do keep_commit "$id" "$2"; done
  for file in $notes; do [ ! -e ".git/$file" ] || mv ".git/$file" "$1/git/"; done
  echo "kept what was unfinished in $path, a $2, as $1/git"
}
clear_way() {
  # COMMIT PATTERN…: move away what git does not know and what has the name of a file of COMMIT
  new_folder
  target=$1; shift
  git diff --name-only -z --no-renames --diff-filter=A HEAD "$target" | in_way "$@" > "$draft/.moved"
  if [ -s "$draft/.moved" ]; then
    rmdir "$draft/git"
    settle
    move_to "$kept"
  else rm -rf "$draft"
  fi
}
in_way() {
  # PATTERN…, names on stdin: print what is at these names or above them, and unknown to git
  one=$(printf '\001')
  lines | while IFS= read -r name; do
    case $name in *"$one"*) name=$(printf '%s' "$name" | tr '\001' '\n') ;; esac
    above=$name way=
    while case $above in */*) ;; *) false ;; esac; do
      above=${above%/*}
      if { [ -L "$above" ] || { [ -e "$above" ] && [ ! -d "$above" ]; }; } &&
        ! git cat-file -e "HEAD:$above" 2>/dev/null; then way=$above; fi
    done
    if [ -n "$way" ]; then printf '%s\0' "$way"
    elif [ -L "$name" ] || { [ -e "$name" ] && [ ! -d "$name" ]; }; then printf '%s\0' "$name"
    elif [ -d "$name" ]; then
      case "$(git cat-file -t "HEAD:$name" 2>/dev/null)$N$(printf '%s\n' "$@")$N" in
        tree"$N"*) (export GIT_LITERAL_PATHSPECS=1; git ls-files -z --others -- "$name/") ;;
        *"$N/$name$N"*) ;;
        *) printf '%s\0' "$name" ;;
      esac
    fi
  done
}

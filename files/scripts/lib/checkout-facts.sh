# What the probe says of checkouts. A checkout that is right costs two processes of git, and no other.
without_ours() {
  # of the untracked files in $changes, leave those that neither a release nor its tutorial puts there
  set -f  # patterns must not expand
  set --
  # shellcheck disable=SC2153
  for ours in $OURS; do [ "${ours%%:*}" != "$path" ] || set -- "$@" -x "${ours#*:}"; done
  for name in $KNOWN; do set -- "$@" -x "$name"; done
  set +f
  left=$(printf '%s\n' "$changes" | grep -v '^??'
    cd "$path" && git ls-files --others --directory --no-empty-directory --exclude-standard "$@" | sed 's/^/?? /')
  [ "$(printf %s "$left" | grep -c '')" = "$(printf %s "$changes" | grep -c '')" ] || say unlisted "$path"
  changes=$left
}
describe() {
  # what was changed, for the operator: the first names, and the first lines of the edits
  printf '%s\n' "$changes" | head -n 20 | while IFS= read -r change; do say change "$path" "$change"; done
  (cd "$path" && git diff -U0 --no-color --no-ext-diff --no-textconv HEAD -- 2>/dev/null) | head -n 200 |
    grep -aE '^([-+]|Binary)' | grep -avE '^(---|[+][+][+]) ' | head -n 12 | cut -c 1-200 |
    while IFS= read -r edit; do say edit "$path" "$edit"; done
}
observe_sources() {
  # of each PATH:COMMIT in $SOURCES: its commit, and what was changed in it
  # asked once; git itself runs in subshells
  [ -z "${read_only:-}" ] || [ -z "$SOURCES" ] || : "${git_version:=$(command git --version)}"
  for source in $SOURCES; do
    path=${source%:*}
    if [ -d "$path/.git" ]; then
      # a failing status (old git, broken index) must not count as clean
      why='' patches='' has='' operation=''
      # stderr separately: warnings, also those of the dynamic loader, are no changes
      changes=$(cd "$path" && git status --porcelain 2>/dev/null) || {
        changes=$(cd "$path" && git status --porcelain 2>&1)
        why=${changes%%"$N"*}
        why=${why:-git status failed}
      }
      # a patched file is no edit of somebody's; but what the release does not patch has to be restored
      [ -z "$changes$why" ] || patches=$(cd "$path" && patched "$changes")
      [ -z "$patches" ] || {
        changes=$(printf '%s\n' "$changes" | grep -vxF "$patches")
        printf '%s\n' "$patches" | while IFS= read -r change; do
          case " $FILES " in *" $path/${change#???} "*) ;; *) say unlisted "$path" ;; esac
        done
      }
      [ -n "$why" ] || case $N$changes in *"$N?? "*) without_ours ;; esac
      # "assume unchanged" and "skip worktree" hide edits from git status
      listed=$N$(cd "$path" && git ls-files -v)
      case $listed in *"$N"[a-zS]' '*)
        changes=$changes$N$(printf '%s\n' "$listed" | sed -n 's/^[a-zS] /hidden /p') ;;
      esac
      [ -z "$why" ] || changes=$why
      changes=${changes#"$N"}
      # this tool leaves it detached at a commit; of a branch, git knows what it is at
      head=
      IFS= read -r head 2>/dev/null < "$path/.git/HEAD"
      case $head in *[!0-9a-f]*) head= ;; esac
      [ ${#head} -eq 40 ] || head=$(cd "$path" && git rev-parse HEAD 2>/dev/null)
      if [ "$head" != "${source##*:}" ]; then
        (cd "$path" && git cat-file -e "${source##*:}^{commit}" 2>/dev/null) && has=yes
        operation=$(cd "$path" && in_progress)
      fi
      [ ! -e "$path/.git/mlufleet-working" ] || operation=interrupted
      count=0
      [ -z "$changes" ] || count=$(printf '%s\n' "$changes" | grep -c '')
      say source "$path" "$head" "$count" "$why" "$has" "$operation"
      [ -z "$changes" ] || [ -n "$why" ] || describe
    elif [ -e "$path" ] && [ -n "$(ls -A "$path" 2>/dev/null)" ] &&
      [ ! -e "$path.mlufleet-part/.git/mlufleet-filling" ]; then
      say source "$path" foreign 0
    fi
  done
}

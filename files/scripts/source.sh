# source.sh PATH ORIGIN COMMIT URL KEEP [PATTERN…]: make PATH a clean checkout of COMMIT. PATTERNs are
# our own files inside it, which git is told to ignore. With KEEP ("keep"), edits are kept as a patch beside
# it, other files of somebody's stay, and what is no checkout is moved aside; else each of them is refused.
# needs: git filesystems checkout
set -eu
path=$1 origin=$2 commit=$3 url=$4 keeping=$5; shift 5
# never prompt: nobody could answer git or ssh
export GIT_LFS_SKIP_SMUDGE=1 GIT_TERMINAL_PROMPT=0 GIT_ASKPASS=false
told() {
  # GIT-ARGUMENTS…: run git; on failure print its output, with the reason as the last line
  status=0
  said=$(git "$@" 2>&1) || status=$?
  [ $status -ne 0 ] || return 0
  printf '%s\n' "$said"
  why=$(printf '%s\n' "$said" | grep -vE '^(warning|hint|ERROR: ld.so|Cloning|Fetching|From |Warning|$)' |
    sed -n '1{/:$/N;s/\n[[:space:]]*/ /;p;q}')  # join a file name that follows on its own line
  [ $status -ne 124 ] || why="$origin does not answer within 30 s"
  echo "git $1: ${why:-${said:-it ended with status $status}}"
  return $status
}
asked() {
  # limit the first contact to 30 s; the clone itself may take an hour
  limit='timeout -k 5 30'
  told ls-remote "$origin" HEAD || exit 1
  limit=
}
has() { git cat-file -e "$commit^{commit}" 2>/dev/null; }
found() {
  # a commit that no branch or tag contains may still be available by its id
  has || git fetch --quiet --no-tags "$origin" "$commit" >/dev/null 2>&1 || :
  has || gone
}
gone() { echo "$origin has no commit $commit"; exit 1; }
part="$path.mlufleet-part" filling=.git/mlufleet-filling
fill() {
  # PATH may be an empty directory that is mounted in a container: fill it, do not replace it; .git last
  : > "$part/$filling"
  find "$part" -mindepth 1 -maxdepth 1 ! -name .git -exec cp -a {} "$path/" \;
  mv "$part/.git" "$path/"
  rm -rf "${path:?}/$filling" "$part"
}
checkout() {
  # an ignored file may be someone's: without this option a checkout would overwrite it
  told checkout --quiet --no-overwrite-ignore --detach "$commit" || exit 1
  # older versions of git only warn and continue
  [ "$(git rev-parse HEAD)" = "$commit" ] || { echo "git checkout: HEAD is not $commit"; exit 1; }
}
fetch() {
  # update tags that moved. If branch a was replaced by a/b, git 1.8 prunes too late: then forget the
  # remote branches and fetch all of them again. What others fetched stays as it is
  heads=refs/remotes/origin
  [ ! -d "$adopted" ] || heads=refs/mlufleet/heads
  set -- fetch --quiet --force --prune --no-tags "$origin" "+refs/heads/*:$heads/*" \
    '+refs/tags/*:refs/mlufleet/tags/*'
  git "$@" >/dev/null 2>&1 || {
    git for-each-ref --format='%(refname)' "$heads" refs/mlufleet/tags | while read -r ref; do
      git update-ref --no-deref -d "$ref"
    done
    told "$@" || exit 1
  }
  [ ! -d "$adopted" ] || return 0
  # local tags stay; a tag that the origin has too becomes the origin's
  tags() { git for-each-ref --format='%(objectname) %(refname)' refs/tags; }
  before=$(tags)
  git fetch --quiet --force --no-tags "$origin" '+refs/tags/*:refs/tags/*' >/dev/null 2>&1 || :
  # the list may exceed the size of an argument
  { tags; echo; printf '%s\n' "$before"; } |
    awk '!NF { old = 1 } !old { now[$0] } old && NF && !($0 in now)' | while read -r was name; do
      keep_commit "$was" "tag ${name#refs/tags/}"
    done
}
look() {
  # set `changes`: what git sees changed, also what it was told to overlook; nothing of our patches
  changes=$(git status --porcelain 2>/dev/null) || return 1
  # git has the original of a file that was patched; it is patched again after the checkout
  patched "$changes" | while IFS= read -r change; do git checkout --quiet -- "${change#???}"; done
  [ -z "$changes" ] || changes=$(git status --porcelain)
  changes="$changes$N$(git ls-files -v | sed -n 's/^[a-zS] /hidden /p')"
  [ "$head" = "$commit" ] || changes="$changes$N$(in_progress | sed 's/^/unfinished: /')"
  changes=$(printf '%s\n' "$changes" | grep -v '^$' || :)
}
refuse() {
  # CODE WORDS: nothing was changed, as nobody has allowed it
  [ "$keeping" != keep ] || return 0
  echo "@@code $1"
  echo "$2"
  exit 1
}
prepare() {
  # PATTERN…: bring the checkout to where a commit can be checked out and nothing of anybody's is lost.
  # Fails, with nothing changed, if git cannot do that
  head=$(git rev-parse --quiet --verify HEAD) || head=
  [ ! -e "$working" ] || keeping=keep  # to finish what was allowed before
  unlock
  undo_checkout
  look || return 1
  [ -n "$head" ] || [ -z "$changes" ] || return 1
  [ -z "$head" ] || remember
  exclude "$@" </dev/null
  look || return 1
  [ -z "$changes" ] || refuse SOURCE_DIRTY "$path: $(printf '%s\n' "$changes" | head -n 5 | tr '\n' ',')"
  : > "$working"
  # not only what git does not know
  if printf '%s\n' "$changes" | grep -aqv '^??'; then keep_edits "$@" || return 1; fi
  others | exclude
  look
  [ -z "$changes" ] || { echo "$path still has changes: $changes"; exit 1; }
}
settle_index() {
  # git reads each file again that has the time of its index, at every look: a checkout takes less than a
  # second. Have it write the index once more in a later second; of few files, reading costs nothing
  [ "$(stat -c %s .git/index)" -gt 32768 ] || return 0
  tries=0
  while [ "$(date +%s)" -le "$(stat -c %Y .git/index)" ] && [ $tries -lt 20 ]; do
    tries=$((tries + 1)); sleep 0.1
  done
  locks=1
  git status --porcelain >/dev/null 2>&1 || :
  locks=
  give_back </dev/null
}
# serialize work on this directory between runs, and between hosts that share it
folders "$(dirname "$path")"
exec 9< "$(dirname "$path")"
status=0
flock -w 3000 9 2>/dev/null || status=$?
[ $status -ne 1 ] || { echo "another run has worked in $path for 50 minutes"; exit 1; }
own_git
export GIT_SSH_COMMAND="${GIT_SSH_COMMAND:-$(git config core.sshCommand ||
  echo ssh -o BatchMode=yes -o ConnectTimeout=30)}"
owner=$(cat /etc/machine-id 2>/dev/null || uname -n) run=$(printf '%s\n' "${WHO:-}" | cut -f1)
read -r other during 2>/dev/null < "$path/$host" || other=$owner during=
if [ "$other" != "$owner" ]; then
  shared=$(network "$path")
  if [ -n "$shared" ] || [ "${during:-none}" = "${run:-no run}" ]; then
    echo "@@code SHARED_FOLDER"
    echo "$path${shared:+ ($shared)} is the checkout of another host, machine-id $other"; exit 1
  fi
fi
if [ -e "$part/$filling" ]; then fill; fi  # interrupted by a power failure
trap 'rm -f "$path/$working" 2>/dev/null' EXIT
if [ -d "$path/.git" ]; then
  cd "$path"
  if ! prepare "$@"; then
    cd /
    refuse SOURCE_DIRTY "$path: git cannot tell what was changed"
    rm -rf "$path.kept-part"
    keep "$path"
  fi
elif [ -e "$path" ] && [ -n "$(ls -A "$path")" ]; then
  refuse SOURCE_FOREIGN "$path"
  keep "$path"
fi
if [ ! -d "$path/.git" ]; then
  rm -rf "$part"
  asked
  told clone --quiet --no-checkout --template= "$origin" "$part" || exit 1
  (
    cd "$part" || exit 1
    [ -z "$url" ] || git remote set-url origin "$url" || exit 1
    found
    checkout
    echo "$owner $run" > "$host"
  ) || exit 1
  [ -d "$path" ] || made folder "$path"
  made checkout "$path" "$commit"
  if [ -d "$path" ]; then
    fill
  else
    mv "$part" "$path"
  fi
fi
cd "$path"
exclude "$@" </dev/null
: > "$working"
if ! has; then
  asked
  fetch
  found
fi
head=$(git rev-parse --quiet --verify HEAD) || head=
if [ "$head" != "$commit" ]; then
  if [ -n "$head" ]; then
    keep_commit "$head" HEAD
    [ "$keeping" != keep ] || clear_way "$commit" "$@"
  fi
  echo "$commit" > "$working"
  checkout
fi
# the next pin knows by this that the commit is nobody's
git update-ref "refs/mlufleet/pins/$commit" "$commit"
git diff --name-only -z --no-renames "${head:-$commit}" "$commit" | give_back
# of a clone of this tool's, every commit that it was at; one that was there before is nobody's to remove
! grep -qsF "$(printf '\tcheckout\t%s\t' "$path")" "$state/made" || made checkout "$path" "$commit"
echo "$owner $run" > "$host"
settle_index
rm -f "$working"
# submodules are separate sources where they are needed
[ ! -f .gitmodules ] || git ls-tree -r HEAD | while IFS= read -r entry; do
  case $entry in 160000*) echo "left empty: $path/${entry#*	} is a submodule" ;; esac
done

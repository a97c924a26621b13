# PATH ORIGIN COMMIT URL [OUR PATHS INSIDE…]: git 1.8 and newer.
set -eu
path=$1 origin=$2 commit=$3 url=$4; shift 4
# nobody is there to answer git or ssh; a transfer that stands still is given up
export GIT_LFS_SKIP_SMUDGE=1 GIT_TERMINAL_PROMPT=0 GIT_ASKPASS=false
export GIT_SSH_COMMAND="${GIT_SSH_COMMAND:-ssh -o BatchMode=yes -o ConnectTimeout=30}"
git() {
  command git -c safe.directory='*' -c advice.detachedHead=false -c http.lowSpeedLimit=1000 \
    -c http.lowSpeedTime=120 "$@"
}
asked() {
  # a server that swallows packets would hold git for minutes, and a good clone may take an hour
  status=0
  timeout -k 5 30 git -c safe.directory='*' ls-remote "$origin" HEAD >/dev/null || status=$?
  [ $status -ne 124 ] || { echo "$origin does not answer within 30 s"; exit 1; }
  [ $status -eq 0 ] || { echo "$origin cannot be read"; exit 1; }
}
gone() { echo "$origin has no commit $commit"; exit 1; }
ours() { for pattern; do echo "$pattern"; done; }
exclude() {
  mkdir -p .git/info
  { grep -vxF "$(ours "$@")" .git/info/exclude 2>/dev/null || true; ours "$@"; } > .git/info/new
  mv -f .git/info/new .git/info/exclude
}
part="$path.mlufleet-part" filling=.git/mlufleet-filling
fill() {
  # an empty folder may be mounted in a container: filled, not replaced; .git last
  : > "$part/$filling"
  find "$part" -mindepth 1 -maxdepth 1 ! -name .git -exec cp -a {} "$path/" \;
  mv "$part/.git" "$path/"
  rm -rf "${path:?}/$filling" "$part"
}
if [ -e "$part/$filling" ]; then fill; fi  # what a power cut left
if [ -d "$path/.git" ]; then
  cd "$path"
  [ $# -eq 0 ] || exclude "$@"
  if [ -n "$(git status --porcelain)" ]; then
    cd /; keep "$path"
  fi
elif [ -e "$path" ] && [ -n "$(ls -A "$path")" ]; then
  keep "$path"
fi
if [ ! -d "$path/.git" ]; then
  rm -rf "$part"
  mkdir -p "$(dirname "$path")"
  asked
  git clone --quiet --no-checkout "$origin" "$part"
  if [ -n "$url" ]; then (cd "$part" && git remote set-url origin "$url"); fi
  (cd "$part" && git checkout --quiet --detach "$commit") || gone
  if [ -d "$path" ]; then
    fill
  else
    mv "$part" "$path"
  fi
fi
cd "$path"
[ $# -eq 0 ] || exclude "$@"
if ! git cat-file -e "$commit^{commit}" 2>/dev/null; then
  asked
  git fetch --quiet --tags "$origin" '+refs/heads/*:refs/remotes/origin/*'
  git cat-file -e "$commit^{commit}" 2>/dev/null || gone
fi
head=$(git rev-parse HEAD)
if [ "$head" != "$commit" ] && ! git for-each-ref --format='%(objectname)' | grep -q "$head"; then
  kept="kept-$(date +%Y%m%d-%H%M%S)"
  git branch "$kept" "$head"
  echo "kept what was at $path HEAD as branch $kept"
fi
[ "$head" = "$commit" ] || git checkout --quiet --detach "$commit"
[ "$(git rev-parse HEAD)" = "$commit" ]

# What this tool made on the host, by its record, and what became of it. A line of the record, by its kind:
#   state       the state folder; the record that begins with it is complete
#   container   NAME
#   image       ID REFERENCE
#   tag         REFERENCE ID
#   tree        PATH STAMP
#   checkout    PATH COMMIT
#   file        PATH "SHA256 IDENTITY KIND-OF-UPLOAD"
#   folder      PATH
#   config      PATH "SHA256 COPY-OF-THE-ORIGINAL GROUP"
#   unit        NAME [enabled]
#   package     NAME "GROUP VERSION VERSION-BEFORE"
#   data        PATH GROUP
#   group       NAME GROUP
#   unrecorded  docker, of an earlier version that did not record its packages
#   kept        PATH NEW-NAME
#   back        PATH NEW-NAME: what was kept under that name has its own back
#   adopted     container:ID | image:REFERENCE | checkout:PATH, and how it was; tree:PATH of somebody;
#               link:PATH and the TARGET of a link that this tool put into such a tree
# Set before: `expected`, lines of kind, name and detail that the host's releases make, and `allowed`, the
# groups that are to go: weights, driver, engine.
T=$(printf '\t')
N='
'
removed=mlufleet-removed  # end of the name of what is being removed
read_known() {
  # set `known` to kind, name and detail of everything that this tool made
  known=$(
    cut -f2-4 "$state/made" 2>/dev/null
    for each in driver engine; do  # of an installation that was cut off
      [ ! -f "$state/packages-$each" ] || compare_installed "$each" | sed "s/^/package$T/"
    done
    is_complete || recalled
  )
}
is_complete() { grep -qsF "${T}state${T}$state${T}" "$state/made"; }
recalled() {
  # what stamps, marks and the audit log prove of `expected`, and what has this tool's name
  printf '%s\n' "$expected" | while IFS=$T read -r kind name detail; do
    case $kind in
      container)
        for stamp in "$state"/stamps/container-name "$state"/stamps/*/container-name; do
          [ "$(cat "$stamp" 2>/dev/null)" = "$name" ] && break
        done ;;
      image) [ -f "$state/images/${name#sha256:}" ] && printf 'tag\t%s\t%s\n' "$detail" "$name" ;;
      tree) [ -f "$detail" ] || [ -f "$detail.running" ] ;;
      # a clone of this tool's has none of the files that git gives to every other
      checkout)
        [ -f "$name/.git/mlufleet-host" ] && [ ! -e "$name/.git/description" ] &&
          printf 'folder\t%s\t\n' "$name" ;;
      # a trial is made where there was a driver before
      package)
        is=$(version_of "$name")
        wanted=${detail#* } wanted=${wanted% -}
        [ "${is%%-*}" = "$wanted" ] && grep -qs "${T}installing driver $wanted" "$state/audit.log" &&
          ! grep -qs "${T}installing driver.*: a trial beside" "$state/audit.log" && detail="driver $is -" ;;
      file) grep -qs "${T}placed $(printf %s "$name" | sed 's/[][\.*^$]/\\&/g')\$" "$state/audit.log" ;;
      *) false ;;
    esac && printf '%s\t%s\t%s\n' "$kind" "$name" "$detail"
  done
  for file in /etc/docker/certs.d/*/mlufleet.crt; do [ ! -f "$file" ] || echo "config$T$file${T}any - -"; done
  for file in /etc/modules-load.d/mlufleet.conf /etc/dkms/framework.conf.d/mlufleet.conf; do
    [ ! -f "$file" ] || echo "config$T$file${T}any - driver"
  done
  ! grep -qs "${T}installing docker$T" "$state/audit.log" || echo "unrecorded${T}docker$T"
  [ ! -f "$unit_file" ] || echo "unit${T}mlufleet-follow-driver$T"
}
unit_file=/etc/systemd/system/mlufleet-follow-driver.service
details() {
  # KIND NAME: print its details, the oldest first
  printf '%s\n' "$known" | kind=$1 name=$2 awk -F '\t' '$1 == ENVIRON["kind"] && $2 == ENVIRON["name"] { print $3 }'
}
kept_names() {
  # PATH: print the names under which it was kept, the oldest first, but none that this tool does not give
  details kept "$1" | while IFS= read -r name; do
    case $1:$name in
      *:"$1".kept-*/*) ;;
      *:"$1".kept-* | /etc/modprobe.d/*:"$state/kept/${1##*/}"-*) printf '%s\n' "$name" ;;
    esac
  done
}
settings() {
  # PATH: print the lines about a setting, but none of a file that this tool does not change, or with a copy
  # that it does not make
  written=
  case $1 in
    *//* | */./* | */../* | */.. | [!/]*) return ;;
    /etc/docker/certs.d/*/mlufleet.crt | /etc/modules-load.d/mlufleet.conf | \
      /etc/dkms/framework.conf.d/mlufleet.conf) written=yes ;;  # nobody else writes it, whatever is in it
    /etc/docker/daemon.json | /etc/dkms/framework.conf | /etc/modprobe.d/*.conf) ;;
    /usr/local/*) ;;  # files that releases patch may be anywhere else
    /etc/* | /usr/* | /bin/* | /sbin/* | /lib/* | /lib32/* | /lib64/* | /boot/* | /dev/* | /proc/* | /sys/* | /run/*)
      return ;;
  esac
  details config "$1" | while read -r sum copy goes_with; do
    [ "$sum" != any ] || [ -n "$written" ] || continue
    case $copy in - | "$state/kept/"*"${1##*/}"*) echo "$sum $copy $goes_with" ;; esac
  done
}
made_names() { printf '%s\n' "$known" | awk -F '\t' -v kind="$1" '$1 == kind && !seen[$2]++ { print $2 }'; }  # KIND
is_made() { printf '%s\n' "$known" | grep -qF "$1$T$2$T"; }  # KIND NAME
answers() {
  # succeed if docker answers; the question is asked once
  [ -n "${answering:-}" ] ||
    if timeout -k 2 20 docker version >/dev/null 2>&1 </dev/null; then answering=yes; else answering=no; fi
  [ "$answering" = yes ]
}
has_docker() {
  # succeed if docker can be asked; else set the verdict
  if ! command -v docker >/dev/null 2>&1; then verdict=gone
  elif ! answers; then verdict="docker does not answer"
  else return 0
  fi
  return 1
}
quick() { timeout -k 2 60 docker "$@" 2>/dev/null </dev/null; }
goes() {
  # KIND NAME: succeed if it is as this tool left it, and is to go
  (
    judge "$1" "$2"
    [ "$verdict" = ours ] || exit 1
    case $group in '' | -) exit 0 ;; esac
    case " $allowed " in *" $group "*) ;; *) exit 1 ;; esac
  )
}
judge() {
  # KIND NAME: set `verdict` to gone, to ours, or to a reason for which it has to stay; `why`: more words;
  # `group`: what it goes with
  verdict=ours why='' group=''
  case $1 in checkout | tree | file) if is_back "$2"; then verdict=gone; return; fi ;; esac
  case $1 in
    container) judge_container "$2" ;;
    image) judge_image "$2" ;;
    tag) judge_tag "$2" ;;
    tree) judge_tree "$2" ;;
    checkout) judge_checkout "$2" ;;
    file) judge_file "$2" ;;
    folder)
      if [ ! -d "$2" ] || [ -L "$2" ]; then verdict=gone
      elif [ -n "$(find "$2" -mindepth 1 -maxdepth 1 2>/dev/null | head -n 1)" ]; then verdict="not empty"
      fi ;;
    config) judge_config "$2" ;;
    unit) judge_unit "$2" ;;
    package) judge_package "$2" ;;
    data)
      group=$(details data "$2" | tail -n 1)
      # all that is in it would go: a damaged record must not name another folder
      case $2 in */docker | */containerd) ;; *) verdict="not docker's" ;; esac
      [ -n "$(ls -A "$2" 2>/dev/null)" ] || verdict=gone
      [ "$verdict" = gone ] || [ "$group" != engine ] || engine_stays ;;
    group)
      group=$(details group "$2" | tail -n 1)
      [ "$2" = docker ] && grep -q "^$2:" /etc/group || verdict=gone
      [ $verdict = gone ] || [ "$group" != engine ] || engine_stays ;;
    module) judge_module ;;
    unrecorded)
      verdict="its packages were not recorded" why="an earlier version has installed it"
      command -v dockerd >/dev/null 2>&1 || verdict=gone ;;
    kept) judge_kept "$2" ;;
    adopted) judge_adopted "$2" ;;
    state)
      inside=$(cd -P "$state" && pwd -P)  # the folder itself may be a link
      if [ -n "$(find "$inside" -mindepth 1 -maxdepth 1 ! -name 'lock*' ! -name made ! -name kept \
        ! -name signing ! -name images 2>/dev/null | without_mounts "$inside" | head -n 1)" ]; then :
      elif [ -n "$(find "$inside" -mindepth 1 -maxdepth 1 ! -name 'lock*' 2>/dev/null | head -n 1)" ]; then
        verdict=record
      else verdict=gone
      fi ;;
    *) verdict=gone ;;
  esac
}
is_back() {
  # PATH: succeed if what is there now is what was moved away for this tool
  last=$(kept_names "$1" | tail -n 1)
  [ -n "$last" ] && [ ! -e "$last" ] && details back "$1" | grep -qxF "$last"
}
judge_container() {
  # NAME: only what carries this tool's label is its own; the same name alone proves nothing
  has_docker || return 0
  # for a missing one, docker prints an empty line and fails
  found=$(quick inspect --type container --format '{{.ID}} {{.Config.Labels}}' "$1") || { verdict=gone; return 0; }
  case $found in
    *mlufleet.spec:*) ;;
    *)  # one that was kept under another name may have its own back
      verdict="made by somebody else"
      ! is_made adopted "container:${found%% *}" || verdict=gone ;;
  esac
}
image_users() {
  # ID: print the containers and images of others that need the image
  { quick ps --all --no-trunc --filter "ancestor=$1" --format '{{.Names}}' || echo '(docker does not say)'; } | while read -r user; do
    is_made container "$user" && goes container "$user" || echo "container $user"
  done
  quick image ls --all --quiet --no-trunc | sort -u | while read -r child; do
    [ "$(quick image inspect --format '{{.Parent}}' "$child")" != "$1" ] || echo "image ${child#sha256:}" | cut -c1-18
  done
}
judge_image() {
  # ID: ours if nobody else uses it or has given it a name
  has_docker || return 0
  as=$(known "$1")
  names=$(quick image inspect --format '{{range .RepoTags}}{{println .}}{{end}}' "$as") || { verdict=gone; return; }
  users=$(image_users "$as" | paste -sd , -)
  [ -z "$users" ] || { verdict="in use" why=$users; return; }
  for name in $names; do
    is_made tag "$name" || details image "$1" | grep -qxF "$name" || { verdict="named by somebody else" why=$name; return; }
  done
}
judge_tag() {
  # REFERENCE: a name that this tool gave to an image of somebody else's
  has_docker || return 0
  id=$(details tag "$1" | tail -n 1)
  is=$(quick image inspect --format '{{.Id}} {{len .RepoTags}}' "$1") || is=
  if is_made image "$id" || [ "${is% *}" != "$(known "$id")" ]; then verdict=gone
  elif [ "${is#* }" = 1 ]; then verdict="the only name of its image"
  fi
}
judge_tree() {
  # PATH: ours if a stamp has its signature
  if [ -L "$1" ]; then verdict="made by somebody else" why="a symbolic link"; return
  elif [ -e "$1.$removed" ] && [ ! -e "$1" ]; then return
  elif [ ! -d "$1" ]; then verdict=gone; return
  elif mounted_below "$1"; then return
  elif ! is_pythons "$1"; then verdict=edited; return
  fi
  for stamp in $(details tree "$1"); do
    if [ -f "$stamp.adopted" ]; then verdict="made by somebody else"; return; fi
    [ ! -f "$stamp.running" ] || return 0
  done
  signed=$(signature "$1")
  cat "$state"/stamps/tree-* "$state"/stamps/*/tree-* 2>/dev/null | cut -d' ' -f2 | grep -qx "$signed" ||
    verdict=edited
}
is_pythons() {
  # PATH: succeed if in its folders that Python makes, there is only what Python writes
  [ -z "$(find "$1" \( -path '*/__pycache__/*' -o -path '*.egg-info/*' \) ! -type d ! -name '*.py[co]*' ! -name PKG-INFO \
    ! -name SOURCES.txt ! -name requires.txt ! -name top_level.txt ! -name dependency_links.txt ! -name entry_points.txt \
    ! -name namespace_packages.txt ! -name '*zip-safe' 2>/dev/null | head -n 1)" ]
}
mounted_below() {
  # PATH: succeed if a file system is mounted in it; it is not for this tool to empty
  mounted=$(mounts_below "$1" | head -n 1)
  [ -n "$mounted" ] || return 1
  verdict="a file system is mounted in it" why=$mounted
}
foreign_settings() {
  # print the names of git's settings of the checkout here that neither this tool nor a clone writes
  own=$(git symbolic-ref -q refs/remotes/origin/HEAD) && own=${own#refs/remotes/origin/} ||
    own=$(git config --file .git/config --list | sed -n 's/^branch\.\(.*\)\.remote=origin$/\1/p' | head -n 1)
  git config --file .git/config --list | while IFS= read -r setting; do
    case $setting in
      core.repositoryformatversion=* | core.filemode=* | core.bare=* | core.logallrefupdates=* | core.symlinks=* | \
        core.ignorecase=* | core.precomposeunicode=* | extensions.* | lfs.repositoryformatversion=* | \
        remote.origin.url=* | 'remote.origin.fetch=+refs/heads/*:refs/remotes/origin/*' | \
        remote.origin.promisor=* | remote.origin.partialclonefilter=* | remote.origin.tagopt=* | \
        "branch.$own.remote=origin" | "branch.$own.merge=refs/heads/$own") ;;
      *) printf '%s\n' "${setting%%=*}" | tr -d '\000-\011\013-\037\177' ;;
    esac
  done
}
mine() {
  # PATH: succeed if a file that git does not track is no work of somebody: what Python writes, what this
  # tool made and will remove, or a copy of the code of weights
  case $1 in */__pycache__ | *.pyc | *.egg-info) is_pythons "$1"; return ;; esac
  if is_made checkout "$1"; then goes checkout "$1"; return; fi
  if is_made tree "$1"; then goes tree "$1"; return; fi
  if is_made file "$1"; then goes file "$1"; return; fi
  if [ -d "$1" ] && [ ! -L "$1" ]; then
    # a name with a line break is none of this tool's
    found=$(find "$1" -mindepth 1 -maxdepth 1 -name "*$N*" | head -n 1
      find "$1" -mindepth 1 -maxdepth 1 ! -path "*$N*" | while IFS= read -r below; do
        mine "$below" || { echo "$below"; break; }
      done)
    [ -z "$found" ]
    return
  fi
  [ -f "$1" ] && [ "$(stat -c %s "$1")" -lt 16777216 ] &&
    printf '%s\n%s\n' "$known" "$expected" | grep -qF "$T$(sha256sum < "$1" | cut -d' ' -f1) "
}
judge_checkout() {
  # PATH: ours if nothing in it would be lost: no edits, files, commits or stashes of somebody
  if [ -L "$1" ]; then verdict="made by somebody else" why="a symbolic link"; return
  elif [ ! -d "$1" ]; then verdict=gone; return
  elif mounted_below "$1"; then return
  elif [ -e "$1/.$removed" ]; then
    # since a removal that was killed, somebody may have begun to work there
    found=$(find "$1" -path "$1/.$removed" -prune -o ! -type d -cnewer "$1/.$removed" -print | head -n 5)
    [ -z "$found" ] || verdict=edited why=$(printf '%s\n' "$found" | sed 's|.*/||' | paste -sd , -)
    return
  elif [ ! -e "$1/.git" ]; then
    verdict="not a checkout any more"
    [ -n "$(ls -A "$1")" ] || verdict=gone
    return
  fi
  found=$(
    cd "$1" || exit 1
    [ -d .git ] && [ -z "$(git config core.worktree)" ] || { echo "work tree elsewhere"; exit; }
    # git's settings of this checkout may be somebody's, and hide changes
    changes=$(git -c core.checkStat=default -c core.trustctime=true status --porcelain --ignored \
      --untracked-files=normal --ignore-submodules=none 2>/dev/null) || { echo "git status fails"; exit; }
    # a clone of this tool's has none of these
    for path in .git/hooks/* .git/info/attributes .git/worktrees/* .git/modules/*; do
      case $path in *.sample) ;; *) [ ! -e "$path" ] || echo "$path" ;; esac
    done
    foreign_settings | head -n 1 | sed 's/^/git config /'
    ours=$(patched "$changes")
    printf '%s\n' "$changes" | grep -vxF "$ours" | while IFS= read -r change; do
      path=${change#???} path=${path#\"}
      path=${path%\"}
      path=${path%/}
      case $change in
        '') ;;
        '?? '* | '!! '*) mine "$1/$path" || echo "$path" ;;
        *) echo "$path" ;;
      esac
    done
    git ls-files -v | sed -n 's/^[a-zS] //p'
    git for-each-ref --format='%(objectname) %(refname)' refs/heads refs/stash | { cat; echo "$(git rev-parse HEAD) HEAD"; } |
      while read -r commit ref; do
        details checkout "$1" | grep -qxF "$commit" ||
          [ -z "$(git rev-list -n 1 "$commit" --not --remotes --tags --glob=refs/mlufleet 2>/dev/null)" ] ||
          echo "commits of ${ref#refs/heads/}"
      done
    # and those that only a tag of somebody's, or the list of what HEAD was, still has
    pins=$(details checkout "$1" | grep .) || pins=$(git rev-list --no-walk --tags HEAD)
    git log --walk-reflogs --format=%H HEAD 2>/dev/null | sort -u | grep -vxF "$pins" |
      git rev-list --no-walk --stdin 2>/dev/null | while read -r commit; do
        [ -z "$(git rev-list -n 1 "$commit" --not --remotes --glob=refs/mlufleet 2>/dev/null)" ] || echo "commit $commit"
      done
  )
  [ -z "$found" ] || verdict=edited why="$(printf '%s\n' "$found" | head -n 5 | paste -sd , -)$(
    more=$(($(printf '%s\n' "$found" | wc -l) - 5))
    [ $more -le 0 ] || echo " and $more more")"
}
judge_file() {
  # PATH: ours if its bytes are those that this tool has put there
  case $(details file "$1" | tail -n 1) in *" weights"*) group=weights ;; esac
  if [ ! -e "$1" ] && [ ! -L "$1" ]; then
    verdict=gone
    for part in "$1".*.mlufleet-part; do [ ! -e "$part" ] || verdict=ours; done
  elif [ ! -f "$1" ] || [ -L "$1" ]; then verdict="made by somebody else"
  elif details file "$1" | cut -d' ' -f2 | grep -qxF "$(identity "$1")"; then :
  else
    sum=$(sha256sum < "$1" | cut -d' ' -f1)
    { details file "$1"; details config "$1"; } | cut -d' ' -f1 | grep -qxF "$sum" || verdict=edited
  fi
}
in_tree() {
  # PATH: succeed if it lies in something that is judged as a whole
  for kind in tree checkout; do
    for root in $(made_names $kind); do case $1 in "$root"/*) return 0 ;; esac; done
  done
  is_made file "$1"
}
original() {
  # PATH: print the copy of what was there before this tool; "-" for nothing
  settings "$1" | while read -r sum copy _; do
    [ "$copy" != - ] && [ -f "$copy" ] && was=$(sha256sum < "$copy" | cut -d' ' -f1) || was=
    settings "$1" | cut -d' ' -f1 | grep -qxF "${was:-none}" || echo "$copy"
  done | tail -n 1
}
judge_config() {
  # PATH: ours if it is as this tool wrote it
  read -r _ _ group <<DETAIL
$(settings "$1" | tail -n 1)
DETAIL
  group=${group#-}
  [ -n "$(settings "$1")" ] || { verdict=gone; return; }
  if in_tree "$1"; then verdict=gone; return; fi
  copy=$(original "$1")
  if [ "$copy" = - ] && [ ! -e "$1" ]; then verdict=gone
  elif [ "$copy" != - ] && cmp -s "$copy" "$1"; then verdict=gone
  elif [ "$copy" != - ] && [ ! -f "$copy" ]; then verdict="its original is missing" why=$copy
  elif [ ! -e "$1" ]; then [ "$group" = driver ] || verdict="removed by somebody" why="its original is $copy"
  elif settings "$1" | cut -d' ' -f1 | grep -qx "any\|$(sha256sum < "$1" | cut -d' ' -f1)"; then :
  else
    verdict=edited
    [ "$copy" = - ] || why="its original is $copy"
  fi
}
judge_unit() {
  # NAME: a unit of this tool, or docker, which was not started at boot
  case $1 in
    mlufleet-*) [ -f "$unit_file" ] || verdict=gone ;;
    docker)
      systemctl -q is-enabled "$1" >/dev/null 2>&1 || verdict=gone
      [ "$verdict" = gone ] || others=$(other_containers)
      [ "$verdict" = gone ] || [ -z "$others" ] || verdict="in use" why=$others ;;
    *) verdict=gone ;;  # of a damaged record
  esac
}
other_containers() {
  # print the containers that do not go
  has_docker || return 0
  { quick ps --all --format '{{.Names}}' || echo '(docker does not say)'; } | while read -r name; do
    is_made container "$name" && goes container "$name" || echo "container $name"
  done | head -n 5 | paste -sd , -
}
engine_stays() {
  # succeed, and set the verdict, if docker is used by others
  case " $allowed " in *" engine "*) ;; *) return 1 ;; esac
  [ -n "${engine_users+set}" ] || engine_users=$(
    if ! command -v dockerd >/dev/null 2>&1; then
      # somebody has removed docker, but not what it had
      made_names data | while IFS= read -r path; do
        find "$path/containers" "$path/volumes" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | head -n 1
      done | paste -sd , -
      exit
    fi
    has_docker || { echo "$verdict"; exit; }
    if ! { quick ps --all >/dev/null && images=$(quick image ls --all --quiet --no-trunc) &&
      volumes=$(quick volume ls --quiet); }; then echo "docker does not answer"; exit 0; fi
    others=$(other_containers)
    for image in $(printf '%s\n' "$images" | sort -u); do
      for mine in $(made_names image); do [ "$(known "$mine")" != "$image" ] || ! goes image "$mine" || continue 2; done
      others="$others${others:+,}image $(quick image inspect --format '{{range .RepoTags}}{{.}} {{end}}' "$image")"
      break
    done
    for volume in $(printf '%s\n' "$volumes" | head -n 3); do others="$others${others:+,}volume $volume"; done
    [ "$(quick info --format '{{.Swarm.LocalNodeState}}')" != active ] || others="$others${others:+,}a swarm"
    echo "$others"
  )
  [ -n "$engine_users" ] || return 1
  verdict="in use" why=$engine_users
}
version_of() {
  # NAME: print the versions of a package that are installed
  if deb; then
    # shellcheck disable=SC2016  # fields of dpkg-query
    dpkg-query -W -f '${Status}|${Version}\n' "$1" 2>/dev/null | sed -n 's/^[a-z]* [a-z]* \(installed\|half-[a-z]*\|unpacked\|triggers-[a-z]*\)|//p'
  else rpm -q --qf '%{VERSION}-%{RELEASE}\n' "$1" 2>/dev/null | grep -v ' '
  fi
}
judge_package() {
  # NAME: ours if this tool has installed it, in this version, and nothing else needs it
  is=$(version_of "$1")
  group=$(details package "$1" | tail -n 1 | cut -d' ' -f1)
  [ -n "$is" ] || { verdict=gone; return; }
  # an update of somebody's is theirs to keep, and so is what was there before
  before=$(details package "$1" | head -n 1 | cut -d' ' -f3)
  [ "$before" = - ] || { verdict="there before" why="as version $before, which is not kept here"; return; }
  for version in $is; do
    details package "$1" | cut -d' ' -f2 | grep -qxF "$version" || { verdict=changed why="it is version $version now"; return; }
  done
  [ "$group" != engine ] || ! engine_stays || return 0
  needed=$(printf '%s\n' "${blocked:-}" | sed -n "s/^$1$T//p" | head -n 1)
  [ -z "$needed" ] || verdict="in use" why=$needed
}
find_blocked() {
  # set `blocked` to package and user, a line each, of those that something else needs
  blocked=
  for each in driver engine; do
    case " $allowed " in *" $each "*) ;; *) continue ;; esac
    set --
    for package in $(made_names package); do
      judge package "$package"
      [ "$verdict" != ours ] || [ "$group" != $each ] || set -- "$@" "$package"
    done
    [ $# -gt 0 ] || continue
    if deb; then blocked_debs "$@"; else blocked_rpms "$@"; fi
  done
}
with_removal() { apt-get --simulate purge "$@" 2>/dev/null | awk '/^(Purg|Remv|Inst) / { print $2 }'; }
blocked_debs() {
  # NAME…: what the removal of one would bring with it; names may have an architecture
  ours=$(printf '%s\n' "$@" | sed 's/:.*//')
  with_removal "$@" | sed 's/:.*//' | grep -qvxF "$ours" || return 0
  for package; do
    user=$(with_removal "$package" | sed 's/:.*//' | grep -vxF "$ours" | head -n 1)
    [ -z "$user" ] || blocked="$blocked$package${T}package $user$N"
  done
}
blocked_rpms() {
  # NAME…: what packages need that stay
  while [ $# -gt 0 ]; do
    user=$(rpm --erase --test "$@" 2>&1 | sed -n 's/.* is needed by (installed) //p' | head -n 1)
    [ -n "$user" ] || return 0
    needs=$(rpm -q --requires "$user" | cut -d' ' -f1 | sort -u | while read -r need; do
      rpm -q --whatprovides --qf '%{NAME}.%{ARCH}\n' "$need" 2>/dev/null
    done)
    dropped=
    for package; do
      shift
      if printf '%s\n' "$needs" | grep -qxF "$package"; then
        blocked="$blocked$package${T}package $user$N" dropped=yes
      else set -- "$@" "$package"
      fi
    done
    [ -n "$dropped" ] || { for package; do blocked="$blocked$package${T}package $user$N"; done; return; }
  done
}
judge_module() {
  # the driver's module, which has to be unloaded with its package. Without a package it may be somebody
  # else's build, unless a removal of this tool's was cut off
  loaded=
  [ ! -d /sys/module/cambricon_drv ] || loaded=yes
  [ -n "$loaded" ] || [ -n "$(find /lib/modules/ -name 'cambricon*.ko*' 2>/dev/null | head -n 1)" ] ||
    { verdict=gone; return; }
  owner=
  [ ! -e "$state/removing-driver" ] || owner=us
  for package in $(made_names package); do
    case $package in *cambricon*) ;; *) continue ;; esac
    judge package "$package"
    case $verdict in
      ours) owner=us ;;
      gone) ;;
      *) owner=''; break ;;
    esac
  done
  verdict=ours why='' group=driver
  [ -n "$owner" ] || verdict=gone
}
judge_kept() {
  # PATH: what was moved away from there: the first of several gets its name back
  first=$(kept_names "$1" | while IFS= read -r name; do
    if [ -e "$name" ] || [ -L "$name" ]; then printf %s "$name"; break; fi
  done)
  case $1 in /etc/modprobe.d/* | /var/lib/shim-signed/*) group=driver ;; esac
  if [ -z "$first" ]; then verdict=gone
  elif cmp -s "$1" "$first" && [ "$group" = driver ]; then verdict=gone
  elif [ -e "$1" ] || [ -L "$1" ]; then
    belongs=$group
    for package in $(made_names package); do  # the options file is the package's, and goes with it
      case $belongs:$package in driver:*cambricon*) ;; *) continue ;; esac
      judge package "$package"
      [ "$verdict" != ours ] || { why='' group=driver; return; }
    done
    verdict=ours why='' group=$belongs
    for kind in folder file checkout tree config; do  # an empty folder gives way to what is moved there
      if is_made $kind "$1" && goes $kind "$1"; then return 0; fi
    done
    verdict="its name is taken" why="it is $first" group=''
  fi
}
judge_adopted() {
  # WHAT:NAME: how it was before this tool took it over
  how=$(details adopted "$1" | tail -n 1)
  case $1 in
    container:*)
      has_docker || return 0
      read -r first _ policy ran <<DETAIL
$how
DETAIL
      now=$(quick inspect --type container --format '{{.Name}} {{or .HostConfig.RestartPolicy.Name "no"}} {{.State.Running}}' \
        "${1#container:}") || { verdict=gone; return; }
      case $now in
        "/$first ${policy%:*} true" | "/$first ${policy%:*} ${ran:-false}") verdict=gone ;;
        "/$first "*) ;;
        *)
          quick inspect --type container "$first" >/dev/null || return 0
          { is_made container "$first" && goes container "$first"; } ||
            { verdict="its name is taken"; why=$first; } ;;
      esac ;;
    image:*)
      has_docker || return 0
      quick image inspect "${how%% *}" >/dev/null || { verdict=gone; return; }
      now=$(quick image inspect --format '{{.Id}}' "${1#image:}") || return 0
      for mine in $(made_names image); do [ "$(known "$mine")" != "$now" ] || ! goes image "$mine" || return 0; done
      verdict="its name is taken" why="it is ${how%% *}" ;;
    # how it was is noted in the repository itself
    checkout:*) [ -d "${1#checkout:}/.git/mlufleet-adopted" ] || verdict=gone ;;
    link:*) { [ -L "${1#link:}" ] && [ "$(readlink "${1#link:}")" = "$how" ]; } || verdict=gone ;;
    *) verdict=gone ;;
  esac
}

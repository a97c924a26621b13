# Run git (1.8 or newer) independently of the host's configuration: hooks, line endings, filters and
# URL rewrites must not affect checkouts of releases.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_COMMON_DIR GIT_NAMESPACE GIT_OBJECT_DIRECTORY \
  GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_CONFIG GIT_CONFIG_GLOBAL GIT_CONFIG_COUNT \
  GIT_CONFIG_PARAMETERS GIT_TEMPLATE_DIR GIT_ALLOW_PROTOCOL GIT_PROTOCOL_FROM_USER GIT_ATTR_SOURCE \
  GIT_LITERAL_PATHSPECS GIT_CEILING_DIRECTORIES GIT_DISCOVERY_ACROSS_FILESYSTEM GIT_SHALLOW_FILE \
  GIT_GRAFT_FILE GIT_DEFAULT_HASH GIT_TRACE GIT_TRACE2 GIT_TRACE_SETUP GIT_TRACE_PERFORMANCE
# refs/replace must not substitute one commit for another
export GIT_NO_REPLACE_OBJECTS=1
limit='' locks='' git_version=''
plain_git() {
  find_filters || { echo "git: .git/config names a filter that cannot be left out" >&2; return 128; }
  # what a repository configures is no command of ours to run: it may be a user's, and this is root
  [ -z "$filters" ] || while IFS= read -r filter_name; do
    set -- -c "$filter_name.clean=" -c "$filter_name.smudge=" -c "$filter_name.process=" -c "$filter_name.required=false" "$@"
  done <<FILTERS
$filters
FILTERS
  set -- -c protocol.ext.allow=never "$@"
  isolated_git "$@"
}
find_filters() {
  # set `filters` to those that the repository in this directory configures; fail if one has a name that
  # no option can have. The files are read here, as another process for each call of git takes time
  filters='' has_filters=''
  for config_file in .git/config .git/config.worktree; do
    [ ! -f "$config_file" ] || while IFS= read -r config_line || [ -n "$config_line" ]; do
      case $config_line in *[Ff][Ii][Ll][Tt][Ee][Rr]* | *[Ii][Nn][Cc][Ll][Uu][Dd][Ee]*) has_filters=yes ;; esac
    done < "$config_file"
  done
  [ -n "$has_filters" ] || return 0
  filters=$(isolated_git config --null --get-regexp '^filter\.' 2>/dev/null </dev/null | tr '\n\000' '\t\n' |
    cut -f1 | sed -n 's/^\(filter\..*\)\.[^.]*$/\1/p' | sort -u)
  case $filters in *=*) return 1 ;; esac
}
isolated_git() {
  # before 2.38, git reads safe.directory from a file only: the one of own_git
  # shellcheck disable=SC2086  # words
  GIT_CONFIG_NOSYSTEM=1 GIT_ATTR_NOSYSTEM=1 GIT_OPTIONAL_LOCKS=${locks:-0} HOME="$state/git" \
    XDG_CONFIG_HOME="$state/git" LC_ALL=C ${limit:-command} git -c safe.directory='*' \
    -c core.hooksPath=/dev/null -c core.fsmonitor= -c core.autocrlf=false -c core.eol=lf \
    -c core.attributesFile=/dev/null -c core.excludesFile=/dev/null -c core.quotePath=false \
    -c core.sparseCheckout=false -c submodule.recurse=false -c gc.auto=0 -c advice.detachedHead=false \
    -c http.lowSpeedLimit=1000 -c http.lowSpeedTime=120 "$@" 9>&-
}
in_progress() {
  # print the operation that somebody has begun in this checkout and not finished
  for sign in MERGE_HEAD:merge rebase-merge:rebase rebase-apply:rebase CHERRY_PICK_HEAD:cherry-pick \
    REVERT_HEAD:revert; do
    [ ! -e ".git/${sign%:*}" ] || { echo "${sign#*:}"; return 0; }
  done
}
git() {
  if [ -z "${read_only:-}" ] || ! lend_index; then plain_git "$@"; return; fi
  (export GIT_INDEX_FILE="$lent"; plain_git "$@")
  set -- $?
  rm -f "$lent" "$lent.lock"
  return "$1"
}
lend_index() {
  # before 2.15, git writes the index that `git status` has refreshed: let it refresh a copy in memory
  case ${git_version:=$(command git --version)} in *" 1."* | *" 2."[0-9].* | *" 2.1"[0-4].*) ;; *) return 1 ;; esac
  index=$(plain_git rev-parse --git-dir 2>/dev/null)/index
  # with its times, by which git knows what may have changed since
  [ -f "$index" ] && lent=$(mktemp /dev/shm/mlufleet-index.XXXXXX 2>/dev/null) && cp -p "$index" "$lent"
}
patched() {
  # CHANGES: of the output of `git status --porcelain` in this directory, print the lines of files that are
  # as a patch of ours left them, by its stamp
  printf '%s\n' "$1" | while IFS= read -r change; do
    case $change in ' M '*) ;; *) continue ;; esac
    sum=$(sha256sum "${change#???}" 2>/dev/null | cut -d' ' -f1)
    [ -n "$sum" ] && cat "$state"/stamps/patch-* "$state"/stamps/*/patch-* 2>/dev/null |
      grep -q "^$sum" && printf '%s\n' "$change"
  done
}
own_git() {
  # network settings of the host stay in force: proxies, certificates, credentials, ssh
  rm -rf "$state/git"
  mkdir -p "$state/git"
  printf '[safe]\n\tdirectory = *\n' > "$state/git/.gitconfig"
  command git config --get-regexp '^(https?|credential|core\.(sshcommand|gitproxy)|ssh)\.?' \
    2>/dev/null </dev/null | while IFS= read -r line; do
    name=${line%% *} value=${line#* }
    [ "$name" != "$line" ] || value=true
    case $value in [~]/*) value=$HOME/${value#??} ;; esac
    command git config --file "$state/git/.gitconfig" --add "$name" "$value"
  done
  for file in .netrc .git-credentials; do
    [ ! -e "${HOME:-/root}/$file" ] || ln -s "${HOME:-/root}/$file" "$state/git/$file"
  done
}

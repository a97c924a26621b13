# Query the system's package tool without using the network.
offered() {
  # KERNEL: report missing headers that the package tool could install; slow
  [ -e "/lib/modules/$1/build/." ] && return
  for module in /var/lib/dkms/cambricon*/"$DRIVER/$1"; do [ -d "$module" ] && return; done
  for name in $HEADERS; do
    name=$(printf %s "$name" | sed "s/{kernel}/$1/")
    if deb; then quiet 10 apt-cache show "$name"
    else quiet 30 "$(command -v yum || command -v dnf)" -C -q list available "$name"
    fi | grep -q . && say offered "$1" && return
  done
}
offers() {
  # NAME…: report the versions that would be installed
  if deb; then
    quiet 10 apt-cache policy "$@" |
      awk '/^[^ ]/ { name = $1; sub(/:$/, "", name) }
        /Candidate:/ && $2 != "(none)" { print "offers\t" name "\t" $2 }'
  else
    # yum wraps long lines
    quiet 30 "$(command -v yum || command -v dnf)" -C -q list available "$@" |
      tr -s ' ' '\n' | awk '/\.(x86_64|aarch64|noarch)$/ { name = $0; sub(/\.[^.]*$/, "", name); next }
        name { print "offers\t" name "\t" $0; name = "" }'
  fi
}
older() {
  # VERSION MINIMUM: succeed if it is older, by the first two numbers
  minor=${1#*.} least=${2#*.}
  minor=${minor%%[!0-9]*} least=${least%%[!0-9]*}
  [ "${1%%[!0-9]*}" -lt "${2%%[!0-9]*}" ] 2>/dev/null || {
    [ "${1%%[!0-9]*}" -eq "${2%%[!0-9]*}" ] && [ "${minor:-0}" -lt "${least:-0}" ]
  } 2>/dev/null
}
holds() {
  # report packages that yum or dnf must not change, and the file that says so; dpkg reports its own
  set -f
  # shellcheck disable=SC2094  # only read
  for list in /etc/yum/pluginconf.d/versionlock.list /etc/dnf/plugins/versionlock.list \
    /etc/dnf/versionlock.toml /etc/yum.conf /etc/dnf/dnf.conf; do
    [ -s "$list" ] || continue
    # a disabled plugin locks nothing
    ! grep -qsiE '^[[:space:]]*enabled[[:space:]]*=[[:space:]]*(0|no|false)' "${list%.list}.conf" || continue
    key=
    while IFS= read -r whole || [ -n "$whole" ]; do
      line=${whole#"${whole%%[![:space:]]*}"}
      case $list:$whole in
        *:'#'*) continue ;;
        *.conf:[[:space:]]*) ;;  # continues the line before it
        *.conf:*)
          key=${line%%=*} line=${line#*=}
          key=${key%%[[:space:]]*} ;;
        *)
          line=${line#[0-9]*:}
          line=${line#name = } line=${line#\"}
          line=${line%\"} ;;
      esac
      case $list:$key in *.conf:exclude | *.conf:excludepkgs) ;; *.conf:*) continue ;; esac
      patterns=$(printf '%s' "$line" | tr , ' ')
      for name in $PACKAGES $SOFTWARE; do
        for pattern in $patterns; do
          # shellcheck disable=SC2254  # a pattern
          case $name in $pattern) say held "$name" "$list"; continue 2 ;; esac
          case $pattern in "$name"-[0-9*]*) say held "$name" "$list"; continue 2 ;; esac
        done
      done
    done < "$list"
  done
  set +f
}

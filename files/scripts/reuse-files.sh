# reuse-files.sh look|use WALK_S READ_S FOLDER…: find files that lie on this host already; lines
# "SHA256 PART BYTES PATH" on stdin say what is needed at which path. WALK_S and READ_S limit the seconds
# that searching and reading take. A folder on a network file system is searched only if a "+" stands
# before its name.
# Prints records "file PART HOW OWNER FILE" for files that were found, and "unsearched REASON".
# look: HOW is "place" if the file is at PATH, "link" if a link there can be it, else "copy". Changes nothing.
# use: put the file at PATH as a reflink, a hard link or a copy, and verify its sha256 there; HOW is which.
# needs: filesystems checksums placing
phase=$1 walk_s=$2 read_s=$3; shift 3
[ "$phase" = use ] || read_only=yes
small=1048576  # a smaller file is found by its name as well, as many have its size
candidates=8   # files of the right size that are read for one that is needed
node=$(uname -n)
exec 3>&1
tell() { printf '@@fact'; for field; do printf '\t%s' "$field"; done; echo; } >&3
quiet() { timeout -k 2 "$@" 2>/dev/null </dev/null; }
place_of() { case $1 in *\\*) printf %b "$1" ;; *) printf %s "$1" ;; esac; }
mounted() {
  # print the folders of this host that containers see: they show where somebody works
  ids=$(quiet 20 docker ps -aq --no-trunc | head -n 100)
  # shellcheck disable=SC2086  # words
  [ -z "$ids" ] || quiet 20 docker inspect --type container --format \
    '{{range .Mounts}}{{if eq .Type "bind"}}{{println .Source}}{{end}}{{end}}' $ids | sort -u
}
walkable() {
  # PATH: succeed if it is a folder that can hold somebody's downloads
  [ -d "$1" ] || return 1
  case $1/ in
    /proc/* | /sys/* | /dev/* | /run/* | /var/run/* | "$state"/incoming/* | *"$N"* | *"$T"*) return 1 ;;
  esac
}
worked_in() { case $1/ in / | /bin/* | /boot/* | /etc/* | /lib*/* | /sbin/* | /tmp/* | /usr/* | /var/*) return 1 ;; esac; }
local_mounts() {
  # FOLDER: print the local file systems that are mounted below it
  while read -r _ place type _; do
    case $type in ext[234] | xfs | btrfs | zfs | f2fs | jfs | reiserfs | vfat | exfat | fuseblk) ;; *) continue ;; esac
    place=$(place_of "$place")
    case $place in "${1%/}"/*) printf '%s\n' "$place" ;; esac
  done < "${mounts:-/proc/self/mounts}"
}
list_folders() {
  # FOLDER…: print where to look, each once, and on stderr what is left out
  for asked; do
    folder=$(cd -P "${asked#+}" 2>/dev/null && pwd -P)
    walkable "$folder" || continue
    where=$(network "$folder")
    if [ -n "$where" ] && [ "$asked" = "${asked#+}" ]; then
      tell unsearched "$folder: $where is a network file system; \`look_in\` does not name it"
      continue
    fi
    printf '%s\n' "$folder"
    local_mounts "$folder" | while IFS= read -r folder; do walkable "$folder" && printf '%s\n' "$folder"; done
  done | awk '!seen[$0]++'
}
walk() {
  # FOLDER…: print size, device and inode, owner and mode, and path of each file
  # shellcheck disable=SC2086  # words
  timeout -k 5 "$walk_s" $idle find "$@" ${depth:-} -xdev \
    \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path "$state/incoming" -o -path "$state/kept" \
    -o -path /var/lib/docker -o -path /var/lib/containerd -o -path "$root" -o -name '*.mlufleet-part' \
    -o -path "*$N*" -o -path "*$T*" \) -prune -o -type f -size +0 -printf '%s\t%D:%i\t%p\n' 2>/dev/null </dev/null
  case $? in 124 | 137) tell unsearched "$*: not all was searched within $walk_s s" ;; esac
}
join() {
  # stdin: what is needed, an empty line, what the walk found. Print each needed file, "W SHA256 PART
  # BYTES PATH", and below it those that may be it, "C PATH"
  awk -F "$T" -v small=$small -v most=$candidates '
    function name(path) { sub(/.*\//, "", path); return path }
    !walked && $0 == "" { walked = 1; next }
    !walked {
      need[++count] = $0
      split($0, words, " ")
      path = $0
      sub(/^[^ ]* [^ ]* [^ ]* /, "", path)
      size[count] = words[3]; dest[count] = path; at[path] = 1; asked[words[3]] = 1
      named[words[3], name(path)] = 1
      next
    }
    !($1 in asked) || ($3 in at) || seen[$2] { next }
    $1 >= small || ($1, name($3)) in named {
      seen[$2] = 1
      found[$1, ++number[$1]] = $3
    }
    END {
      for (i = 1; i <= count; i++) {
        print "W " need[i]
        shown = 0
        # those of the same name first
        for (same = 1; same >= 0; same--)
          for (j = 1; j <= number[size[i]] && shown < most; j++) {
            path = found[size[i], j]
            if ((name(path) == name(dest[i])) != same || (!same && size[i] < small)) continue
            print "C " path
            shown++
          }
      }
    }'
}
device_of() {
  # PATH: print the device of the folder that it is, or will be, in
  folder=${1%/*}
  while [ ! -d "$folder/" ]; do folder=${folder%/*}; done
  stat -c %d "$folder/"
}
is_roots() {
  # FILE: succeed if nobody but root can change it, and everybody can read it. Other names of one
  # inode share its owner and mode, which are not this tool's to change
  [ -n "$(find "$1" -prune -type f -uid 0 ! -perm /022 -perm -444 2>/dev/null)" ]
}
left() { echo $((begun + read_s - $(uptime))); }
matches() {
  # FILE SHA256: succeed if the file is that one, as it was read now or as it is remembered
  sum=$(known_sum "$(key_of "$1")")
  [ -n "$sum" ] || sum_of "$1" "$(left)"
  [ "$sum" = "$2" ]
}
enter_own() {
  # make a folder beside the place, and enter it: nobody but root reaches what is in it. Where others can write,
  # they could put a link to any file in place of one that root makes there, and have it written or opened
  own_folder="$dest.$node.mlufleet-part"
  rm -rf "$own_folder"
  mkdir -m 700 "$own_folder" && cd "$own_folder" && [ -z "$(ls -A)" ] || return 1
  case $(stat -c %u:%a .) in 0:700 | 0:2700) ;; *) return 1 ;; esac
}
leave_own() { cd / && rm -rf "$own_folder"; }
put() {
  # FILE: make it, or a copy of it, `own`, a name in the folder that enter_own has made; set `how`
  if cp --reflink=always "$1" "$own" 2>/dev/null; then how=reflink
  elif rm -f "$own"
    [ "$bytes" -ge $small ] && is_roots "$1" && ln -T "$1" "$own" 2>/dev/null && is_roots "$own"; then
    how='hard link'
    return 0
  else
    rm -f "$own"
    matches "$1" "$want" && cp "$1" "$own" 2>/dev/null || return 1
    how=copy
  fi
  # a new inode, of no other name
  chown 0:0 "$own" && chmod 644 "$own"
}
use() {
  # FILE: put it at the path where it is needed, and verify it there
  before=$(key_of "$1") owner=$(stat -c %U "$1" 2>/dev/null)
  sum=$(known_sum "$before")
  [ -z "$sum" ] || [ "$sum" = "$want" ] || return 1
  folders "${dest%/*}" && own=./file || return 1
  enter_own || { leave_own; return 1; }
  if ! put "$1" || ! sum_of "$own" "$(left)" || [ "$sum" != "$want" ]; then
    leave_own
    # a link has changed the time of the last change
    now=$(key_of "$1")
    [ ${#sum} -ne 64 ] || [ "${before%:*}" != "${now%:*}" ] || remember "$now" "$sum"
    return 1
  fi
  place "$own" "$dest" "$want" "${part%%.*}" ", a $how of $1" || { leave_own; return 1; }
  leave_own
  rm -f "$state/incoming/$part"  # of a transfer that was interrupted
  remember "$(key_of "$dest")" "$want"
  tell file "$part" "$how" "$owner" "$1"
}
look() {
  # FILE: say whether it is what is needed
  matches "$1" "$want" || return 1
  how='copy' owner=$(stat -c %U "$1" 2>/dev/null)
  if [ "$1" = "$dest" ]; then how='place'
  elif [ "$bytes" -ge $small ] && [ "$(stat -c %d "$1" 2>/dev/null)" = "$(device_of "$dest")" ]; then
    if [ "$(stat -f -c %T "$1" 2>/dev/null)" = btrfs ] || is_roots "$1"; then how='link'; fi
  fi
  tell file "$part" "$how" "$owner" "$1"
}
needed=$(cat)
begun=$(uptime)
root=$(quiet 20 docker info --format '{{.DockerRootDir}}')
root=${root:-/var/lib/docker}
[ "$phase" = look ] || mkdir -p "$state" || exit 1
asked=$(
  for folder; do printf '%s\n' "$folder"; done
  mounted | while IFS= read -r folder; do worked_in "$folder" && printf '%s\n' "$folder"; done
  printf '%s\n' "$state/artifacts" "$state/shared"
)
set -f
IFS=$N
# shellcheck disable=SC2086  # lines
set -- $asked
unset IFS
asked=$(list_folders "$@")
IFS=$N
# shellcheck disable=SC2086  # lines
set -- $asked
unset IFS
# where the files are to be, others may have put them under other names
beside=$(printf '%s\n' "$needed" | cut -d' ' -f4- | sed 's|/[^/]*$||' | sort -u |
  while IFS= read -r folder; do [ ! -d "$folder/" ] || printf '%s/\n' "$folder"; done)
{
  printf '%s\n\n' "$needed"
  [ -z "$beside" ] || printf '%s\n' "$beside" | while IFS= read -r folder; do
    depth='-maxdepth 1' walk "$folder"
  done
  [ $# -eq 0 ] || walk "$@"
} | join | {
  while IFS= read -r line; do
    case $line in
      W*)
        line=${line#W } done=
        want=${line%% *} line=${line#* }
        part=${line%% *} line=${line#* }
        bytes=${line%% *} dest=${line#* }
        [ "$phase" = use ] || [ "$(stat -c %s "$dest" 2>/dev/null)" != "$bytes" ] || ! look "$dest" || done=yes ;;
      C*)
        [ -z "$done" ] || continue
        file=${line#C }
        [ "$(left)" -gt 0 ] || { tell unsearched "$file: no time was left to read it"; continue; }
        if [ "$phase" = use ]; then use "$file"; else look "$file"; fi && done=yes ;;
    esac
  done
}
echo @@end

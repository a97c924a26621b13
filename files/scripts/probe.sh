# probe.sh: report everything that the stages need to know about a host: one line per fact, fields
# separated by tabs, framed by markers as a login shell may print a banner. Needs a POSIX shell and GNU
# findutils, no Python. A host in the desired state costs a run exactly this script, so the shell reads
# files itself where it can: each process costs a millisecond, each docker client thirty.
# Variables set before this text: PACKAGES SOFTWARE DOCKERS MINIMUM DRIVER HEADERS KEY ISSUED ROOTS SLOW
# CONTAINERS SERVING CONTAINER_FACTS RELEASES read_only, and for each number in RELEASES a function release_N
# that sets SLOT IMAGE IMAGE_ID CONTAINER MOUNTS TREES WEIGHTS SOURCES OURS KNOWN FILES INSIDE, and SERVED
# SERVERS PORTS of one that is served. The facts of a release follow a line "release SLOT"; the line "host"
# ends them.
# needs: git checkout-facts filesystems kernels card-users package-tool daemon
# of the Go runtime: they take a quarter off what a docker client costs that asks one question
export GOMAXPROCS=1 GOGC=off
T=$(printf '\t')
N='
'
first() { line=; IFS= read -r line 2>/dev/null < "$1"; printf '%s' "${line:-}"; }  # FILE: its first line
read_line() { line=; IFS= read -r line 2>/dev/null < "$1"; }  # FILE: set `line` to that, without a process
say() { first=$1; shift; printf '%s' "$first"; for field; do printf '\t%s' "$field"; done; echo; }
ask() {
  # WHAT COMMAND…: query docker; a timeout is reported as `silent`, which differs from "absent"
  what=$1; shift
  answer=$(quiet 20 "$@")
  status=$?
  case $status in 124 | 137) say silent "$what" ;; esac
  return $status
}
quiet() { timeout -k 2 "$@" 2>/dev/null </dev/null; }
printf '\n@@mlufleet-begin\n'  # the last line of a banner may not be terminated
# in a subshell, which a malformed file would end, and which keeps its variables to itself
os=$(
  ID='' VERSION_ID='' PRETTY_NAME=''
  # shellcheck source=/dev/null
  . /etc/os-release >/dev/null 2>&1
  printf '%s\t%s\t%s' "${ID:-unknown}" "$VERSION_ID" "$PRETTY_NAME"
)
ID=${os%%"$T"*}
say os "${os:-unknown$T$T}"
# shellcheck disable=SC2046  # three words: node, release, machine
set -- $(uname -nrm)
node=$1 kernel=$2
say kernel "$kernel" "$3"
boot=$(booted)
say boot "$boot"
# identifies the machine behind a name; copies of one disk image share their machine-id
say machine "$(first /etc/machine-id) $node $boot"
say clock "$(date +%s)"
say uid "$(id -u)"
# the default differs between versions of sshd; asking takes a while
[ -n "$SLOW" ] && quiet 5 sshd -T | grep -qx 'usedns yes' && say usedns yes
[ -e "/lib/modules/$kernel/build/." ] && say headers "/lib/modules/$kernel/build"
# what makes the kernel refuse unsigned modules
enforced=
for variable in /sys/firmware/efi/efivars/SecureBoot-*; do
  [ -r "$variable" ] && [ "$(od -An -tu1 -j4 -N1 "$variable" | tr -d ' ')" = 1 ] && enforced='Secure Boot'
done
case $(first /sys/kernel/security/lockdown) in
  *"[integrity]"* | *"[confidentiality]"*) enforced="${enforced:+$enforced, }lockdown" ;;
esac
[ "$(first /sys/module/module/parameters/sig_enforce)" = Y ] &&
  enforced="${enforced:+$enforced, }module.sig_enforce"
if [ -n "$enforced" ]; then
  say secureboot "$enforced"
  # the keys that DKMS signs with: its own, and Ubuntu's
  for key in /var/lib/dkms/mok.pub /var/lib/shim-signed/mok/MOK.der; do
    [ -s "$key" ] && quiet 5 mokutil --test-key "$key" | grep -q 'already enrolled' && say signer "$key"
  done
  # the kernel's own list, which includes built-in keys and needs no firmware
  [ -n "$KEY" ] && grep -qs "^[^:]* asymmetri.*: $KEY: " /proc/keys && say trusted
fi
next_kernel
[ -n "$next" ] && say next "$next" "$guessed"
offered "$kernel"
[ "$next" = "$kernel" ] || [ -z "$next" ] || offered "$next"
for tool in git docker dockerd timeout sha256sum flock base64 cnvs; do
  command -v "$tool" >/dev/null 2>&1 && say tool "$tool"
done
deb && say tool apt-get
for tool in dkms gcc make; do
  command -v "$tool" >/dev/null 2>&1 || say lacks "$tool"
done
for card in /sys/bus/pci/devices/*; do
  read_line "$card/vendor"
  [ "$line" = 0xcabc ] || continue
  read_line "$card/device"
  device=$line
  # shellcheck disable=SC2046  # words: bytes 8 to 47; the revision is the first, the subsystem the last
  set -- $(od -An -v -tx1 -j8 -N40 "$card/config" 2>/dev/null)
  say card "${card##*/}" "$device" "${1:-}" "${40:-}${39:-}"
done
for node in /dev/cambricon_*; do
  [ -c "$node" ] && say node "$node"
done
for information in /proc/driver/cambricon/mlus/*/information; do
  [ -r "$information" ] || continue
  card=${information%/information}
  version='' serial='' name=''
  while IFS=: read -r key value; do
    value=${value#"${value%%[! ]*}"}
    case $key in
      'Driver Version'*) : "${version:=${value#v}}" ;;
      'Board Serial Number'*) : "${serial:=$value}" ;;
      'Device name'*) : "${name:=$value}" ;;
    esac
  done < "$information"
  say running "${card##*/}" "$version" "$(first "$card/core_state")" "$serial" "$name"
done
# shellcheck disable=SC2086  # names of packages; missing ones are not printed
if deb; then
  dpkg-query -W -f 'package\t${Package}\t${Version}\t${Status}\n' $PACKAGES $SOFTWARE 2>/dev/null
elif command -v rpm >/dev/null 2>&1; then
  rpm -q --qf 'package\t%{NAME}\t%{VERSION}\tinstalled\n' $PACKAGES $SOFTWARE 2>/dev/null |
    grep "^package$T"
  holds
fi
modules
opened=$(find /proc/[0-9]*/fd -lname '/dev/cambricon*' -printf '%h %l\n' 2>/dev/null)
[ -z "$opened" ] || { printf '%s\n' "$opened" | sort -u; echo; } | {
  user='' held=''
  while read -r folder node; do
    pid=${folder#/proc/} number=${node#/dev/cambricon_dev}
    pid=${pid%/fd} number=${number%% *}
    [ "$pid" = "$user" ] || { [ -z "$user" ] || holder "$user" "$held"; user=$pid held=; }
    case $number in '' | *[!0-9]*) ;; *) held="$held${held:+ }$number" ;; esac
  done
}
name_image() {
  # the id that docker reported at the load: containerd's store uses another one
  named=$(first "$state/images/${IMAGE_ID#sha256:}")
  named=${named:-$IMAGE_ID}
}
ask_images() {
  # query docker for the image by its name and by its id: one call, whose errors say what docker lacks
  answer=$(timeout -k 2 "$1" docker image inspect --format '{{.Id}}' "$IMAGE" "$named" 2>&1 </dev/null)
}
read_images() {
  # of that answer, set `found` to the ids and `lacking` to the number of images that docker lacks
  found='' lacking=0
  while IFS= read -r line; do
    case $line in
      sha256:*) found="$found${found:+$N}$line" ;;
      *'o such '*) lacking=$((lacking + 1)) ;;
    esac
  done <<END
$answer
END
}
server='' images=''
if command -v docker >/dev/null 2>&1 && ! command -v dockerd >/dev/null 2>&1 &&
  quiet 10 docker --version | grep -qi podman; then
  say podman
elif command -v docker >/dev/null 2>&1; then
  # a daemon whose version is known is asked for the images of the first release, which are needed anyway
  status=1
  if server=$(recall_daemon); then
    images=$(release_0; name_image; ask_images 10; status=$?; printf '%s' "$answer"; exit $status); status=$?
    answer=$images
    read_images
    [ "$lacking" = 0 ] || status=0  # it answers
  fi
  case $status in
  0 | 124 | 137) ;;
  *) images='' server=$(quiet 10 docker version --format '{{.Server.Version}}'); status=$? ;;
  esac
  case $status in
  0) say engine "$server" "$(
    enabled=/etc/systemd/system/multi-user.target.wants/docker.service
    mask=/etc/systemd/system/docker.service
    if [ -e "$enabled" ] && [ ! -L "$mask" ]; then echo enabled; else systemctl is-enabled docker 2>/dev/null; fi)" ;;
  124 | 137) images='' server=''; say engine-silent ;;  # it runs: one that is stopped refuses at once
  esac
fi
[ -d /snap/docker ] && ! command -v dockerd >/dev/null 2>&1 && say snap
asked=
command -v dkms >/dev/null 2>&1 || asked='dkms gcc make'
for least in $MINIMUM; do
  if command -v docker >/dev/null 2>&1 && [ -z "$server" ]; then :  # installed, only not running
  elif [ -z "$server" ] || older "$server" "$least"; then asked="$asked $DOCKERS"
  fi
done
# shellcheck disable=SC2086  # names of packages
[ -z "$asked" ] || offers $asked
# the ports of the host that a container publishes, each with its address; with the JSON name "HostIp",
# docker would take the fields of its JSON for all others, too, and print nothing
published='{{range .HostConfig.PortBindings}}{{range .}}{{.HostIP}}:{{.HostPort}} {{end}}{{end}}'
observe_servers() {
  # PID: the definition of a release's servers, and what the supervisor in its container says of them
  line=$(first "$SERVED/definition.json")
  case $line in '{"digest": "'*) line=${line#*: \"}; say definition "${line%%\"*}" ;; esac
  [ -n "$1" ] && [ "$1" != 0 ] && {
    folder=/proc/$1/root/run/mlufleet-serve
    inside=$(grep -hs ' 0A ' "/proc/$1/net/tcp" "/proc/$1/net/tcp6")
    for server in $SERVERS; do
      told=$folder/${server%%:*}
      # a link in the container would lead elsewhere on the host
      [ -f "$told" ] && [ ! -L "$told" ] && [ ! -L "$folder" ] || continue
      case $inside in *":${server#*:} "*) listens=yes ;; *) listens= ;; esac
      say endpoint "${server%%:*}" "$listens" "$(first "$told")"
    done
  }
  # the host's listeners are read once for all releases
  : "${listening=$(grep -hs ' 0A ' /proc/net/tcp /proc/net/tcp6)}"
  while read -r _ place _; do
    case " $PORTS " in *" ${place#*:} "*) say listens "${place%%:*}" "${place#*:}" ;; esac
  done <<END
$listening
END
}
list_layers() {
  # print the layers of each image, from the lowest
  listed_layers=yes
  ids=$(quiet 20 docker image ls --quiet --no-trunc | sort -u | head -n 200)
  # shellcheck disable=SC2086  # words
  [ -z "$ids" ] || quiet 20 docker image inspect --format "layers{{range .RootFS.Layers}}$T{{.}}{{end}}" $ids
}
observe() {
  pid=
  if [ -n "$server" ]; then
    name_image
    ours() { if [ "$1" = "$named" ]; then echo "$IMAGE_ID"; else echo "$1"; fi; }
    if [ -n "$images" ]; then answer=$images images=''; read_images; status=$lacking
    else ask_images 20; status=$?; read_images
    fi
    tagged='' there=''
    # shellcheck disable=SC2086  # ids
    set -- $found
    case $#/$lacking:$status in
      *:124 | *:137) say silent image ;;
      2/0:*) tagged=$1 there=$2 ;;
      0/2:*) ;;
      1/1:*) if [ "$1" = "$named" ]; then there=$1; else tagged=$1; fi ;;
      *)
        # a client from before 2017 stops at the first that is missing
        ask image docker image inspect --format '{{.Id}}' "$IMAGE" && tagged=$answer
        ask image docker image inspect --format '{{.Id}}' "$named" && there=$answer
        ;;
    esac
    case $status in
      0 | 124 | 137) ;;
      *)
        # the image store may have changed since the load
        [ -n "$there" ] || [ "$named" = "$IMAGE_ID" ] ||
          ! ask image docker image inspect --format '{{.Id}}' "$IMAGE_ID" || there=$answer
        # where docker would put an image
        root=$(quiet 20 docker info --format \
          "{{.DockerRootDir}}$T{{.Driver}}$T{{json .SecurityOptions}}$T{{json .DriverStatus}}") &&
          say root "$root" && ROOTS="$ROOTS ${root%%"$T"*}"
        # what a missing image may share with others; once for all releases
        [ -n "$there" ] || [ -n "${listed_layers-}" ] || list_layers
        ;;
    esac
    [ -z "$tagged" ] || say tagged "$(ours "$tagged")"
    [ -z "$there" ] || say image "$(ours "$there")"
    # depending on the code path, docker prints a missing label as "<no value>"; a paused container is
    # "running" to docker; ".Id" would make docker print everything in a different order
    line=
    ask container docker inspect --type container --format \
      "container$T{{.ID}}$T{{.Image}}$T{{and .State.Running (not .State.Paused)}}$T{{.State.Pid}}$T{{with index .Config.Labels \"mlufleet.spec\"}}{{.}}{{else}}-{{end}}$T{{json .State.Error}}$T{{with .Config.StopTimeout}}{{.}}{{end}}$T$published$N$CONTAINER_FACTS" \
      "$CONTAINER" && line=${answer%%"$N"*} && line=${line%%"$T$named$T"*}$(
        case $line in *"$T$named$T"*) printf '\t%s\t%s' "$IMAGE_ID" "${line#*"$T$named$T"}" ;; esac
      ) && facts=${answer#*"$N"} && echo "$line" &&
      facts=$(printf '%s\n' "$facts" | sha256sum) && say facts "$(printf %.16s "$facts")"
    pid=$line
    for _ in before it; do pid=${pid#*"$T"*"$T"}; done
    pid=${pid%%"$T"*}
    # detects changes by pip or others: the names of all packages and the times of their records
    # shellcheck disable=SC2013  # each word is a folder
    [ -n "$pid" ] && [ "$pid" != 0 ] &&
      site=$(set -- # a folder may be a link
        for folder in $(cat "$stamps/packages-folders" 2>/dev/null ||
          cat "$state/stamps/packages-folders" 2>/dev/null); do set -- "$@" "/proc/$pid/root$folder/."; done
        { [ $# -eq 0 ] || find "$@" -mindepth 1 -maxdepth 1 ! -name __pycache__ \( -name '*-info' \
          -printf '%f %T@\n' -o -printf '%f\n' \) 2>/dev/null; } | LC_ALL=C sort | sha256sum) &&
      say site "$(printf %.16s "$site")"
    # the vendor's validation suite; a link in the container may lead nowhere on the host
    for bin in /usr/local/neuware/bin /usr/local/bin /usr/bin; do
      [ -n "$pid" ] && [ "$pid" != 0 ] || break
      [ -x "/proc/$pid/root$bin/cnvs" ] || [ -L "/proc/$pid/root$bin/cnvs" ] || continue
      say suite && break
    done
    # shellcheck disable=SC2086  # each word is a file
    [ -n "$INSIDE" ] && [ -n "$pid" ] && [ "$pid" != 0 ] && {
      ask container docker exec "$CONTAINER" sha256sum $INSIDE
      printf '%s\n' "$answer" | while read -r sum path; do
        [ ${#sum} -eq 64 ] && say file "$CONTAINER:$path" "$sum"
      done
    }
    # a bind mount keeps showing what was there at its start, even if the host has replaced it
    for mount in $MOUNTS; do
      [ -n "$pid" ] && [ "$pid" != 0 ] || break
      inside=/proc/$pid/root${mount#*:}
      [ -e "${mount%%:*}" ] || [ -e "$inside" ] || continue
      # shellcheck disable=SC3013  # known to every sh, and to POSIX by now
      [ "${mount%%:*}" -ef "$inside" ] || say stale "${mount#*:}"
    done
  fi
  [ -z "${SERVED:-}" ] || observe_servers "$pid"
  observe_sources
  set -f # patterns must not expand
  # shellcheck disable=SC2153
  set --
  for source in $SOURCES; do set -- "$@" "${source%:*}/.git/info/exclude"; done
  list=
  [ $# -eq 0 ] || list=$N$(grep -sHa '' "$@")$N  # each line behind the name of its file
  # shellcheck disable=SC2153
  for ours in $OURS; do
    path=${ours%%:*}
    [ -d "$path/.git" ] || continue
    case $list in *"$N$path/.git/info/exclude:${ours#*:}$N"*) ;; *) say unlisted "$path" ;; esac
  done
  set +f
  for path in $TREES; do
    [ -d "$path" ] || continue
    sum=$(signature "$path")
    say tree "$path" "$sum"
    # shellcheck disable=SC2153
    for weights in $WEIGHTS; do
      name=${weights#*:}
      [ "${weights%%:*}" = "$path" ] || continue
      [ "$(first "$stamps/weights-${name%:*}")" = "${name#*:} $sum" ] ||
        find "$path" -type f ! -path "*$N*" ! -path "*$T*" -printf 'there\t%p\t%s\n'
    done
  done
  set --
  for path in $FILES; do [ ! -f "$path" ] || set -- "$@" "$path"; done
  [ $# -eq 0 ] || sha256sum "$@" | while read -r sum path; do say file "$path" "$sum"; done
  # stamps from when the host had a single release apply until this release has its own
  for stamp in "$state"/stamps/* ${SLOT:+"$stamps"/*}; do
    [ ! -f "$stamp" ] || { read_line "$stamp"; say stamp "${stamp##*/}" "$line"; }
  done
}
# shellcheck disable=SC2153
for number in $RELEASES; do
  release_"$number"
  stamps=$state/stamps${SLOT:+/$SLOT}
  say release "$SLOT"
  observe
done
say host
# containers of former releases, and what releases serve that are to be served no more
for known in "$state"/stamps/container-name "$state"/stamps/*/container-name; do
  [ -f "$known" ] || continue
  IFS= read -r name < "$known"
  slot=${known%container-name} slot=${slot#"$state/stamps/"}
  case " $SERVING " in *" $name "*) continue ;; esac
  case " $CONTAINERS " in *" $name "*) retired= ;; *) retired=yes ;; esac
  [ -n "$retired" ] || [ -f "$state/serve/${slot}definition.json" ] || continue
  found=$(quiet 20 docker inspect --type container --format \
    "{{.State.Pid}}$T{{if index .Config.Labels \"mlufleet.spec\"}}{{if .State.Running}}{{.ID}}{{end}}$T$published{{end}}" "$name")
  [ -z "$retired" ] || say retired "$name" "${found#*"$T"}"
  folder=/proc/${found%%"$T"*}/root/run/mlufleet-serve
  for told in "$folder"/[0-9] "$folder"/[0-9][0-9]; do
    [ -f "$told" ] && [ ! -L "$told" ] && [ ! -L "$folder" ] || continue
    say former "$name" "${told##*/}" "$(first "$told")"
  done
done
# a partial file of a swarm may have holes: count the blocks that are there
find "$state/incoming" "$state/artifacts" "$state/shared" -type f ! -path '*[!A-Za-z0-9._+~:@%/-]*' \
  -printf '%f %s %b %p\n' 2>/dev/null | while read -r name size blocks path; do
  case $path in
    "$state/incoming"/*.part)
      there=$((blocks * 512))
      [ $there -lt "$size" ] || there=$size
      say part "$name" "$there" ;;
    "$state/incoming"/*) ;;
    *) say there "$path" "$size" ;;
  esac
done
asked=$ROOTS networks=
set --
for path in $asked; do
  while [ ! -d "$path" ]; do path=${path%/*} path=${path:-/}; done
  case " $* " in *" $path "*) ;; *) set -- "$@" "$path" ;; esac
done
# free blocks for users, block size, free inodes, all inodes, file system id
disks=$(stat -f -c '%a|%S|%d|%c|%i|%b|%T|%n' "$@")
while IFS='|' read -r blocks size free inodes which all type path; do
  [ -n "$path" ] || continue
  [ "$inodes" != 0 ] || free=-
  # every btrfs subvolume reports an id of its own
  [ "$type" != btrfs ] || which="$all.$blocks"
  say disk "$path" "$((blocks * size))" "$free" "$type.$which"
  where=
  case $type in
    ext2/ext3 | xfs | btrfs | tmpfs | overlayfs | zfs | f2fs | jfs | reiserfs) ;;
    *) where=$(network "$path") networks="$networks$where" ;;
  esac
  # root cannot write only if the file system is read-only, or if a server squashes root
  [ -w "$path" ] || if [ -n "$where" ]; then say squashed "$path" "$where"; else say read-only "$path"; fi
done <<END
$disks
END
[ -z "$networks" ] || for path in $asked; do
  where=$(network "$path")
  [ -z "$where" ] || say share "$path" "$where" "$(owner=$(first "$path/.git/mlufleet-host"); echo "${owner%% *}")"
done
[ -f "$state/lock" ] && say lock "$(first "$state/lock")" "$(age "$state/lock")"
for job in "$state"/jobs/*; do
  [ -d "$job" ] || continue
  left=$(stuck "$job")
  [ -z "$left" ] || left=$(printf '%s\n' "$left" | tr '\n' ' ')
  alive "$job" || [ -n "$left" ] || continue
  say job "$(first "$job/who")" "$(($(uptime) - $(cat "$job/deadline")))" "$left"
done
echo '@@mlufleet-end'

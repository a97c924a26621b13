# Find out which file system a directory is on, and which are mounted in it.
mounts_below() {
  # PATH: print where file systems are mounted in it, a line each
  real=$(cd -P "$1" 2>/dev/null && pwd -P) || return 0
  while read -r _ place _; do
    case $place in *\\*) place=$(printf %b "$place") ;; esac
    case $place in "$real"/*) printf '%s\n' "$place" ;; esac
  done < "${mounts:-/proc/self/mounts}"
}
without_mounts() (
  # PATH, names in it on stdin: print those that are no mounts and have none in them
  below=$(printf '\n%s\n.' "$(mounts_below "$1")")
  while IFS= read -r name; do
    case $below in
      *"
$name
"* | *"
$name/"*) ;;
      *) printf '%s\n' "$name" ;;
    esac
  done
)
network() {
  # PATH: print "TYPE SOURCE/BELOW" if other hosts may have the same directory; else nothing
  folder=${1%/} below=
  while [ ! -d "$folder/" ]; do below=/${folder##*/}$below folder=${folder%/*}; done
  folder=$(cd -P "$folder/" && pwd -P)
  whole=${folder%/}$below at='' found=''
  while read -r from place type _; do
    case $place in *\\*) place=$(printf %b "$place") ;; esac
    case $whole/ in
      "${place%/}"/*) [ ${#place} -lt ${#at} ] || { at=$place found="$type $from"; } ;;
    esac
  done < "${mounts:-/proc/self/mounts}"
  case $found in
    nfs* | cifs\ * | smb* | 9p\ * | virtiofs\ * | lustre\ * | gpfs\ * | ceph\ * | beegfs\ * | \
      glusterfs\ * | ocfs2\ * | gfs2\ * | orangefs\ * | pvfs2\ * | wekafs\ * | afs\ * | \
      fuse.gluster* | fuse.ceph* | fuse.sshfs* | fuse.s3fs* | fuse.juicefs* | JuiceFS* | \
      fuse.beegfs* | fuse.moose* | fuse.mfs* | fuse.lizardfs* | fuse.rclone* | fuse.weka*)
      echo "${found%/}${whole#"${at%/}"}" ;;
  esac
}

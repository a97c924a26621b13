# Protect a working driver against a failing package installation: record the state before, compare
# afterwards, and restore it.
driver_files() {
  # PACKAGE: list all files of the driver, from whatever source; empty if there is no module
  [ -n "$(find /lib/modules/ -name 'cambricon*.ko*' 2>/dev/null)" ] || return 0
  if deb; then dpkg-query -L "$1"; else rpm -ql "$1"; fi 2>/dev/null |
    while read -r path; do [ -d "$path" ] || printf '%s\n' "$path"; done
  find /lib/modules/ -name 'cambricon*.ko*' 2>/dev/null
  ls -d /var/lib/dkms/cambricon*/* /etc/modules /etc/modules-load.d/*cambricon* \
    /etc/modprobe.d/*cambricon* 2>/dev/null
}
seen() {
  # PACKAGE: print what must not get lost: versions, DKMS records, checksums of the modules
  versions "$1"
  ls -d /var/lib/dkms/cambricon*/*/*/*/module 2>/dev/null
  find /lib/modules/ -name 'cambricon*.ko*' -exec cksum {} + 2>/dev/null | sort
}
record() {
  # PACKAGE: record the present state with a copy of its files, as the package file may be missing
  # later. If a power failure interrupted an installation, the state before that one counts
  before=$state/before
  rm -f "$state/.said"
  was=$(versions "$1" | tail -n 1)
  [ ! -f "$before/was" ] || there "$1" "$was" || { was=$(cat "$before/was"); return 0; }
  rm -rf "$before"; mkdir -p "$before"
  seen "$1" > "$before/seen"
  driver_files "$1" | sort -u | while read -r path; do
    { [ -e "$path" ] || [ -L "$path" ]; } && printf '%s\n' "${path#/}"
  done > "$before/files"
  if [ -s "$before/files" ] && ! said=$(tar -cf "$before/files.tar" -C / -T "$before/files" 2>&1); then
    rm -rf "$before"
    echo "no copy of the driver that is there can be kept: $(printf '%s\n' "$said" | head -n 1)"
    exit 1
  fi
  printf '%s\n' "$was" > "$before/was"
}
stays() { echo "driver $was stays as it was$(because)"; exit 1; }
runs_again() {
  # CONTAINER…: restart what was stopped for the new driver, on the driver that is still loaded
  [ ! -f "$state/options" ] || mv -f "$state/options" "$options"  # the site's own options
  rm -rf "$before"
  [ -d /sys/module/cambricon_drv ] || return 0
  for container; do docker start "$container" >/dev/null 2>&1; done
}
put_back() {
  # PACKAGE FILE [CONTAINER…]: undo a failed installation. The previous driver is restored from its
  # package file if that is still available, else from the copy
  gone=$1 new=$2; shift 2
  seen "$gone" > "$before/now"
  if cmp -s "$before/seen" "$before/now" && whole "$gone"; then
    runs_again "$@"
    [ -z "$was" ] || stays
    echo "no driver package is installed$(because)"
    return 0
  fi
  [ -z "$was" ] || for old in "${new%/*}/$gone"[_-]* /var/cache/apt/archives/"$gone"_*; do
    [ "$old" != "$new" ] && [ "$(named "$old")" = "$gone $was" ] || continue
    audit "putting driver $was back"
    case $old in
      *.deb) apt-get install -y --allow-downgrades --reinstall "$old" ;;
      *) rpm --upgrade --oldpackage --replacepkgs "$old" ;;
    esac >/dev/null 2>&1
    there "$gone" "$was" || continue
    runs_again "$@"
    echo "driver $was is back$(because)"
    return 0
  done
  # the package left behind may be the same version as before, without its modules
  [ "$(named "$new")" = "$gone $was" ] || {
    audit "removing what is left of $gone"
    case $new in
      *.deb) dpkg --remove --force-remove-reinstreq "$gone" ;;
      *) rpm --erase --allmatches "$gone" ;;
    esac >/dev/null 2>&1
  }
  if [ -s "$before/files.tar" ] && tar -xpf "$before/files.tar" -C /; then
    depmod 2>/dev/null
    back="the files of ${was:+driver }${was:-the driver that was there} are back"
    audit "$back, without a package"
    runs_again "$@"
    echo "$back, its package is not: it is not kept here$(because)"
  else
    echo "no driver package is installed now$(because)"
  fi
}
whole() {
  # PACKAGE: succeed if dpkg has no unfinished work on it
  deb || return 0
  case $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) in
    '' | *' ok installed' | *' not-installed' | *' config-files') return 0 ;;
  esac
  return 1
}
named() {
  # FILE: print "NAME VERSION" of a package file
  case $1 in
    *.deb) dpkg-deb --show --showformat "\${Package} \${Version}" "$1" ;;
    *) rpm -qp --qf '%{NAME} %{VERSION}' "$1" ;;
  esac 2>/dev/null
}

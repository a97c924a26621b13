# A driver that works is not lost to a package that fails: what is there before is recorded, compared
# after, and brought back.
driver_files() {
  # NAME: all that there is of a driver, whoever put it there; nothing where there is no module
  [ -n "$(find /lib/modules/ -name 'cambricon*.ko*' 2>/dev/null)" ] || return 0
  if deb; then dpkg-query -L "$1"; else rpm -ql "$1"; fi 2>/dev/null |
    while read -r path; do [ -d "$path" ] || printf '%s\n' "$path"; done
  find /lib/modules/ -name 'cambricon*.ko*' 2>/dev/null
  ls -d /var/lib/dkms/cambricon*/* /etc/modules /etc/modules-load.d/*cambricon* \
    /etc/modprobe.d/*cambricon* 2>/dev/null
}
seen() {
  # NAME: what of it would be missed: versions, books of dkms, bytes of modules
  versions "$1"
  ls -d /var/lib/dkms/cambricon*/*/*/*/module 2>/dev/null
  find /lib/modules/ -name 'cambricon*.ko*' -exec cksum {} + 2>/dev/null | sort
}
record() {
  # NAME: what is there before, with a copy: no file of a package is always kept. Of an installation
  # that a power cut ended, what was there before that one
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
  # CONTAINER…: they were stopped for a driver that did not come; the one that is loaded runs them
  [ ! -f "$state/options" ] || mv -f "$state/options" "$options"  # as the site had them
  rm -rf "$before"
  [ -d /sys/module/cambricon_drv ] || return 0
  for container; do docker start "$container" >/dev/null 2>&1; done
}
put_back() {
  # NAME FILE [CONTAINER…]: a package that failed does not stay half done: what was there before
  # comes back, from the file of its package where that is still here, else from the copy
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
  # the package that is left may be the very one that was there, without its modules
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
  # NAME: nothing of it is half done
  deb || return 0
  case $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) in
    '' | *' ok installed' | *' not-installed' | *' config-files') return 0 ;;
  esac
  return 1
}
named() {
  # FILE: "NAME VERSION" of the package in it
  case $1 in
    *.deb) dpkg-deb --show --showformat "\${Package} \${Version}" "$1" ;;
    *) rpm -qp --qf '%{NAME} %{VERSION}' "$1" ;;
  esac 2>/dev/null
}

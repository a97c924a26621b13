# What the vendor's package does not do for a site: keep its options, say why a build failed, and
# leave a host as it was when one did.
options=/etc/modprobe.d/cambricon-drv.conf
active() { grep -v '^[[:space:]]*\(#\|$\)' "$1" 2>/dev/null; }
keep_options() {
  # of a run that a power cut ended, the first copy is the site's
  [ -f "$options" ] && [ ! -f "$state/options" ] && cp -p "$options" "$state/options"
  [ -d /sys/module/cambricon_drv ] && was_loaded=1 || was_loaded=
}
give_options() {
  # the package writes its file anew: options that are not in it any more are the site's. They go
  # into a file that is read after it, and that no package knows
  [ -f "$state/options" ] || return 0
  own=${options%.conf}.site.conf
  theirs=$(active "$state/options" | grep -vxF -e "$(cat "$options" "$own" 2>/dev/null)")
  if [ -n "$theirs" ]; then
    mkdir -p "$state/kept"
    copy="$state/kept/cambricon-drv.conf-$(date +%Y%m%d-%H%M%S)"
    cp -p "$state/options" "$copy"
    printf '%s\n' "$theirs" >> "$own"
    echo "kept what was at $options as $copy, its options go on in $own"
    # the package has loaded its module without them
    [ -n "$was_loaded" ] || [ ! -d /sys/module/cambricon_drv ] || modprobe -r cambricon_drv
  fi
  rm -f "$state/options"
}
build_errors() {
  # FOLDER of dkms: what the compiler said, which the package only points at
  for log in "$1"/cambricon*/*/build/make.log; do
    [ -f "$log" ] && grep -E '(error|Error|undefined|No such file).*:|: (fatal )?error' "$log" | head -n 4
  done
}
unpacked() {
  # FILE FOLDER: what is in a package; an rpm needs cpio, which every system with dracut has
  case $1 in
    *.deb) dpkg-deb -x "$1" "$2" ;;
    *) rpm2cpio "$1" | (cd "$2" && cpio --extract --make-directories --quiet) ;;
  esac
}
trial_build() {
  # FILE: beside the driver that is there: installing takes that away before it builds the new one.
  # Without the package's hooks, which delete modules and load them
  folder=$state/trial
  rm -rf "$folder"  # of one that a power cut ended
  mkdir -p "$folder/dkms" && unpacked "$1" "$folder" || return 1
  for recipe in "$folder"/usr/src/*/dkms.conf; do
    sed -i '/^[[:space:]]*\(PRE\|POST\)_/d' "$recipe"
    source=$(basename "${recipe%/dkms.conf}")
    dkms build --dkmstree "$folder/dkms" --sourcetree "$folder/usr/src" \
      -m "${source%-*}" -v "${source##*-}" -k "$(uname -r)" && continue
    build_errors "$folder/dkms"
    rm -rf "$folder"
    echo "${source##*-} does not build for kernel $(uname -r); driver $was stays"
    return 1
  done
  rm -rf "$folder"
}
built() { dkms status -m "$1" -v "$2" | grep -q installed; }  # NAME VERSION
put_back() {
  # NAME FILE: a package that failed does not stay half done: the one before it comes back where
  # its file is still here, else there is none. To rpm it is installed, whatever its script said
  case $2 in *.deb)
    case $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) in
      '' | *' ok installed' | *' not-installed' | *' config-files') return 0 ;;
    esac ;;
  esac
  [ -z "$was" ] || for old in "${2%/*}/$1"[_-]*; do
    [ "$(named "$old")" = "$1 $was" ] || continue
    audit "putting driver $was back"
    case $old in
      *.deb) apt-get install -y --allow-downgrades "$old" ;;
      *) rpm --upgrade --oldpackage "$old" && built "$1" "$was" ;;
    esac >/dev/null 2>&1 && echo "driver $was is back" && return 0
  done
  audit "removing what is left of $1"
  case $2 in
    *.deb) dpkg --remove --force-remove-reinstreq "$1" ;;
    *) rpm --erase "$1" ;;
  esac >/dev/null 2>&1
  echo "no driver package is installed now"
}
named() {
  # FILE: "NAME VERSION" of the package in it
  case $1 in
    *.deb) dpkg-deb --show --showformat "\${Package} \${Version}" "$1" ;;
    *) rpm -qp --qf '%{NAME} %{VERSION}' "$1" ;;
  esac 2>/dev/null
}

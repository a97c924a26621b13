# Driver package handling that the vendor's package lacks: preserve site options, explain failed builds.
options=/etc/modprobe.d/cambricon-drv.conf
active() { grep -v '^[[:space:]]*\(#\|$\)' "$1" 2>/dev/null; }
keep_options() {
  # after an interrupted run, the first copy is the site's version
  [ -f "$options" ] && [ ! -f "$state/options" ] && cp -p "$options" "$state/options"
  [ -d /sys/module/cambricon_drv ] && was_loaded=1 || was_loaded=
}
give_options() {
  # the package overwrites its options file. Options missing afterwards were set by the site: they go
  # into a second file that modprobe reads later and that no package owns
  [ -f "$state/options" ] || return 0
  own=${options%.conf}.site.conf
  theirs=$(active "$state/options" | grep -vxF -e "$(cat "$options" "$own" 2>/dev/null)")
  if [ -n "$theirs" ]; then
    mkdir -p "$state/kept"
    copy="$state/kept/cambricon-drv.conf-$(date +%Y%m%d-%H%M%S)"
    cp -p "$state/options" "$copy"
    made kept "$options" "$copy"
    printf '%s\n' "$theirs" >> "$own"
    changed "$own" '' - driver
    echo "kept what was at $options as $copy, its options go on in $own"
    # the package has already loaded its module without them
    [ -n "$was_loaded" ] || [ ! -d /sys/module/cambricon_drv ] || modprobe -r cambricon_drv
  fi
  rm -f "$state/options"
}
build_errors() {
  # DKMS-FOLDER: print the compiler errors; the package only names the log file
  for log in "$1"/cambricon*/*/build/make.log; do
    [ -f "$log" ] && grep -E '(error|Error|undefined|No such file).*:|: (fatal )?error' "$log" | head -n 4
  done
}
unpacked() {
  # FILE FOLDER: extract a package; for an rpm this uses cpio, which comes with dracut
  case $1 in
    *.deb) dpkg-deb -x "$1" "$2" ;;
    *) rpm2cpio "$1" | (cd "$2" && cpio --extract --make-directories --quiet) ;;
  esac
}
trial_build() {
  # FILE: build the new driver beside the installed one, because an installation deletes that before
  # it builds. The package's hooks are removed: they delete and load modules
  folder=$state/trial
  rm -rf "$folder"  # left by an interrupted run
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
there() {
  # NAME VERSION: succeed if the package is complete; rpm ignores failed scripts, so ask dkms
  if deb; then
    case $(dpkg-query -W -f '${Status} ${Version}' "$1" 2>/dev/null) in
      *" ok installed $2") return 0 ;;
    esac
    return 1
  fi
  [ "$(versions "$1")" = "$2" ] && built "$1" "$2"
}
later() { [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | tail -n 1)" = "$1" ]; }
versions() {
  # NAME: print a line for each installed version; an interrupted rpm transaction leaves two
  if deb; then
    dpkg-query -W -f '${Status}|${Version}\n' "$1" 2>/dev/null | sed -n 's/^[a-z]* ok installed|//p'
  else
    rpm -q --qf '%{VERSION}\n' "$1" 2>/dev/null | grep -v ' '
  fi
}
one_entry() {
  # NAME VERSION: if rpm lists several versions of a package, keep the requested one, else the newest.
  # The others are erased without scripts, which would remove the modules of the kept version
  [ "$(versions "$1" | wc -l)" -gt 1 ] || return 0
  stays=$(versions "$1" | grep -xF "$2" || versions "$1" | sort -V | tail -n 1)
  for entry in $(rpm -q --qf '%{NAME}-%{VERSION}-%{RELEASE}\n' "$1" | grep -vF "$1-$stays-"); do
    audit "rpm --erase --noscripts $entry, of an installation that was cut off"
    rpm --erase --noscripts "$entry" && echo "removed $entry: an installation was cut off" && continue
    echo "@@code PACKAGE_BROKEN"
    echo "$(versions "$1" | tr '\n' ' ')of $1 are installed at once: rpm --erase --noscripts $entry"
    exit 1
  done
}
spoken() {
  # COMMAND…: run it, pass its output on, and keep a copy
  said=$state/.said
  rm -f "$said.status"
  { "$@" 2>&1 </dev/null; echo $? > "$said.status"; } | tee "$said"
  return "$(cat "$said.status" || echo 1)"
}
because() {
  # print the most informative line of that output
  said=$(grep -E '^(E:|Error|error|failure|dpkg: error|No package|.* is (not signed|needed by))' "$state/.said" 2>/dev/null |
    grep -v 'Sub-process' | tail -n 1)
  printf '%s' "${said:+: $said}"
}
set_yum() {
  # FILE: set `alone` to the option that disables repositories if all dependencies are installed:
  # to yum, an unreachable repository is an error
  yum=$(command -v yum || command -v dnf)
  alone="--disablerepo=*"
  said=$(rpm --upgrade --test --oldpackage --replacepkgs --replacefiles "$1" 2>&1) || case $said in
    *'needed by'*) alone='' ;;
  esac
}
refuse_unsigned() {
  # FILE: fail early if the site's policy makes yum or dnf refuse an unsigned package
  case $1 in *.rpm) ;; *) return 0 ;; esac
  for setting in /etc/yum.conf /etc/dnf/dnf.conf; do
    grep -qsiE '^[[:space:]]*localpkg_gpgcheck[[:space:]]*=[[:space:]]*(1|yes|true|on)' $setting || continue
    case $(rpm --checksig "$1" 2>&1) in
      *'NOT OK'* | *MISSING*) ;;
      *pgp* | *gpg* | *signatures*) continue ;;
    esac
    echo "@@code PACKAGE_UNSIGNED"
    echo "localpkg_gpgcheck in $setting, and ${1##*/} is not signed by a key that rpm knows"
    exit 1
  done
}

# install-driver.sh NAME VERSION FILE SECONDS [CONTAINER…]: install the driver with the system's
# package tool. Waits up to SECONDS for other package managers: the vendor's preinst deletes dpkg's
# lock file, so the lock protects nobody. On failure the previous driver is restored and the
# CONTAINERs are started again.
# needs: packages driver-package driver-backup
set -u
name=$1 version=$2 file=$3 patience=$4; shift 4
keep_options
wait_for_packages "$patience"
repair_packages "$name"
one_entry "$name" "$version"
wait_for_packages "$patience"
record "$name"
conf=/etc/apt/apt.conf.d/99update-notifier kept="$state/apt-conf"
if deb; then
  # the vendor's preinst appends to apt's configuration: restore it, also after an installation that
  # a power failure interrupted
  if [ ! -d "$kept" ]; then
    rm -rf "$kept.part"; mkdir -p "$kept.part"
    [ ! -f $conf ] || cp -p $conf "$kept.part/"
    mv "$kept.part" "$kept"
  fi
  noting driver spoken apt-get install -y --allow-downgrades --reinstall -o Dpkg::Options::=--force-confold \
    -o DPkg::Lock::Timeout=$((patience > waited ? patience - waited : 0)) "$file"
  status=$?
  if [ -f "$kept/${conf##*/}" ]; then cp -p "$kept/${conf##*/}" $conf; else rm -f $conf; fi
  rm -rf "$kept"
else
  case $was in
    "") how=install ;;
    "$version") how=reinstall ;;
    *) if later "$was" "$version"; then how=downgrade; else how=install; fi ;;
  esac
  set_yum "$file"
  note_folders "$file"
  # shellcheck disable=SC2086  # empty where repositories are needed
  noting driver spoken "$yum" -y $alone "$how" "$file"
  status=$?
fi
# rpm only warns if a script of the package fails
if [ $status -ne 0 ] || ! there "$name" "$version"; then
  build_errors /var/lib/dkms
  put_back "$name" "$file" "$@"
  exit 1
fi
rm -rf "$before"
give_options

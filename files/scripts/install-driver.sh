# NAME VERSION FILE SECONDS: by the system's own package tool, never beside another one: the
# vendor's preinst removes dpkg's lock itself, so the lock does not protect anybody here.
set -u
name=$1 version=$2 file=$3 patience=$4
keep_options
wait_for_packages "$patience"
repair_packages "$name"
if command -v apt-get >/dev/null 2>&1; then
  # the vendor's preinst appends to apt's configuration: put back what was there before, also
  # what was there before an installation that a power cut ended
  conf=/etc/apt/apt.conf.d/99update-notifier kept="$state/apt-conf"
  if [ ! -d "$kept" ]; then
    rm -rf "$kept.part"; mkdir -p "$kept.part"
    [ ! -f $conf ] || cp -p $conf "$kept.part/"
    mv "$kept.part" "$kept"
  fi
  wait_for_packages "$patience"
  was=$(dpkg-query -W -f '${Status} ${Version}' "$name" 2>/dev/null | sed -n 's/^install ok installed //p')
  [ -z "$was" ] || trial_build "$file" || exit 1
  apt-get install -y --allow-downgrades --reinstall -o Dpkg::Options::=--force-confold \
    -o DPkg::Lock::Timeout=$((patience > waited ? patience - waited : 0)) "$file"
  status=$?
  if [ -f "$kept/${conf##*/}" ]; then cp -p "$kept/${conf##*/}" $conf; else rm -f $conf; fi
  rm -rf "$kept"
  if [ $status -ne 0 ]; then build_errors /var/lib/dkms; put_back "$name" "$file"; exit $status; fi
  give_options
  exit 0
fi
yum=$(command -v yum || command -v dnf)
was=$(rpm -q --qf '%{VERSION}' "$name" 2>/dev/null) || was=
wait_for_packages "$patience"
[ -z "$was" ] || trial_build "$file" || exit 1
case $was in
  "") "$yum" -y install "$file" ;;
  "$version") "$yum" -y reinstall "$file" ;;
  *)
    if [ "$(printf '%s\n%s\n' "$was" "$version" | sort -V | head -n 1)" = "$version" ]; then
      "$yum" -y downgrade "$file"
    else
      "$yum" -y install "$file"
    fi ;;
esac
status=$?
# a script of the package that fails is a warning to rpm
if [ $status -ne 0 ] || ! built "$name" "$version"; then build_errors /var/lib/dkms; put_back "$name" "$file"; exit 1; fi
give_options

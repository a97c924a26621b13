# NAME VERSION FILE: by the system's own package tool, never beside another one: the vendor's
# preinst removes dpkg's lock itself, so the lock does not protect anybody here.
set -u
name=$1 version=$2 file=$3
wait_for_packages
if command -v apt-get >/dev/null 2>&1; then
  conf=/etc/apt/apt.conf.d/99update-notifier
  [ -f $conf ] && cp -p $conf $conf.mlufleet
  dpkg --configure -a >/dev/null 2>&1
  apt-get install -y --allow-downgrades --reinstall -o Dpkg::Options::=--force-confold "$file"
  status=$?
  # the vendor's preinst appends to apt's configuration: back to what it was
  if [ -f $conf.mlufleet ]; then mv -f $conf.mlufleet $conf; else rm -f $conf; fi
  exit $status
fi
yum=$(command -v yum || command -v dnf)
installed=$(rpm -q --qf '%{VERSION}' "$name" 2>/dev/null) || installed=
case $installed in
  "") "$yum" -y install "$file" ;;
  "$version") "$yum" -y reinstall "$file" ;;
  *)
    if [ "$(printf '%s\n%s\n' "$installed" "$version" | sort -V | head -n 1)" = "$version" ]; then
      "$yum" -y downgrade "$file"
    else
      "$yum" -y install "$file"
    fi ;;
esac

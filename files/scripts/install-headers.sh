# KERNEL FILE…: what the files need of each other is all among them.
kernel=$1; shift
wait_for_packages 300
repair_packages
if command -v apt-get >/dev/null 2>&1; then
  apt-get install -y --no-install-recommends "$@"
else
  yum=$(command -v yum || command -v dnf)
  "$yum" -y --disablerepo='*' install "$@"
fi || exit 1
[ -e "/lib/modules/$kernel/build/." ] && exit 0
echo "they are installed, and there is still no /lib/modules/$kernel/build"
exit 1

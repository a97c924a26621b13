# install-headers.sh KERNEL FILE…|NAME: install kernel headers from files, or a package by name from
# the host's repositories.
# needs: packages
kernel=$1; shift
wait_for_packages 300
repair_packages
case $1 in
  /*) noting driver install_files "$@" ;;
  *) noting driver install_named "$@" ;;
esac || exit 1
[ -e "/lib/modules/$kernel/build/." ] && exit 0
echo "they are installed, and there is still no /lib/modules/$kernel/build"
exit 1

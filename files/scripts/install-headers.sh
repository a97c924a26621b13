# KERNEL FILE…: the headers of a kernel, from files.
kernel=$1; shift
wait_for_packages 300
repair_packages
install_files "$@" || exit 1
[ -e "/lib/modules/$kernel/build/." ] && exit 0
echo "they are installed, and there is still no /lib/modules/$kernel/build"
exit 1

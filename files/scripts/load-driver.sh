# load-driver.sh [again]: load the driver's module ("again" unloads it first) and wait for its device
# node. modprobe's output and status prove nothing; the next probe verifies the result.
[ "${1:-}" = again ] && modprobe -r cambricon_drv 2>&1
said=$(modprobe cambricon-drv 2>&1)
# a package whose module failed to load at once may not have enabled it for the next boot
at_boot=/etc/modules-load.d/mlufleet.conf
grep -qs '^cambricon[-_]drv' /etc/modules /etc/modules-load.d/*.conf ||
  { echo cambricon-drv > $at_boot && changed $at_boot '' - driver; }
command -v udevadm >/dev/null 2>&1 && udevadm settle --timeout=10 2>/dev/null
n=0
while [ -d /sys/module/cambricon_drv ] && [ ! -c /dev/cambricon_ctl ] && [ $n -lt 10 ]; do
  n=$((n + 1)); sleep 1
done
[ -d /sys/module/cambricon_drv ] && exit 0
dmesg | grep -i 'cambricon\|module.*reject\|lockdown' | tail -n 8
case $said in
  *'Key was rejected'* | *'Required key not available'*) echo "@@code SECURE_BOOT" ;;
  *) echo "@@code MODULE_NOT_LOADED" ;;
esac
echo "${said:-no module cambricon_drv after modprobe}"
exit 1

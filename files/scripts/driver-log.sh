# driver-log.sh PROBLEM: print the kernel's messages about the driver, then the problem, and fail.
dmesg | grep -i cambricon | tail -n 12
echo "$1"
exit 1

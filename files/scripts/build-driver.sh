# VERSION KERNEL: also for a kernel that has not been booted yet.
for tree in /var/lib/dkms/cambricon*/"$1"; do
  name=$(basename "$(dirname "$tree")")
  dkms install -m "$name" -v "$1" -k "$2" || exit 1
  # the vendor's hook before a build takes away the modules of the kernel that runs
  for built in "$tree"/*/*/module; do
    kernel=$(basename "$(dirname "$(dirname "$built")")")
    [ "$kernel" = "$2" ] || [ -n "$(find /lib/modules/"$kernel" -name 'cambricon-drv.ko*' | head -n 1)" ] ||
      dkms install -m "$name" -v "$1" -k "$kernel" --force || exit 1
  done
done

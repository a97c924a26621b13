# VERSION KERNEL: for a kernel that has not been booted yet.
for tree in /var/lib/dkms/cambricon*/"$1"; do
  name=$(basename "$(dirname "$tree")")
  dkms install -m "$name" -v "$1" -k "$2" || exit 1
done

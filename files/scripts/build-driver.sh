# VERSION KERNEL [anew]: also for a kernel that has not been booted yet; anew where it is built, as
# DKMS signs only what it builds.
module() { find "/lib/modules/$1/" -name 'cambricon[-_]drv.ko*' 2>/dev/null | head -n 1; }  # KERNEL
for tree in /var/lib/dkms/cambricon*/"$1"; do
  name=$(basename "$(dirname "$tree")")
  if [ -n "${3:-}" ]; then
    dkms remove -m "$name" -v "$1" -k "$2"
    [ -d "$tree" ] || dkms add -m "$name" -v "$1" || exit 1
  fi
  # what dkms' books have as installed is not installed again, also where its file is gone
  force=
  [ ! -d "$tree/$2" ] || [ -n "$(module "$2")" ] || force=--force
  # shellcheck disable=SC2086  # no word where it is not needed
  said=$(dkms install -m "$name" -v "$1" -k "$2" $force 2>&1) || failed=1
  printf '%s\n' "$said"
  [ -z "${failed:-}" ] || exit 1
  # the vendor's hook before a build takes away the modules of the kernel that runs
  for built in "$tree"/*/*/module; do
    [ -d "$built" ] || continue
    kernel=$(basename "$(dirname "$(dirname "$built")")")
    [ "$kernel" = "$2" ] || [ -n "$(module "$kernel")" ] ||
      dkms install -m "$name" -v "$1" -k "$kernel" --force || exit 1
  done
  unsigned=$(printf '%s\n' "$said" | grep "won't be signed")
  if [ -n "${3:-}" ] && [ -n "$unsigned" ]; then
    echo "@@code SIGNING"
    echo "$unsigned"
    exit 1
  fi
done

# build-driver.sh VERSION KERNEL [anew]: build the driver's modules for a kernel, booted or not.
# "anew" rebuilds modules that exist already: DKMS signs a module only when it builds it.
module() { find "/lib/modules/$1/" -name 'cambricon[-_]drv.ko*' 2>/dev/null | head -n 1; }  # KERNEL
for tree in /var/lib/dkms/cambricon*/"$1"; do
  name=$(basename "$(dirname "$tree")")
  if [ -n "${3:-}" ]; then
    dkms remove -m "$name" -v "$1" -k "$2"
    [ -d "$tree" ] || dkms add -m "$name" -v "$1" || exit 1
  fi
  # dkms skips a module that it has on record as installed, even if its file is missing
  force=
  [ ! -d "$tree/$2" ] || [ -n "$(module "$2")" ] || force=--force
  # shellcheck disable=SC2086  # empty unless needed
  said=$(dkms install -m "$name" -v "$1" -k "$2" $force 2>&1) || failed=1
  printf '%s\n' "$said"
  [ -z "${failed:-}" ] || exit 1
  # the vendor's pre-build hook deletes the modules of the running kernel: restore them
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

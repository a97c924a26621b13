# try-driver.sh NAME VERSION FILE SECONDS: check as much of an installation as is possible while the
# present driver is in use, before any job is evicted from the cards.
# needs: packages driver-package driver-backup
set -u
name=$1 version=$2 file=$3 patience=$4
wait_for_packages "$patience"
repair_packages "$name"
was=$(versions "$name" | tail -n 1)
rm -f "$state/.said"
refuse_unsigned "$file"
[ -n "$was" ] || exit 0
if deb; then
  spoken apt-get install --simulate -y --allow-downgrades --reinstall "$file" || stays
fi
! command -v dkms >/dev/null 2>&1 || trial_build "$file" || exit 1

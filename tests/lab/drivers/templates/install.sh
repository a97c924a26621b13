mkdir -p /etc/modprobe.d
cat > /etc/modprobe.d/cambricon-drv.conf <<OPTIONS
options cambricon-drv virtcon_en=1
#options cambricon-drv inline_ecc_en=1
#options cambricon-drv check_en=0x3
#options cambricon-drv launch_turbo=1
OPTIONS
if [ "${MLU_RUNMODE:-}" = PF ]; then
  echo 'options cambricon-drv sriov_en=1' >> /etc/modprobe.d/cambricon-drv.conf
fi
[ -d /var/lib/dkms/@MODULE@/@VERSION@ ] || dkms add -m @MODULE@ -v @VERSION@
dkms build -m @MODULE@ -v @VERSION@
dkms install -m @MODULE@ -v @VERSION@ --force
state=$(dkms status -m @MODULE@ -v @VERSION@)
if ! printf '%s\n' "$state" | grep installed; then
  echo 'Driver installation is failed.' \
    'Please make sure using the appropriate operating system version.'
  exit 1
fi
if [ -d /sys/module/cambricon_drv ]; then
  echo 'Driver installation is successful, it is recommended to restart'
else
  echo 'Driver installation is successful, but cambricon module load failed.'
fi

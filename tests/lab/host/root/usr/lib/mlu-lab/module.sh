# The vendor's module: once loaded it stays, whatever happens to its file, until it is unloaded or
# the host reboots. It has no MODULE_VERSION, so /sys/module/cambricon_drv has no version file.
show=/proc/driver/cambricon/mlus

load() { # [FILE]: without one, the module that is installed for the running kernel
  [ ! -e $state/loaded ] || return 0
  file=${1:-}
  for place in updates/dkms extra; do
    [ -n "$file" ] || [ ! -e "/lib/modules/$kernel/$place/cambricon-drv.ko" ] ||
      file=/lib/modules/$kernel/$place/cambricon-drv.ko
  done
  if [ ! -e "$file" ]; then
    log "cambricon-drv: no module for $kernel"
    refuse "FATAL: Module cambricon-drv not found in directory /lib/modules/$kernel"
  fi
  if [ "$(sed -n 's/^vermagic: //p' "$file")" != "$kernel" ]; then
    log "cambricon_drv: version magic '$(sed -n 's/^vermagic: //p' "$file")' should be '$kernel'"
    refuse "ERROR: could not insert 'cambricon_drv': Exec format error"
  fi
  if lie secure-boot; then
    log "Loading of unsigned module is rejected"
    refuse "ERROR: could not insert 'cambricon_drv': Key was rejected by service"
  fi
  if lie module-does-not-load; then
    log "cambricon-drv: no enough MMIO space for PF bar0"
    log "cambricon-drv: probe of $(last) failed with error -12"
    refuse "ERROR: could not insert 'cambricon_drv': Cannot allocate memory"
  fi
  insert "$(sed -n 's/^version: //p' "$file")"
}
refuse() { echo "modprobe: $1" >&2; exit 1; }
insert() { # VERSION
  echo "$1" > $state/loaded
  mkdir -p /sys/module/cambricon_drv/parameters $show
  echo live > /sys/module/cambricon_drv/initstate
  log "cambricon-drv: driver v$1"
  node cambricon_ctl
  probe
}
# Gives nodes to the cards that work and takes them from those that do not; the others keep theirs.
probe() {
  version=$(cat $state/loaded) number=0
  for directory in $show/*; do
    bdf=${directory##*/}
    if [ -e "$directory" ] && ! works "$bdf"; then
      number=$(sed -n 's,.*/dev/cambricon_dev,,p' "$directory/information")
      rm -rf "$directory" "/dev/cambricon_dev$number" "/dev/cambricon_ipcm$number"
      log "cambricon-drv: $bdf removed"
    fi
  done
  number=0
  seen | while read -r bdf model _; do
    if works "$bdf" && [ ! -e "$show/$bdf" ]; then
      node "cambricon_dev$number"
      node "cambricon_ipcm$number"
      describe
      log "cambricon-drv: $model boot ok"
    fi
    number=$((number + 1))
  done
}
works() {
  if ! seen | grep -q "^$1 " || dropped "$1"; then return 1; fi
  if lie card-without-node && [ "$1" = "$(last)" ]; then
    log "cambricon-drv: less than g3X8 PCIe Device BDF:$1"
    log "cambricon-drv: PCIe link check has error"
    return 1
  fi
}
node() {
  [ -e "/dev/$1" ] || mknod -m 666 "/dev/$1" c 1 3
}
describe() {
  mkdir -p "$show/$bdf"
  echo CN_RUNNING > "$show/$bdf/core_state"
  place=$(echo "$bdf" | sed 's/^[^:]*:0*//; s/[:.]0*\([0-9a-f]\)/_\1/g')
  cat > "$show/$bdf/information" <<END
Device name: $model
Device inode path: /dev/cambricon_dev$number
Device Major: 1
Device Minor: 3
Driver Version: v$version
MCU Version: v1.1.6
Board Serial Number: SN/$(printf '%s %s' "$(hostname)" "$bdf" | md5sum | cut -c1-12)
MLU Firmware Version: 1.1.4
Board CV: 0
IPU Freq: 1300MHz
Bus Location: $place
Bus Type: PCIE
LnkSta: Speed $(sed 's/ GT.*/GT/' "$bus/$bdf/current_link_speed")/s, Width x16
Min_LnkSta: Speed 8.0GT/s, Width x16
Region 0: Memory at 20000000000 [size=256M]
Interrupt Mode: MSI
PCIE Firmware Version: FV/1.0.0
END
}
holders() { # PID NODE, a line a process that has a card's node open
  find /proc/[0-9]*/fd -lname '/dev/cambricon_*' -printf '%h %l\n' 2>/dev/null |
    sed 's,^/proc/\([0-9]*\)/fd ,\1 ,' | sort -u
}
unload() {
  [ -e $state/loaded ] || return 0
  held=$(holders | sed 's,.*/,,' | sort | uniq -c)
  if [ -n "$held" ]; then
    echo "$held" | while read -r count name; do
      log "cambricon-drv: $name(minor 3 ref:$count) is opened, Please close cambricon device first"
    done
    echo "modprobe: FATAL: Module cambricon_drv is in use." >&2
    exit 1
  fi
  rm -f $state/loaded /dev/cambricon_*
  rm -rf /proc/driver/cambricon /sys/module/cambricon_drv
  log "cambricon-drv: unloaded"
}

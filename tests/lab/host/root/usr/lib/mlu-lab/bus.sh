# The cards at the kernel's own interfaces: lspci and everybody else read them in /sys.
# /etc/mlu-lab/cards has a line a PCI device: BDF MODEL SUBSYSTEM, in the order of enumeration.
bus=/sys/bus/pci/devices

# lies about a card are about the last one, so that the others keep their numbers
last() { tail -n 1 /etc/mlu-lab/cards | cut -d' ' -f1; }
dropped() { lie card-rev-ff && [ "$1" = "$(last)" ]; }
seen() {
  while read -r bdf model subsystem; do
    if lie card-off-bus && [ "$bdf" = "$(last)" ]; then continue; fi
    echo "$bdf $model $subsystem"
  done < /etc/mlu-lab/cards
}
cards() { seen | wc -l; }
byte() { # OFFSET OCTAL...: of the configuration space
  offset=$1; shift
  # shellcheck disable=SC2059
  printf "$(printf '\\%s' "$@")" |
    dd of="$slot/config" bs=1 seek="$offset" conv=notrunc 2>/dev/null
}
plug() {
  for slot in $bus/*; do
    [ ! -e "$slot" ] || seen | grep -q "^${slot##*/} " || rm -rf "$slot"
  done
  seen | while read -r bdf model subsystem; do
    slot=$bus/$bdf
    mkdir -p "$slot"
    echo 0xcabc > "$slot/vendor"
    echo 0x0370 > "$slot/device"
    echo 0xcabc > "$slot/subsystem_vendor"
    echo "0x$subsystem" > "$slot/subsystem_device"
    echo 0x120000 > "$slot/class"
    echo 0 > "$slot/irq"
    echo -1 > "$slot/numa_node"
    # a chip of an X8 sits behind the switch of its board and links at half the speed it could
    case $model in *X8) speed='8.0 GT/s PCIe' ;; *) speed='16.0 GT/s PCIe' ;; esac
    echo "$speed" > "$slot/current_link_speed"
    echo '16.0 GT/s PCIe' > "$slot/max_link_speed"
    echo 16 | tee "$slot/current_link_width" > "$slot/max_link_width"
    n=0
    while [ $n -lt 13 ]; do
      printf '0x%016x 0x%016x 0x%016x\n' 0 0 0; n=$((n + 1))
    done > "$slot/resource"
    if dropped "$bdf"; then # every read of a dropped card gives ones
      head -c 256 /dev/zero | tr '\000' '\377' > "$slot/config"
      continue
    fi
    head -c 256 /dev/zero > "$slot/config"
    byte 0 274 312 160 003 006 004
    byte 8 001 000 000 022
    byte 44 274 312 "$(printf %03o "0x${subsystem#??}")" "$(printf %03o "0x${subsystem%??}")"
  done
}

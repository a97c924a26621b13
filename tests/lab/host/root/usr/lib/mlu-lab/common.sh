# Words that the stand-ins share.
lies=/etc/mlu-lab/lies
lie() { [ -e "$lies/$1" ]; }
log() {
  printf '[%14s] %s\n' "$(cut -d' ' -f1 /proc/uptime)0000" "$*" >> /run/mlu-lab/dmesg
}

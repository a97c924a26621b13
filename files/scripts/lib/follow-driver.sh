# Docker starts containers once at boot and gives up if their device nodes are missing, for example
# while DKMS still builds the driver for a new kernel. A systemd unit starts them once the nodes exist.
follow_driver() {
  [ -d /run/systemd/system ] || return 0
  program=$state/follow-driver unit=/etc/systemd/system/mlufleet-follow-driver.service
  cat > "$program.part" <<'PROGRAM'
#!/bin/sh
# Of the containers that mlu-fleet made: those that docker could not start for want of a node.
n=0
while [ $n -lt 360 ]; do
  left=
  for known in /var/lib/mlufleet/stamps/container-name /var/lib/mlufleet/stamps/*/container-name; do
    [ -f "$known" ] && IFS= read -r name < "$known" || continue
    case $(docker inspect --type container --format '{{.State.Running}} {{.State.Error}}' "$name" 2>/dev/null) in
      "false "*/dev/cambricon*) docker start "$name" >/dev/null 2>&1 || left=1 ;;
    esac
  done
  [ -n "$left" ] || exit 0
  n=$((n + 1)); sleep 5
done
PROGRAM
  cat > "$program.unit" <<UNIT
[Unit]
Description=Containers that were to start before the MLU driver was there
After=docker.service dkms.service systemd-modules-load.service
[Service]
Type=oneshot
ExecStart=/bin/sh $program
[Install]
WantedBy=multi-user.target
UNIT
  mv -f "$program.part" "$program"
  made unit mlufleet-follow-driver
  if cmp -s "$program.unit" $unit; then rm -f "$program.unit"; return 0; fi
  cp "$program.unit" $unit && rm -f "$program.unit" && systemctl daemon-reload &&
    systemctl enable mlufleet-follow-driver && audit "placed $unit"
} >/dev/null 2>&1

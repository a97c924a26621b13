# remove-made.sh GROUPS: remove things that this tool made, or put back what was there before it. GROUPS are
# the groups that are to go, separated by commas. stdin: kind and name of each thing. What is not as this
# tool left it any more stays. Each thing is judged again, and whatever a killed run has left is removed.
# needs: images git checkout restore-checkout packages driver-package filesystems made-items
allowed=$(printf '%s' "$1" | tr , ' ')
expected=''
set --
asked=$(cat)
read_known
find_blocked
# what is removed bit by bit gets another name first, by which a run that was killed is understood
remove_tree() { { [ ! -e "$1" ] || mv -T "$1" "$1.$removed"; } && rm -rf --one-file-system "$1.$removed" "$1.mlufleet-part"; }
remove_checkout() {
  # PATH: the folder itself may have been there before; where it is a mount it could not be renamed
  [ ! -e "$1/.git" ] || mv -T "$1/.git" "$1/.$removed" || return 1
  find "$1" -mindepth 1 -maxdepth 1 ! -name ".$removed" -exec rm -rf --one-file-system {} + && rm -rf "$1/.$removed" "$1.mlufleet-part"
}
remove_image() {
  # ID: all its names are this tool's
  as=$(known "$1")
  for name in $(docker image inspect --format '{{range .RepoTags}}{{println .}}{{end}}{{range .RepoDigests}}{{println .}}{{end}}' "$as"); do
    docker image rm "$name" >/dev/null
  done
  ! docker image inspect "$as" >/dev/null 2>&1 || docker image rm "$as" >/dev/null
  docker image inspect "$as" >/dev/null 2>&1 || rm -f "$state/images/${1#sha256:}"
}
put_config_back() {
  copy=$(original "$1")
  if [ "$copy" = - ]; then rm -f "$1"; else cp -p "$copy" "$1.mlufleet-part" && mv -fT "$1.mlufleet-part" "$1"; fi || return 1
  [ "$1" != /etc/docker/daemon.json ] || ! command -v docker >/dev/null 2>&1 || systemctl reload docker
}
put_kept_back() {
  first=$(kept_names "$1" | while IFS= read -r name; do
    if [ -e "$name" ] || [ -L "$name" ]; then printf %s "$name"; break; fi
  done)
  rmdir "$1" 2>/dev/null  # empty, and ours
  folders "${1%/*}" && made back "$1" "$first" && mv -T "$first" "$1" &&
    echo "$1 is back, which was kept as $first"
}
remove_unit() {
  case $1 in
    mlufleet-*)
      systemctl disable "$1" >/dev/null 2>&1
      rm -f "/etc/systemd/system/multi-user.target.wants/$1.service" "$unit_file" && systemctl daemon-reload ;;
    *) systemctl disable "$1" ;;
  esac
}
unload_driver() {
  # stop nothing: what still uses the cards is somebody else's
  for _ in 1 2 3 4; do
    sed -n 's/^\(cambricon[^ ]*\) .*/\1/p' /proc/modules | while read -r module; do modprobe -r "$module"; done
  done 2>/dev/null
  [ ! -d /sys/module/cambricon_drv ] || modprobe -r cambricon_drv
  [ ! -d /sys/module/cambricon_drv ] || { echo "@@code CARD_BUSY"; echo "the driver does not unload"; return 1; }
}
remove_packages() {
  # NAME…: with their own removal, and nothing else with them
  wait_for_packages 300
  if deb; then apt-get -y purge "$@"
  else "$(command -v yum || command -v dnf)" -y --setopt=clean_requirements_on_remove=0 remove "$@"
  fi </dev/null
}
remove_folder() {
  # PATH: also the folders above it that this tool made and that had nothing else
  rmdir "$1" || return 1
  above=${1%/*}
  while [ -n "$above" ] && is_made folder "$above" && rmdir "$above" 2>/dev/null; do above=${above%/*}; done
}
remove() {
  # KIND NAME
  case $1 in
    container)
      docker stop "$2" >/dev/null 2>&1  # requests to what it serves may end
      docker rm -f "$2" >/dev/null ;;
    image) remove_image "$2" ;;
    tag) docker image rm "$2" >/dev/null ;;
    tree) remove_tree "$2" ;;
    checkout) remove_checkout "$2" ;;
    file) rm -f "$2" && rm -rf "$2".*.mlufleet-part ;;
    folder) remove_folder "$2" ;;
    config) put_config_back "$2" ;;
    unit) remove_unit "$2" ;;
    # the folder itself may have been there, or be a mount
    data) find "$2" -xdev -mindepth 1 -delete ;;
    group) groupdel "$2" ;;
    module)
      unload_driver && rm -rf /var/lib/dkms/cambricon* || return 1
      find /lib/modules/ -name 'cambricon*.ko*' -delete
      depmod ;;
    kept) put_kept_back "$2" ;;
    adopted)
      case $2 in
        checkout:*) return_checkout "${2#checkout:}"; return ;;
        link:*) rm -f "${2#link:}"; return ;;
      esac
      kept=$(details adopted "$2" | tail -n 1)
      docker tag "${kept%% *}" "${2#image:}" && docker image rm "${kept%% *}" >/dev/null ;;
  esac
}
packages=''
remove_collected() {
  [ -n "$packages" ] || return 0
  case $packages in *cambricon*) unload_driver && : > "$state/removing-driver" || return 1 ;; esac
  # shellcheck disable=SC2086  # names
  audit "removing packages:" $packages
  # shellcheck disable=SC2086
  remove_packages $packages || return 1
  packages=''
}
take() {
  # KIND NAME
  judge "$1" "$2"
  case $verdict:$1 in
    ours:package) packages="$packages $2" ;;
    ours:*)
      remove_collected || exit 1
      if remove "$1" "$2"; then audit "gave back $1 $2"; else failed=1; fi ;;
  esac
}
failed=0
while IFS=$T read -r kind name; do take "$kind" "$name"; done <<ASKED
$asked
ASKED
remove_collected || exit 1
exit $failed

# engine.sh install FILE…|repository [NAME…]|start: install docker if asked to, start it, and wait up
# to 40 s for the daemon to answer. With `repository`, the first NAME that the system's repositories
# provide is installed, unless it is older than the minimum version on stdin.
# needs: packages
how=$1; shift
if [ "$how" != start ]; then
  wait_for_packages 300
  repair_packages
fi
new_enough() {
  # VERSION: an unknown version is accepted, the next probe decides
  [ -z "$1" ] || [ "$(printf '%s\n%s\n' "$minimum" "$1" | sort -V | head -n 1)" = "$minimum" ]
}
if [ "$how" != start ] && ! command -v dockerd >/dev/null 2>&1; then
  for place in /var/lib/docker /var/lib/containerd /etc/docker /etc/containerd /opt/containerd; do
    [ -z "$(ls -A "$place" 2>/dev/null)" ] || continue  # of an earlier docker
    note_missing "$place"
    made data "$place" engine
  done
  grep -q '^docker:' /etc/group || made group docker engine
fi
if [ "$how" = install ]; then noting engine install_files "$@" || exit 1
elif [ "$how" = repository ]; then
  if [ $# -gt 0 ]; then :
  elif deb; then set -- docker.io
  else set -- docker-ce docker
  fi
  IFS= read -r minimum
  found='' said=''
  for name; do
    # if no package list knows the name, refresh the lists
    [ -z "$minimum" ] || [ -n "$(would_be "$name")" ] || refresh_lists || :
    if [ -n "$minimum" ] && version=$(would_be "$name") && ! new_enough "$version"; then
      said="$said, its $name is $version"
      continue
    fi
    noting engine install_named "$name" && found=$name && break
  done
  if [ -z "$found" ] && [ -n "$said" ]; then
    echo "@@code ENGINE_TOO_OLD"
    echo "${said#, }, the release needs $minimum: give files"
  fi
  [ -n "$found" ] || exit 1
fi
systemctl reset-failed docker 2>/dev/null
[ "$how" != start ] || systemctl -q is-enabled docker 2>/dev/null || made unit docker enabled
systemctl enable docker && systemctl start --no-block docker || exit 1
end=$(($(uptime) + 40))
until timeout -k 2 5 docker version >/dev/null 2>&1; do
  if [ "$(uptime)" -ge $end ] || systemctl -q is-failed docker; then
    systemctl --no-pager --lines 5 status docker
    echo "docker does not answer"; exit 1
  fi
  sleep 1
done

# install FILE…|repository [NAME…]|start, then waits until the daemon answers: less than a minute,
# whatever it does. Of NAMEs the first that the system's own repositories have is installed.
how=$1; shift
if [ "$how" != start ]; then
  wait_for_packages 300
  repair_packages
  if command -v apt-get >/dev/null 2>&1; then
    [ $# -gt 0 ] || set -- docker.io
    package_tool() { apt-get install -y --no-install-recommends "$@"; }
  else
    [ $# -gt 0 ] || set -- docker-ce docker
    yum=$(command -v yum || command -v dnf)
    package_tool() {
      if [ "$how" = install ]; then "$yum" -y --disablerepo='*' install "$@"
      else "$yum" -y install "$@"; fi
    }
  fi
  if [ "$how" = install ]; then package_tool "$@"
  else
    for name; do package_tool "$name" && break; done
  fi || exit 1
fi
systemctl reset-failed docker 2>/dev/null
systemctl enable docker && systemctl start --no-block docker || exit 1
end=$(($(uptime) + 40))
until timeout -k 2 5 docker version >/dev/null 2>&1; do
  if [ "$(uptime)" -ge $end ] || systemctl -q is-failed docker; then
    systemctl --no-pager --lines 5 status docker
    echo "docker does not answer"; exit 1
  fi
  sleep 1
done

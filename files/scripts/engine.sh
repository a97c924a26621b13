# install FILE…|repository [NAME…]|start, then waits until the daemon answers: less than a minute,
# whatever it does. Of NAMEs the first that the system's own repositories have is installed.
how=$1; shift
if [ "$how" != start ]; then
  wait_for_packages 300
  repair_packages
fi
if [ "$how" = install ]; then install_files "$@" || exit 1
elif [ "$how" = repository ]; then
  if [ $# -gt 0 ]; then :
  elif command -v apt-get >/dev/null 2>&1; then set -- docker.io
  else set -- docker-ce docker
  fi
  for name; do install_named "$name" && break; done || exit 1
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

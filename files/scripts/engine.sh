# install|start, then waits until the daemon answers.
export DEBIAN_FRONTEND=noninteractive
if [ "$1" = install ]; then
  if command -v apt-get >/dev/null 2>&1; then apt-get install -y docker.io
  else yum -y install docker-ce || yum -y install docker; fi || exit 1
fi
systemctl enable docker && systemctl start docker || exit 1
n=0
until timeout -k 2 10 docker version >/dev/null 2>&1; do
  n=$((n + 1)); [ $n -lt 30 ] || { echo "docker does not answer" >&2; exit 1; }
  sleep 1
done

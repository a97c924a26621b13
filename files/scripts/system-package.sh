# system-package.sh CONTAINER PACKAGE FILE: install an apt package in a container, from FILE if given,
# else from the image's repositories.
docker exec -e DEBIAN_FRONTEND=noninteractive "$1" sh -c '
  dpkg-query -W -f "\${Status}" "$1" 2>/dev/null | grep -q "ok installed" && exit 0
  if [ -n "$2" ]; then dpkg -i "$2"; else apt-get update && apt-get install -y "$1"; fi
  dpkg-query -W -f "\${Status}" "$1" | grep -q "ok installed"' sh "$2" "$3"

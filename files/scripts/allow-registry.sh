# allow-registry.sh HOST [SHA256]: have docker use the registry HOST without TLS.
# Without SHA256: print docker's daemon.json, in base64 between markers, unless docker does so already.
# With it: replace that file, which has this checksum, with the base64 content on stdin, and have docker
# read it, which disturbs no container. The original is kept.
file=/etc/docker/daemon.json
allowed() {
  # shellcheck disable=SC2046  # one name a word
  set -- "$1" $(docker info --format \
    '{{range .RegistryConfig.IndexConfigs}}{{if not .Secure}}{{.Name}} {{end}}{{end}}' 2>/dev/null)
  host=$1; shift
  for name; do [ "$name" != "$host" ] || return 0; done
  return 1
}
content() { [ ! -e "$file" ] || cat "$file"; }
if [ $# = 1 ]; then
  allowed "$1" || printf '\n@@begin\n%s\n@@end\n' "$(content | base64)"
  exit 0
fi
[ "$(content | sha256sum | cut -d' ' -f1)" = "$2" ] || { echo "$file has changed meanwhile"; exit 1; }
folders "${file%/*}" "$state/kept" && base64 -d > "$file.part" || exit 1
kept=
if [ -e "$file" ]; then
  kept=$state/kept/_etc_docker_daemon.json.$(printf %s "$2" | cut -c1-12)
  cp -p "$file" "$kept" && chmod --reference="$file" "$file.part" || exit 1
  echo "kept what was at $file as $kept"
fi
changed "$file" "$(sha256sum < "$file.part" | cut -d' ' -f1)" "${kept:--}"
mv -f "$file.part" "$file" && audit "allowed the insecure registry $1 in $file" || exit 1
systemctl reload docker || exit 1
n=0
until allowed "$1"; do
  n=$((n + 1))
  [ $n -lt 100 ] || break
  sleep 0.1
done
[ $n -lt 100 ] && exit 0
if [ -n "$kept" ]; then cp -p "$kept" "$file"; else rm -f "$file"; fi
systemctl reload docker
echo "docker does not take insecure-registries from $file: its unit may set them as an option, or another file"
exit 1

# pull-image.sh IMAGE ID: pull IMAGE (HOST/NAME@DIGEST) and verify that image ID is there. A pull that was
# interrupted continues: docker keeps complete layers.
# stdin: the user, the password, and the registry's CA in base64, one line each; empty if there is none.
# needs: images
IFS= read -r user && IFS= read -r password && IFS= read -r ca || exit 1
registry=${1%%/*}
umask 077
# in memory; also what a job left that was killed
place=/run/mlufleet-pull
trap 'rm -rf "$place"' EXIT
trap 'exit 1' HUP INT TERM
rm -rf "$place" && mkdir "$place" || exit 1
explain() {
  # name the failure by what docker printed: docker 17 to 28, both image stores
  case $(cat "$place/said") in
    *"HTTP response to HTTPS client"*) echo "@@code REGISTRY_INSECURE" ;;
    *x509:* | *"tls: failed to verify"* | *"certificate signed by"*) echo "@@code REGISTRY_CERTIFICATE" ;;
    *nauthorized* | *"no basic auth"* | *"access denied"* | *"access to the resource is denied"* | \
      *"denied:"* | *Forbidden* | *"authentication required"* | *"failed to authorize"*)
      echo "@@code REGISTRY_LOGIN" ;;
    *"manifest unknown"* | *"name unknown"* | *"not found"* | *"does not exist"*)
      echo "@@code IMAGE_NOT_FOUND" ;;
    *"dial tcp"* | *"no such host"* | *imeout* | *"deadline exceeded"* | *"connection refused"* | \
      *"connection reset"* | *"proxyconnect"* | *unreachable* | *"no route to host"* | *": EOF"* | \
      *"request canceled"* | *"status: 5"* | *"Service Unavailable"* | *"Bad Gateway"* | \
      *oomanyrequests* | *"Too Many Requests"*)
      echo "@@code REGISTRY_UNREACHABLE" ;;
  esac
}
if [ -n "$ca" ]; then
  # docker trusts every .crt file in this folder: those of the host's own people stay as they are
  own=/etc/docker/certs.d/$registry/mlufleet.crt
  printf %s "$ca" | base64 -d > "$place/ca" || exit 1
  if ! cmp -s "$place/ca" "$own"; then
    (umask 022 && folders "${own%/*}" && changed "$own" "$(sha256sum < "$place/ca" | cut -d' ' -f1)" - && cat "$place/ca" > "$own.part") && mv -f "$own.part" "$own" || exit 1
    audit "placed $own"
  fi
fi
if [ -n "$user" ]; then
  export DOCKER_CONFIG="$place"
  # an entry, so that docker keeps the login here and in no program for credentials
  printf '{"auths":{"%s":{}}}\n' "$registry" > "$place/config.json" || exit 1
  said=$(printf %s "$password" | docker login --username "$user" --password-stdin "$registry" 2>&1)
  case "$? $said" in
  0*) ;;
  *"--password-stdin"*)  # docker before 17.07: into the file itself
    printf '{"auths":{"%s":{"auth":"%s"}}}\n' "$registry" \
      "$(printf '%s:%s' "$user" "$password" | base64 | tr -d '\n')" > "$place/config.json" || exit 1 ;;
  *)
    printf '%s\n' "$said" > "$place/said"
    explain
    printf '%s\n' "$said"
    exit 1 ;;
  esac
fi
loaded "$2" "$1" || made image "$2" "$1"  # else it is somebody else's
{ docker pull "$1" 2>&1 </dev/null; echo $? > "$place/status"; } | tee "$place/said"
if [ "$(cat "$place/status")" != 0 ]; then
  explain
  exit 1
fi
loaded "$2" "$1" && exit 0
echo "docker pull brought $(docker image inspect --format '{{.Id}}' "$1" 2>&1), not $2: the digest in" \
  "image.registry is that of another image than the lock's"
exit 1

# inspect-engine.sh PYTHON IMAGE-ID…: report all containers, which packages were installed into them by
# hand, and by which names the images are known. Changes nothing. PYTHON: path of the images' python.
# A fact is "container" or "image" and a JSON object, or "account NAME", "folder PATH OWNER",
# "package CONTAINER-ID NAME".
# needs: images
python=$1; shift
T=$(printf '\t')
docker version --format '{{.Server.Version}}' >/dev/null || exit 1
for id; do
  timeout 20 docker image inspect --format "@@fact${T}image${T}{\"id\":\"$id\",\"names\":{{json .RepoTags}}}" \
    "$(known "$id")" 2>/dev/null
done
ids=$(timeout 20 docker ps --all --quiet --no-trunc) || exit 1
# shellcheck disable=SC2086  # words: ids
set -- $ids
describe() { [ $# -eq 1 ] || timeout 60 docker inspect --type container --format "$@" 2>/dev/null; }
# single labels, as others may hold secrets; a container that has gone meanwhile is no failure
object='{"id":{{json .ID}},"name":{{json .Name}},"image":{{json .Image}},"reference":{{json .Config.Image}}'
object="$object,\"running\":{{.State.Running}},\"privileged\":{{.HostConfig.Privileged}}"
object="$object,\"devices\":{{json .HostConfig.Devices}},\"mounts\":{{json .Mounts}}"
object="$object,\"restart\":{{json .HostConfig.RestartPolicy.Name}},\"removed\":{{.HostConfig.AutoRemove}}"
for label in mlufleet.spec owner user io.kubernetes.pod.name; do
  object="$object,\"$label\":{{with index .Config.Labels \"$label\"}}{{json .}}{{else}}\"\"{{end}}"
done
said=$(describe "@@fact${T}container${T}$object}" "$@")
case $? in 124 | 137) echo "docker does not describe its containers within 60 s"; exit 1 ;; esac
[ $# -eq 0 ] || [ -n "$said" ] || { echo "docker describes none of its $# containers"; exit 1; }
printf '%s\n' "$said"
# the tutorial's scripts append the owner's name to that of the container
describe '{{.Name}}' "$@" | while IFS= read -r name; do
  owner=${name##*-}
  id -u -- "$owner" >/dev/null 2>&1 && printf '@@fact\taccount\t%s\n' "$owner"
done
describe '{{range .Mounts}}{{println .Source}}{{end}}' "$@" | sort -u | while IFS= read -r path; do
  [ -d "$path" ] && printf '@@fact\tfolder\t%s\t%s\n' "$path" "$(stat -c %U -- "$path" 2>/dev/null)"
done
# what was installed since a container was made is in its own layer, whether it runs or not
describe "{{.ID}} {{with .GraphDriver.Data}}{{index . \"UpperDir\"}}{{end}}" "$@" | while read -r id layer; do
  [ -d "$layer${python%/bin/*}/lib" ] || continue
  timeout 20 find "$layer${python%/bin/*}/lib" -maxdepth 4 \( -name '*.dist-info' -o -name '*.egg-info' \
    -o -name '*.egg-link' \) ! -name "*[!A-Za-z0-9._+-]*" -printf "@@fact\tpackage\t$id\t%f\n"
done
echo '@@end'

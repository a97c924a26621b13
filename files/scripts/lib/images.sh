# Translate image ids. With containerd's image store, docker identifies an image by the digest of its
# manifest instead of its configuration, which is what the lock pins.
known() {
  # ID: print the id that docker uses for the image
  named=$(cat "$state/images/${1#sha256:}" 2>/dev/null)
  echo "${named:-$1}"
}
held() {
  # MANIFEST ID: succeed if containerd's files show that the manifest belongs to the image ID
  for store in "$(docker info --format '{{.DockerRootDir}}')/containerd/daemon" /var/lib/containerd; do
    blobs=$store/io.containerd.content.v1.content/blobs/sha256
    [ -f "$blobs/${1#sha256:}" ] || continue
    # the manifest may be an index of several
    for blob in $(grep -o 'sha256:[0-9a-f]\{64\}' "$blobs/${1#sha256:}") "$1"; do
      [ "$(stat -c %s "$blobs/${blob#sha256:}" 2>/dev/null || echo 9999999)" -lt 1000000 ] &&
        grep -q "\"digest\": *\"$2\"" "$blobs/${blob#sha256:}" && return
    done
  done
  return 1
}
note_tags() {
  # ID: note the names that an image got when this tool loaded it
  grep -qsF "$(printf '\timage\t%s\t' "$1")" "$state/made" || return 0
  docker image inspect --format '{{range .RepoTags}}{{println .}}{{end}}' "$(known "$1")" |
    while read -r reference; do [ -z "$reference" ] || made tag "$reference" "$1"; done
}
loaded() {
  # ID REFERENCE: succeed if docker has the image, and record the id that docker uses for it
  mkdir -p "$state/images"
  if docker image inspect "$1" >/dev/null 2>&1; then : > "$state/images/${1#sha256:}"
  else
    as=$(docker image inspect --format '{{.Id}}' "$2" 2>/dev/null) && held "$as" "$1" &&
      echo "$as" > "$state/images/${1#sha256:}"
  fi
}

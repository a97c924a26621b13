# record-release.sh IDENTITY IMAGE…: record that the host passed its smoke tests with this set of releases.
# The set before it is kept for a rollback.
# needs: images
identity=$1; shift
stamps=$state/stamps  # one record for the host, whichever release was deployed last
before=$(cat "$stamps/good" 2>/dev/null)
printf '%s\n' "$@" > "$state/releases/$identity.image"
[ "$before" != "$identity" ] || exit 0
[ -z "$before" ] || stamp good-before "$before"
stamp good "$identity"
# keep two sets and the images that were loaded for them
keep=" $identity $before "
for file in "$state"/releases/*; do
  name=${file##*/}
  case $keep in *" ${name%.*} "*) ;; *) rm -f "$file" ;; esac
done
for loaded in "$state"/images/*; do
  [ -f "$loaded" ] || continue
  grep -qxF "sha256:${loaded##*/}" "$state"/releases/*.image && continue
  # a complete record knows the images that this tool has loaded: no other is its to remove
  ! grep -qsF "$(printf '\tstate\t')" "$state/made" ||
    grep -qF "$(printf '\timage\tsha256:%s\t' "${loaded##*/}")" "$state/made" || continue
  # docker refuses to remove an image that is in use or has other names: it is not only ours then
  docker image rm "$(known "sha256:${loaded##*/}")" >/dev/null 2>&1 &&
    { rm -f "$loaded"; echo "removed image ${loaded##*/}: no kept release needs it"; }
done
exit 0

# IDENTITY IMAGE…: what this host is has passed its smoke tests; it and what it was before can be
# gone back to.
identity=$1; shift
stamps=$state/stamps  # of the host, whichever of its releases was the last
before=$(cat "$stamps/good" 2>/dev/null)
printf '%s\n' "$@" > "$state/releases/$identity.image"
[ "$before" != "$identity" ] || exit 0
[ -z "$before" ] || stamp good-before "$before"
stamp good "$identity"
# what is kept is bounded: two of them, and the images that were loaded for them
keep=" $identity $before "
for file in "$state"/releases/*; do
  name=${file##*/}
  case $keep in *" ${name%.*} "*) ;; *) rm -f "$file" ;; esac
done
for loaded in "$state"/images/*; do
  [ -f "$loaded" ] || continue
  grep -qxF "sha256:${loaded##*/}" "$state"/releases/*.image && continue
  # docker refuses while a container needs it or it has another name: then it is not only ours
  docker image rm "$(known "sha256:${loaded##*/}")" >/dev/null 2>&1 &&
    { rm -f "$loaded"; echo "removed image ${loaded##*/}: no kept release needs it"; }
done
exit 0

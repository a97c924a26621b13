# IDENTITY IMAGE: this release passed its smoke test; it and the one before can be gone back to.
before=$(cat "$state/stamps/good" 2>/dev/null)
printf '%s\n' "$2" > "$state/releases/$1.image"
[ "$before" != "$1" ] || exit 0
[ -z "$before" ] || stamp good-before "$before"
stamp good "$1"
# what is kept is bounded: two releases, and the images that were loaded for them
keep=" $1 $before "
for file in "$state"/releases/*; do
  name=${file##*/}
  case $keep in *" ${name%.*} "*) ;; *) rm -f "$file" ;; esac
done
for loaded in "$state"/images/*; do
  [ -f "$loaded" ] || continue
  grep -qxF "sha256:${loaded##*/}" "$state"/releases/*.image && continue
  # docker refuses while a container needs it or it has another name: then it is not only ours
  docker image rm "sha256:${loaded##*/}" >/dev/null 2>&1 &&
    { rm -f "$loaded"; echo "removed image ${loaded##*/}: no kept release needs it"; }
done
exit 0

# recall-made.sh [complete]: record what a version without a record has made on the host. stdin: what the
# releases of the host make, as kind, name and detail; with `complete`, nothing more follows.
# needs: git packages filesystems made-items
allowed=''
expected=$(cat)
is_complete || recalled | while IFS=$T read -r kind name detail; do made "$kind" "$name" "$detail"; done
for each in driver engine; do [ ! -f "$state/packages-$each" ] || note_installed "$each"; done
[ $# -eq 0 ] || made state "$state"

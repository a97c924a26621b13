# Functions about the folder that a container's servers are started from.
served_folder() {
  # CONTAINER: print the folder on the host of what it serves; nothing if it serves nothing
  docker inspect --type container --format \
    '{{range .Mounts}}{{if eq .Destination "/etc/mlufleet-serve"}}{{.Source}}{{end}}{{end}}' "$1" 2>/dev/null
}
withdraw_served() {
  # FOLDER: remove the key and the definition of what a container served that is gone
  case $1 in "$state/serve" | "$state/serve"/*) rm -f "$1/definition.json" "$1/key" ;; esac
}
forget_served() {
  # FOLDER: remove the program as well; folders of other releases may lie in it
  case $1 in "$state/serve" | "$state/serve"/*) ;; *) return 0 ;; esac
  withdraw_served "$1"
  rm -f "$1"/*.py "$1"/*.part
  rmdir "$1" 2>/dev/null
  return 0
}

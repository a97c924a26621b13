# read-file.sh PATH [CONTAINER]: print a file as base64, between markers as a login shell may print a banner.
text=$(if [ -n "${2:-}" ]; then docker exec "$2" base64 "$1"; else base64 "$1"; fi) || exit 1
printf '\n@@begin\n%s\n@@end\n' "$text"

# read-file.sh PATH [CONTAINER [CHECKOUT COMMIT]]: print a file as base64, between markers as a login shell
# may print a banner. With a CHECKOUT, PATH is the file in its COMMIT.
# needs: git
if [ -n "${3:-}" ]; then
  git --git-dir="$3/.git" cat-file -e "$4:$1" || exit 1
fi
text=$(
  if [ -n "${3:-}" ]; then git --git-dir="$3/.git" cat-file blob "$4:$1" | base64
  elif [ -n "${2:-}" ]; then docker exec "$2" base64 "$1"
  else base64 "$1"
  fi
) || exit 1
printf '\n@@begin\n%s\n@@end\n' "$text"

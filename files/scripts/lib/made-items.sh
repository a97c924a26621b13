# What this tool made on the host, by its record, and what became of it.
T=$(printf '\t')
N='
'
known_made() {
  # print kind, name and detail of everything that this tool made, one line each. A host that a version
  # without a record provisioned says it by other means: `expected` has the lines of its releases
  cut -f2-4 "$state/made" 2>/dev/null
  grep -qs "${T}state${T}$state${T}" "$state/made" || recalled
}
recalled() {
  # what stamps and the engine prove of the lines in `expected`
  printf '%s\n' "$expected" | while IFS=$T read -r kind name detail; do
    case $kind in
      container)
        for known in "$state"/stamps/container-name "$state"/stamps/*/container-name; do
          [ "$(cat "$known" 2>/dev/null)" != "$name" ] || printf '%s\t%s\t\n' container "$name"
        done ;;
    esac
  done
}
answers() {
  # succeed if docker answers; the question is asked once
  [ -n "${answering:-}" ] ||
    if timeout -k 2 20 docker version >/dev/null 2>&1 </dev/null; then answering=yes; else answering=no; fi
  [ "$answering" = yes ]
}
judge() {
  # KIND NAME DETAIL: set `verdict` to gone, ours, or a reason for which it has to stay; `why` to more words
  verdict=ours why=
  case $1 in
    container) judge_container "$2" ;;
    state) [ -n "$(find "$state" -mindepth 1 -maxdepth 1 ! -name 'lock*' 2>/dev/null | head -n 1)" ] ||
      verdict=gone ;;
    *) verdict="not looked at" ;;
  esac
}
judge_container() {
  # NAME: only what carries this tool's label is its own; the same name alone proves nothing
  if ! command -v docker >/dev/null 2>&1; then verdict=gone
  elif ! answers; then verdict="docker does not answer"
  else
    case $(docker inspect --type container --format '{{.Config.Labels}}' "$1" 2>/dev/null || echo none) in
      none) verdict=gone ;;
      *mlufleet.spec:*) ;;
      *) verdict="made by somebody else" ;;
    esac
  fi
}

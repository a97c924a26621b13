# Find the processes that use a card, and what would restart them.
holder() {
  # PID [CARDS]: print a process, its supervisor by its control group, and the numbers of its cards,
  # without starting a process
  id='' kind='' name=''
  set -f
  while IFS=: read -r _ _ path; do
    IFS=/
    for part in $path; do
      case $part in
        kubepods*-pod*) name=${part##*-pod} kind=pod; name=${name%.slice} ;;
        pod*) case $path in *kubepods*) name=${part#pod} kind=pod ;; esac ;;
        *.service) [ -n "$kind" ] || name=$part kind=unit ;;
      esac
      hex=${part%.scope}
      hex=${hex##*-}
      case $hex in *[!0-9a-f]*) continue ;; esac
      [ ${#hex} -eq 64 ] || continue
      id=$hex
      [ "$kind" = pod ] || case $path in
        *libpod*) kind=podman name='' ;;
        *docker*) kind=docker name='' ;;
        *) kind=container name='' ;;
      esac
    done
    unset IFS
  done < "/proc/$1/cgroup"
  set +f
  case $kind in
    pod)  # kubelet names a pod's log directory NAMESPACE_NAME_UID
      case $name in *_*) name=$(printf %s "$name" | tr _ -) ;; esac
      for folder in /var/log/pods/*_"$name"; do
        [ -d "$folder" ] || continue
        folder=${folder##*/}
        name=${folder%_*}
        name=${name%%_*}/${name#*_}
        break
      done ;;
    docker)
      IFS= read -r said < "/var/lib/docker/containers/$id/config.v2.json"
      case $said in *'"Name":"/'*) name=${said#*'"Name":"/'} name=${name%%'"'*} ;; esac ;;
  esac 2>/dev/null
  # users choose process names: a tab would start another field
  command=$(first "/proc/$1/comm")
  say holder "$1" "${command%%"$T"*}" "$id" "$kind" "${name%%"$T"*}" ${2:+"$2"}
}

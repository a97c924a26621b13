# container.sh create NAME SPEC FACTS RUN-OPTIONS… | start|restart|remove|retire NAME
#   | keep|stop|put-back NAME
# Create a release's container or change its state. SPEC is the digest of its definition, FACTS the
# docker template whose output is recorded to detect changes. `keep` and `stop` are for containers of
# somebody else; what they were is recorded, and `put-back` makes them so again.
# needs: images follow-driver served-folder
how=$1 name=$2; shift 2
remembered() {
  # read what was recorded of container $id: its own name, the one it was kept under, its restart
  # policy, and whether it ran
  detail=$(grep -sF "$(printf '\tadopted\tcontainer:%s\t' "$id")" "$state/made" | tail -n 1 | cut -f4)
  read -r first kept policy ran <<WORDS
$detail
WORDS
  [ -n "$detail" ]
}
remember() {
  # [KEPT]: record what container $name is before anything is done to it; what a run that was killed
  # has recorded of it already counts
  seen=$(docker inspect --type container --format '{{.ID}} {{.HostConfig.AutoRemove}} {{.Name}} {{with .HostConfig.RestartPolicy}}{{.Name}}:{{.MaximumRetryCount}}{{end}} {{.State.Running}}' "$name") ||
    return 1
  read -r id removed called policy_now running <<WORDS
$seen
WORDS
  if ! remembered; then
    first=${called#/} policy=${policy_now%:0} ran=$running
    kept=$first policy=${policy:-no}
  fi
  [ "$kept" != "$first" ] || kept=${1:-$kept}
  made adopted "container:$id" "$first $kept $policy $ran"
}
halt() {
  # what is to stay stopped must not come back when docker starts
  { [ "$policy" = no ] || docker update --restart no "$id"; } && docker stop -t 10 "$id"
} >/dev/null
undo() {
  # print the one command that makes container $first what it was
  command=
  [ "$policy" = no ] || command=" && docker update --restart $policy $kept"
  [ "$kept" = "$first" ] || command="$command && docker rename $kept $first"
  [ "$ran" != true ] || command="$command && docker start $first"
  echo "${command# && }"
}
case $how in
  create)
    # docker would create a directory in place of a missing bind-mounted file
    [ -f /usr/bin/cnmon ] || { echo "/usr/bin/cnmon is not a file"; exit 1; }
    spec=$1 facts=$2; shift 2
    for argument; do
      shift
      case $argument in sha256:*) argument=$(known "$argument") ;; esac
      set -- "$@" "$argument"
    done
    made container "$name"
    docker run --detach "$@" || exit 1
    follow_driver
    # record what docker created: a label alone can be set on any container
    stamp container-name "$name"
    stamp container "$spec $(docker inspect --type container --format "$facts" "$name" |
      sha256sum | cut -c1-16)" ;;
  start)
    docker unpause "$name" 2>/dev/null  # a paused container cannot be started
    docker start "$name" ;;
  restart) docker restart "$name" ;;
  remove)
    served=$(served_folder "$name")
    # one that serves lets its requests end; another ends at once
    docker stop "$name" >/dev/null
    docker rm -f "$name" || exit 1
    withdraw_served "$served" ;;
  retire)
    # no release of this host uses it any more; a container recreated by someone else stays
    case $(docker inspect --type container --format '{{.Config.Labels}}' "$name" 2>/dev/null) in
      *mlufleet.spec:*)
        served=$(served_folder "$name")
        docker stop "$name" >/dev/null
        docker rm -f "$name" || exit 1
        forget_served "$served" ;;
    esac
    for known in "$state"/stamps/container-name "$state"/stamps/*/container-name; do
      [ -f "$known" ] && [ "$(cat "$known")" = "$name" ] && rm -f "$known" "${known%-name}" "${known%/*}"/serve-files
    done
    exit 0 ;;
  keep)
    # another name for a container of somebody else, which leaves the cards
    remember "$name-kept-$(date +%Y%m%d-%H%M%S)" || exit 1
    if [ "$removed" = true ]; then  # when that is, its owner decides
      echo "$kept runs on, as docker would remove it (--rm)"
      ran=
    else
      halt || exit 1
    fi
    docker rename "$id" "$kept" || exit 1
    echo "kept what was at $name as $kept; to undo it: $(undo)" ;;
  stop)
    remember || exit 1
    [ "$removed" != true ] || {
      echo "docker would remove container $first (--rm); its owner has to end it"
      exit 1
    }
    halt || exit 1
    echo "kept what was in container $kept, which is stopped; to undo it: $(undo)" ;;
  put-back)
    # NAME is an id: its own name, its restart policy, and started if it ran
    id=$name
    remembered && now=$(docker inspect --type container --format '{{.Name}}' "$id" 2>/dev/null) || exit 0
    [ "$now" != "/$kept" ] || [ "$kept" = "$first" ] || docker rename "$id" "$first" || exit 1
    [ "$policy" = no ] || docker update --restart "$policy" "$id" || exit 1
    [ "$ran" != true ] || docker start "$id" ;;
esac

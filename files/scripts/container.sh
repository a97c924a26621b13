# container.sh create NAME SPEC FACTS RUN-OPTIONS… | start|restart|remove|keep|retire NAME
# Create a release's container or change its state. SPEC is the digest of its definition, FACTS the
# docker template whose output is recorded to detect changes.
# needs: images follow-driver
how=$1 name=$2; shift 2
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
    docker run --detach "$@" || exit 1
    follow_driver
    # record what docker created: a label alone can be set on any container
    stamp container-name "$name"
    stamp container "$spec $(docker inspect --type container --format "$facts" "$name" |
      sha256sum | cut -c1-16)" ;;
  start)
    docker unpause "$name" 2>/dev/null  # a paused container cannot be started
    docker start "$name" ;;
  restart) docker restart -t 10 "$name" ;;
  remove) docker rm -f "$name" ;;
  retire)
    # no release of this host uses it any more; a container recreated by someone else stays
    case $(docker inspect --type container --format '{{.Config.Labels}}' "$name" 2>/dev/null) in
      *mlufleet.spec:*) docker rm -f "$name" || exit 1 ;;
    esac
    for known in "$state"/stamps/container-name "$state"/stamps/*/container-name; do
      [ -f "$known" ] && [ "$(cat "$known")" = "$name" ] && rm -f "$known" "${known%-name}"
    done
    exit 0 ;;
  keep)
    kept="$name-kept-$(date +%Y%m%d-%H%M%S)"
    docker rename "$name" "$kept" || exit 1
    # docker removes a `docker run --rm` container when it stops; its owner decides when that is
    case $(docker inspect --type container --format '{{.HostConfig.AutoRemove}}' "$kept") in
      true) echo "$kept runs on, as docker would remove it (--rm)" ;;
      *) docker update --restart no "$kept" && docker stop "$kept" || exit 1 ;;
    esac
    echo "kept what was at $name as $kept" ;;
esac

# create NAME SPEC FACTS RUN-OPTIONS… | start|restart|remove|keep NAME
how=$1 name=$2; shift 2
case $how in
  create)
    # docker makes a missing file of a bind mount into a folder on the host
    [ -f /usr/bin/cnmon ] || { echo "/usr/bin/cnmon is not a file"; exit 1; }
    spec=$1 facts=$2; shift 2
    docker run --detach "$@" || exit 1
    # what docker made of it: a label alone can be given to anything
    stamp container "$spec $(docker inspect --type container --format "$facts" "$name" |
      sha256sum | cut -c1-16)" ;;
  start)
    docker unpause "$name" 2>/dev/null  # one that is paused cannot be started
    docker start "$name" ;;
  restart) docker restart -t 10 "$name" ;;
  remove) docker rm -f "$name" ;;
  keep)
    kept="$name-kept-$(date +%Y%m%d-%H%M%S)"
    docker rename "$name" "$kept" && docker update --restart no "$kept" && docker stop "$kept" &&
      echo "kept what was at $name as $kept" ;;
esac

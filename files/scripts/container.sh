# create|start|restart|remove|keep NAME [RUN OPTIONS…]
how=$1 name=$2; shift 2
case $how in
  create)
    # docker makes a missing file of a bind mount into a folder on the host
    [ -f /usr/bin/cnmon ] || { echo "/usr/bin/cnmon is not a file"; exit 1; }
    docker run --detach "$@" ;;
  start) docker start "$name" ;;
  restart) docker restart -t 10 "$name" ;;
  remove) docker rm -f "$name" ;;
  keep)
    kept="$name-kept-$(date +%Y%m%d-%H%M%S)"
    docker rename "$name" "$kept" && docker update --restart no "$kept" && docker stop "$kept" &&
      echo "kept what was at $name as $kept" ;;
esac

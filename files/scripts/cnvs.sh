# cnvs.sh PLUGIN CONFIG CONTAINER SECONDS: run one plugin of the vendor's validation suite, on the host or
# in CONTAINER, for SECONDS at most. CONFIG may be empty.
# The exit status is not evaluated: the controller parses the printed verdict.
plugin=$1 config=$2 container=$3 seconds=$4
# whatever the result is, an earlier pass no longer counts
stamp validation "begun"
if [ -z "$container" ]; then
  PATH=$PATH:/usr/local/neuware/bin
  cnvs -r "$plugin" ${config:+-c "$config"} -v 2>&1 || echo "cnvs ended with status $?"
  exit 0
fi
# the time limit is counted inside: a process in a container outlives the docker client. The suite
# writes its own log into its working directory
docker exec -w /tmp "$container" sh -c 'PATH=$PATH:/usr/local/neuware/bin
  exec timeout -k 10 "$1" cnvs -r "$2" ${3:+-c "$3"} -v' sh "$seconds" "$plugin" "$config" 2>&1
status=$?
case $status in
  0) ;;
  124 | 137) exit 124 ;;
  *) echo "cnvs ended with status $status" ;;
esac
exit 0

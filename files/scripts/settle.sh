# Waits until the services of this boot are there; a degraded system is up all the same.
n=0
while [ $n -lt 60 ]; do
  case $(systemctl is-system-running 2>/dev/null) in running | degraded) exit 0 ;; esac
  n=$((n + 1)); sleep 2
done
exit 0

# wait-for-boot.sh: wait up to 2 minutes until the services of this boot are up; "degraded" counts as up.
n=0
while [ $n -lt 60 ]; do
  case $(systemctl is-system-running 2>/dev/null) in running | degraded) exit 0 ;; esac
  n=$((n + 1)); sleep 2
done
exit 0

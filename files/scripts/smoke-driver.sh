# smoke-driver.sh: print cnmon's output, which the controller checks as cnmon always exits with 0, then
# check each card's core state. The output is collected first, so that a hanging cnmon is noticed.
text=$(timeout -k 2 30 cnmon 2>&1) || { echo "cnmon did not answer in 30 s"; exit 1; }
printf '%s\n' "$text"
for state in /proc/driver/cambricon/mlus/*/core_state; do
  [ "$(cat "$state")" = CN_RUNNING ] && continue
  echo "@@code CARD_UNHEALTHY"; echo "$state: $(cat "$state")"; exit 1
done

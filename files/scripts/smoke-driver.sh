# What cnmon prints, for the controller to read: it exits 0 always. Then every card's own word.
# Its output is waited for, so that one that is stuck in the kernel is not left as if it had ended.
text=$(timeout -k 2 30 cnmon 2>&1) || { echo "cnmon did not answer in 30 s"; exit 1; }
printf '%s\n' "$text"
for state in /proc/driver/cambricon/mlus/*/core_state; do
  [ "$(cat "$state")" = CN_RUNNING ] && continue
  echo "@@code CARD_UNHEALTHY"; echo "$state: $(cat "$state")"; exit 1
done

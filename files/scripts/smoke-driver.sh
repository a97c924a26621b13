# VERSION CARDS: cnmon exits 0 always, so only what it prints counts.
text=$(timeout -k 2 30 cnmon 2>&1) || { echo "cnmon did not answer in 30 s"; exit 1; }
case $text in *CNDEV_ERROR*) echo "$text"; exit 1 ;; esac
# "Driver vX": the header also has the version of cnmon itself
case $text in *"Driver v$1 "*) ;; *) echo "cnmon does not show driver v$1"; exit 1 ;; esac
cards=$(printf '%s\n' "$text" | grep -cE '^\| *[0-9]+ +[^ ]+ +MLU')
[ "$cards" = "$2" ] || { echo "cnmon shows $cards cards, expected $2"; exit 1; }
for state in /proc/driver/cambricon/mlus/*/core_state; do
  [ "$(cat "$state")" = CN_RUNNING ] && continue
  echo "@@code CARD_UNHEALTHY"; echo "$state: $(cat "$state")"; exit 1
done

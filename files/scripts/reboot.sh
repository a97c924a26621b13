# In a moment, so that this command still returns.
(sleep 1; systemctl reboot || reboot) >/dev/null 2>&1 </dev/null &

# read-audit-log.sh OFFSET BYTES: print a part of the audit log as base64, between markers.
text=$(tail -c +$(($1 + 1)) "$state/audit.log" 2>/dev/null | head -c "$2" | base64) || exit 1
printf '\n@@begin\n%s\n@@end\n' "$text"

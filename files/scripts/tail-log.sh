# tail-log.sh ID: print the last line of a job's output.
tail -c 400 "$state/jobs/$1/log" 2>/dev/null | tr '\r' '\n' | tail -n 1 | cut -c1-160

# ID: the last thing that a job said.
tail -c 400 "$state/jobs/$1/log" 2>/dev/null | tr '\r' '\n' | tail -n 1 | cut -c1-160

# ask-verdict.sh: print what this host says of itself, after the exit status.
program=$state/verdict.sh line='unknown: NOT_RECORDED: there is no verdict.sh on this host' status=3
if [ -f "$program" ]; then
  line=$(sh "$program")
  status=$?
fi
echo "@@verdict $status $line"

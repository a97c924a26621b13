#!/bin/sh
# Prolog and HealthCheckProgram of Slurm for hosts of mlu-fleet: a node that is not ready takes no job.
#   Prolog=/etc/slurm/check-node.sh
#   PrologFlags=Alloc
#   SchedulerParameters=nohold_on_prolog_fail
#   HealthCheckProgram=/etc/slurm/check-node.sh
#   HealthCheckInterval=300
# docs/slurm.md says what that costs, what it risks, and how to undo it.
# Verdicts on which the node is drained, and codes on which it is even if it goes on answering: a job may get
# any card. Add `degraded` to drain it whatever is wrong.
DRAIN_ON='broken unknown CARD_DROPPED CARDS_MISSING CARD_UNHEALTHY DRIVER_NOT_PROVED HUNG'
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/slurm/bin
verdict=/var/lib/mlufleet/verdict.sh
ask() {
  if [ -f "$verdict" ]; then line=$(sh "$verdict" 2>/dev/null </dev/null)
  else line='unknown: NOT_RECORDED: there is no verdict.sh on this node'
  fi
  case $line in ready | degraded:* | broken:* | unknown:*) ;; *) line='unknown: PROBE_FAILED: no verdict' ;; esac
}
# a host that is busy may have been too slow to answer: no node is drained on one look that saw nothing. All
# of this ends within nine seconds: slurmctld waits for a prolog no longer than MessageTimeout, which is ten
ask
case $line in unknown:*) sleep 1; ask ;; esac
drains=
for word in $DRAIN_ON; do
  case " $line " in " $word:"* | *" $word "* | *" $word: "*) drains=yes ;; esac
done
[ -n "$drains" ] || exit 0
# A prolog should not call Slurm, as many do so at once: this one does only if it fails. Slurm itself would
# say no more than "Prolog error". The reason of a node that is drained already stays.
node=${SLURMD_NODENAME:-$(hostname -s)}
case $(timeout 2 scontrol --oneliner show node "$node" 2>/dev/null) in
  *' State='*DRAIN*) ;;
  *) timeout 2 scontrol update nodename="$node" state=drain reason="mlufleet $line" ;;
esac
echo "$line"
# Slurm requeues a job whose prolog fails; slurmd does not register while its health check fails
[ -z "${SLURM_JOB_ID:-}" ] || exit 1

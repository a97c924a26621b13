# place-verdict.sh [NAME VALUE…]: place the script that says on this host itself whether it is what was proved
# now, then write these stamps. Its text comes on standard input; the boot is added to it.
# needs: daemon
program=$state/verdict.sh
{ printf '#!/bin/sh\nBOOT=%s\n' "$(booted)"; cat; } > "$program.part" && chmod 755 "$program.part" && sync &&
  mv -f "$program.part" "$program" || exit 1
while [ $# -gt 1 ]; do stamp "$1" "$2" || exit 1; shift 2; done
note_daemon || :  # each look asks it then

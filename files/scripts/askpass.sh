# sudo's password, the first line of stdin, as long as stdin is open: in memory, in a file that only
# the login user can read. `read` and `printf` are the shell's own, so it is in no process list.
# sudo gives its prompt to the program that is to ask, so cat as that program and the file as the
# prompt answer it; nothing of ours has to be run, as folders may be mounted noexec.
# Prints "@@askpass FOLDER HOW CODE WHY", the last in base64: HOW is "terminal" where sudo asks for
# one, CODE that of its refusal, or "-". PATIENCE: seconds that sudo has.
umask 077
say() { echo "@@askpass ${place:--} $how $1 $(printf %s "$2" | base64 | tr -d '\n')"; }
how=plain place=
trap 'rm -rf "$place"; kill $! 2>/dev/null' EXIT
trap 'exit 1' HUP TERM
IFS= read -r secret || exit 1
memory="/dev/shm /run/user/$(id -u)"
for folder in $memory; do
  place=$(mktemp -d "$folder/mlufleet.XXXXXXXXXX" 2>/dev/null) && break
done
if [ -z "$place" ] || ! printf '%s\n' "$secret" > "$place/answer"; then
  say ASKPASS "no file can be made in $memory"; exit 1
fi
ln -s "$(command -v cat)" "$place/cat"
export SUDO_ASKPASS="$place/cat" SUDO_PROMPT="$place/answer"
late() {
  # STATUS of a sudo that failed
  code=SUDO
  case $1 in 124 | 137) said="no answer within $PATIENCE s" ;; esac
}
# beside what waits for the end: where sudo hangs, the answer still goes with the connection
{
  try="timeout --foreground -k 5 ${PATIENCE:=90} sudo -k -A true" code=-
  said=$($try 2>&1 </dev/null) || late $?
  case $said in *'must have a tty'*)
    how=terminal code=-
    said=$(terminal "$try" 2>&1 </dev/null) || late $? ;;
  esac
  case $said in *'must have a tty'* | *'gives no terminal'*) code=REQUIRETTY ;; esac
  say $code "sudo says: $said"
} &
while read -r _; do :; done

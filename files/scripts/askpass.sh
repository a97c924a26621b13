# askpass.sh: make the sudo password, the first line of stdin, available to sudo while stdin is open.
# PATIENCE: seconds that sudo may take (default 90).
# The password is kept in memory, in a file that only the login user can read. `read` and `printf` are
# shell builtins, so it never appears in a process list. sudo passes its prompt to SUDO_ASKPASS as an
# argument; with `cat` as the program and the file as the prompt, sudo reads the password without
# running a program of ours, which also works on noexec file systems.
# Prints "@@askpass FOLDER HOW CODE WHY": HOW is "terminal" if sudo needs a terminal, CODE is the
# failure code or "-", WHY is base64.
# needs: terminal
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
  # EXIT-STATUS: explain a sudo that failed
  code=SUDO
  case $1 in 124 | 137) said="no answer within $PATIENCE s" ;; esac
}
# in the background: if sudo hangs, the answer file is still removed when stdin ends
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

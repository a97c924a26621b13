# What a host's own settings change of every program, set the same for all: the language of
# messages, where programs are (sudo's secure_path may lack /usr/local/bin), how long `read` waits.
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/neuware/bin"
unset TMOUT CDPATH GREP_OPTIONS POSIXLY_CORRECT
umask 022

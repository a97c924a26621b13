# What a host's own settings change of every program, set the same for all: the language of
# messages, where programs are (sudo's secure_path may lack /usr/local/bin), how long `read` waits.
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/neuware/bin"
unset TMOUT CDPATH GREP_OPTIONS POSIXLY_CORRECT
umask 022
# the engine of this very host, whatever root has docker talk to, and in its own words
unset DOCKER_HOST DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION DOCKER_CONFIG \
  DOCKER_DEFAULT_PLATFORM DOCKER_CONTENT_TRUST
export DOCKER_CONTEXT=default

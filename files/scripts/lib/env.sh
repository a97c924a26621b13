# Environment of every remote command, independent of the host's settings: message language, search
# path (sudo's secure_path may lack /usr/local/bin), no timeout of `read`.
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/neuware/bin"
unset TMOUT CDPATH GREP_OPTIONS POSIXLY_CORRECT
umask 022
# talk to this host's own docker engine, whatever root's environment selects
unset DOCKER_HOST DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION DOCKER_CONFIG \
  DOCKER_DEFAULT_PLATFORM DOCKER_CONTENT_TRUST
export DOCKER_CONTEXT=default

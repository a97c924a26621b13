"""Known error messages of other programs, with remedies more specific than the failure code's."""

from __future__ import annotations

import re
from typing import NamedTuple

from fleet.language import N_, _

#: Failure codes whose output comes from Docker, from git, and from programs in the container.
DOCKER_CODES, GIT_CODES = ("CONTAINER", "ENGINE", "IMAGE_LOAD"), ("SOURCE_PIN",)
IN_CONTAINER_CODES = ("MIGRATION", "PACKAGES")


class ErrorPattern(NamedTuple):
    """A message of another program and what to do about it."""

    #: Failure codes whose output is searched.
    codes: tuple[str, ...]
    #: Regular expression that is searched in the output.
    pattern: str
    #: What the operator should do: a message, which `_()` shows.
    remedy: str


#: The first pattern that matches wins.
PATTERNS = (
    ErrorPattern(
        DOCKER_CODES,
        'error mounting "proc"',
        N_(
            "runc is not allowed to mount /proc. Check `dmesg` and the audit log "
            "for a denial. If the host is itself a container, it needs "
            "`--security-opt systempaths=unconfined`."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "error gathering device information|/dev/cambricon_.*no such file",
        N_(
            "A device node of the driver is missing. Check `ls -l /dev/cambricon*` "
            "and `dmesg | grep -i cambricon`, then run again to recreate the nodes."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "port is already allocated|address already in use",
        N_("Another process uses the port. Find it with `ss -ltnp`."),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "container name .* is already in use",
        N_(
            "Another container has taken the name in the meantime. Rename it with "
            "`docker rename`, then run again."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "user namespaces|userns",
        N_("Remove `userns-remap` from /etc/docker/daemon.json and restart Docker."),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "(?i:apparmor)",
        N_(
            "AppArmor denies the container. Check `aa-status`, run `systemctl "
            "reload apparmor` and restart Docker."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "(?i:seccomp)",
        N_(
            "Docker's seccomp filter requires a newer libseccomp or kernel. Update "
            "them together with Docker."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "(?i:selinux)|/proc/self/attr|setexeccon",
        N_(
            "SELinux denies the operation; `ausearch -m avc -ts recent` shows "
            "which one. Install Docker's policy (container-selinux), or set "
            "`selinux-enabled: false` in /etc/docker/daemon.json."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "(?i:cgroup)",
        N_(
            "Docker does not support the host's cgroup version. Docker 20.10 and "
            "newer support version 2; older ones need "
            "`systemd.unified_cgroup_hierarchy=0` on the kernel command line."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "bind source path does not exist|invalid mount config",
        N_(
            "The source path of a mount does not exist on the host. Check for a "
            "file system that is not mounted."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "error while creating mount source path",
        N_(
            "The source path of a mount cannot be created on the host. Check what "
            "occupies it. On a network file system, root needs `no_root_squash` to "
            "write."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "mount a directory onto a file|not a directory",
        N_(
            "A directory exists where a file should be, for example at "
            "/usr/bin/cnmon. Remove it if it is empty."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "image's platform|exec format error|no matching manifest",
        N_(
            "The image was built for another CPU architecture. Lock an image for "
            "the host's architecture."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "(?i:nvidia|invalid runtime name|could not select device driver)",
        N_(
            "Docker's default runtime is not installed. Remove `default-runtime` "
            "from /etc/docker/daemon.json and restart Docker."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "network .* not found",
        N_(
            "Create the network with `docker network create`, or name another one "
            "in `container.network`."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "(?i:iptables)",
        N_(
            "Docker's iptables rules were removed, for example by a restart of "
            "firewalld. Run `systemctl restart docker`."
        ),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "Cannot connect to the Docker daemon|Is the docker daemon running|containerd.sock",
        N_("Check `systemctl status docker containerd` and `journalctl -u docker -u containerd`."),
    ),
    ErrorPattern(
        DOCKER_CODES,
        "invalid tar header|unexpected EOF|archive/tar",
        N_(
            "The archive cannot be unpacked. Verify the one in the store with "
            "`mlufleet inventory check INVENTORY --full`."
        ),
    ),
    ErrorPattern(
        ("REGISTRY_CERTIFICATE",),
        "(?i:expired|not yet valid)",
        N_(
            "The certificate is outside its time of validity. Check the host's "
            "clock (`date`), then renew the registry's certificate."
        ),
    ),
    ErrorPattern(
        ("REGISTRY_CERTIFICATE",),
        "(?i:valid for|IP SANs|Common Name|hostname mismatch|IP address mismatch)",
        N_(
            "The certificate is for another name than the one in `image.registry`. "
            "Use a name that it contains (subjectAltName), or have it issued for "
            "this one."
        ),
    ),
    ErrorPattern(
        ("REGISTRY_UNREACHABLE",),
        "(?i:toomanyrequests|too many requests)",
        N_(
            "The registry limits how often one address pulls. Log in "
            "(`registry_login`), or use a registry of the site as a mirror."
        ),
    ),
    ErrorPattern(
        ("REGISTRY_UNREACHABLE",),
        "(?i:no such host|name resolution|server misbehaving|name or service not known)",
        N_(
            "The registry's name cannot be resolved. Check `getent hosts NAME` and "
            "/etc/resolv.conf; Docker uses the host's name servers."
        ),
    ),
    ErrorPattern(
        ("REGISTRY_UNREACHABLE",),
        "proxyconnect|Proxy",
        N_(
            "The proxy does not answer or refuses. Check HTTPS_PROXY and NO_PROXY "
            "in the environment of docker.service; a registry of the site usually "
            "belongs in NO_PROXY."
        ),
    ),
    ErrorPattern(
        IN_CONTAINER_CODES,
        "(?i:permission denied)",
        N_(
            "The container cannot write to a mounted folder. `docker info` shows "
            "why (name=selinux, name=userns). Label the folder with `chcon -Rt "
            "container_file_t FOLDER`, or disable the feature in "
            "/etc/docker/daemon.json."
        ),
    ),
    ErrorPattern(
        GIT_CODES,
        r"index\.lock",
        N_(
            "Another git process is running there, or one was interrupted. If none "
            "is running, remove index.lock."
        ),
    ),
    ErrorPattern(
        GIT_CODES,
        "untracked working tree files would be overwritten",
        N_(
            "The commit contains a file that exists in the checkout and is ignored "
            "by git, so it may be a user's own. Move it away."
        ),
    ),
    ErrorPattern(
        GIT_CODES,
        "(?i:certificate)",
        N_(
            "The certificate of the origin is not trusted. Set its CA with `git "
            "config --system http.sslCAInfo FILE` on the host, or use a `bundle`."
        ),
    ),
    ErrorPattern(
        GIT_CODES,
        "(?i:could not resolve|unreachable|connection refused|timed out|does not answer)",
        N_(
            "The host cannot reach the origin. Set a `bundle` for the source, or "
            "set `http.proxy` with `git config --system` on the host."
        ),
    ),
    ErrorPattern(
        GIT_CODES,
        "(?i:permission denied|authentication failed|could not read username|host key)",
        N_(
            "The origin requires a login that root on the host does not have. Set "
            "a `bundle` for the source, or give root an SSH key, ~/.netrc or "
            "~/.git-credentials."
        ),
    ),
)


def find_remedy(code: str, output: str) -> str | None:
    """Return the remedy for an error message that is known.

    Args:
        code: The failure code of the step that printed the output.
        output: Text to search.

    Returns:
        The remedy of the first pattern that matches, or None.
    """
    return next(
        (
            _(known.remedy)
            for known in PATTERNS
            if code in known.codes and re.search(known.pattern, output)
        ),
        None,
    )


def render_reference() -> str:
    """Render the patterns as a section of docs/failures.md."""
    rows = []
    for codes, pattern, remedy in PATTERNS:
        escaped = escape_pipes(pattern.replace("(?i:", "("))
        rows.append(f"| {', '.join(codes)} | `{escaped}` | {escape_pipes(_(remedy))} |")
    titles = " | ".join((_("code"), _("message"), _("remedy")))
    head = ["", "## " + _("Known error messages"), "", f"| {titles} |", "|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def escape_pipes(text: str) -> str:
    """Return a text as a cell of a Markdown table has it; GitHub splits cells even within code.

    Args:
        text: The text.
    """
    return text.replace("|", r"\|")

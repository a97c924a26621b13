"""What other programs say, and what to do about it: closer than the remedy of a code."""

from __future__ import annotations

import re

#: whose words they are taken for
DOCKER_CODES, GIT_CODES = ("CONTAINER", "ENGINE", "IMAGE_LOAD"), ("SOURCE_PIN",)
IN_CONTAINER_CODES = ("MIGRATION", "PACKAGES")

#: (codes, what is said, what to do); the first that fits
PATTERNS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        DOCKER_CODES,
        'error mounting "proc"',
        "runc may not mount /proc: look for a denial in `dmesg` and the audit log; a host that is "
        "a container itself needs `--security-opt systempaths=unconfined`",
    ),
    (
        DOCKER_CODES,
        "error gathering device information|/dev/cambricon_.*no such file",
        "a node of the driver is missing: `ls -l /dev/cambricon*`, `dmesg | grep -i cambricon`; "
        "run again, which makes nodes anew",
    ),
    (
        DOCKER_CODES,
        "port is already allocated|address already in use",
        "something else has the port: `ss -ltnp` names it",
    ),
    (
        DOCKER_CODES,
        "container name .* is already in use",
        "another container has the name since: `docker rename` it, then run again",
    ),
    (
        DOCKER_CODES,
        "user namespaces|userns",
        "take `userns-remap` out of /etc/docker/daemon.json and restart docker",
    ),
    (
        DOCKER_CODES,
        "(?i:apparmor)",
        "AppArmor refuses the container: `aa-status`, `systemctl reload apparmor`, restart docker",
    ),
    (
        DOCKER_CODES,
        "(?i:seccomp)",
        "docker's seccomp filter needs a newer libseccomp or kernel: update them with docker",
    ),
    (
        DOCKER_CODES,
        "(?i:selinux)|/proc/self/attr|setexeccon",
        "SELinux refuses it: `ausearch -m avc -ts recent` says what; install docker's policy "
        "(container-selinux), or `selinux-enabled: false` in /etc/docker/daemon.json",
    ),
    (
        DOCKER_CODES,
        "(?i:cgroup)",
        "docker and the host's cgroup hierarchy do not fit: docker 20.10 knows version 2, an older "
        "one needs `systemd.unified_cgroup_hierarchy=0` on the kernel's command line",
    ),
    (
        DOCKER_CODES,
        "bind source path does not exist|invalid mount config",
        "the path of a mount is not on the host: look for a file system that is not mounted",
    ),
    (
        DOCKER_CODES,
        "error while creating mount source path",
        "the path of a mount cannot be made on the host: see what is in its place; on a network's "
        "file system root may not write without `no_root_squash`",
    ),
    (
        DOCKER_CODES,
        "mount a directory onto a file|not a directory",
        "a folder is where a file should be, /usr/bin/cnmon for one: remove it if it is empty",
    ),
    (
        DOCKER_CODES,
        "image's platform|exec format error|no matching manifest",
        "the image is of another architecture than the host: lock one that is the host's",
    ),
    (
        DOCKER_CODES,
        "(?i:nvidia|invalid runtime name|could not select device driver)",
        "docker's runtime is one that is not there: take `default-runtime` out of "
        "/etc/docker/daemon.json and restart docker",
    ),
    (
        DOCKER_CODES,
        "network .* not found",
        "make it (`docker network create`), or name another under `container.network`",
    ),
    (
        DOCKER_CODES,
        "(?i:iptables)",
        "something took docker's own rules away (firewalld that was restarted): "
        "`systemctl restart docker`",
    ),
    (
        DOCKER_CODES,
        "Cannot connect to the Docker daemon|Is the docker daemon running|containerd.sock",
        "`systemctl status docker containerd`, `journalctl -u docker -u containerd`",
    ),
    (
        DOCKER_CODES,
        "invalid tar header|unexpected EOF|archive/tar",
        "the archive cannot be unpacked: `mlufleet check --full` looks at the one in the store",
    ),
    (
        IN_CONTAINER_CODES,
        "(?i:permission denied)",
        "the container may not write to a mounted folder: `docker info` (name=selinux, name=userns"
        ") says why; label it with `chcon -Rt container_file_t FOLDER`, or turn that off in "
        "/etc/docker/daemon.json",
    ),
    (
        GIT_CODES,
        r"index\.lock",
        "another git works there, or one was ended in its middle: if none runs, remove index.lock",
    ),
    (
        GIT_CODES,
        "untracked working tree files would be overwritten",
        "git ignores the file there, so it may be somebody's own, and the commit has one of that "
        "name: move it away",
    ),
    (
        GIT_CODES,
        "(?i:certificate)",
        "the origin's certificate is not trusted: give its authority with `git config --system "
        "http.sslCAInfo FILE` on the host, or a `bundle`",
    ),
    (
        GIT_CODES,
        "(?i:could not resolve|unreachable|connection refused|timed out|does not answer)",
        "the host does not reach the origin: give the source a `bundle`, or `http.proxy` with "
        "`git config --system` on the host",
    ),
    (
        GIT_CODES,
        "(?i:permission denied|authentication failed|could not read username|host key)",
        "the origin wants a login that root of the host has not: give the source a `bundle`, or "
        "root a key, ~/.netrc or ~/.git-credentials",
    ),
)


def find_remedy(code: str, output: str) -> str | None:
    """What to do about what was said, where that is known better than by the code."""
    fitting = (
        what for codes, words, what in PATTERNS if code in codes and re.search(words, output)
    )
    return next(fitting, None)


def render_reference() -> str:
    """The table as a part of the reference."""
    rows = []
    for codes, words, what in PATTERNS:
        shown = words.replace("(?i:", "(").replace("|", r"\|")
        rows.append(f"| {', '.join(codes)} | `{shown}` | {what} |")
    head = [
        "",
        "## What is said, and what to do",
        "",
        "| code | words | what to do |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"

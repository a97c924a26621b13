"""A host set up by hand, as the tutorial has it: real commands, and no tool of this project."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.lab import engine, hosts, paths
from tests.lab.systems import BY_NAME

SCRIPT = Path(__file__).with_suffix(".sh")
#: the folder of the tutorial's checkouts, and the container that its user made
WORK = "/data/github/dev-env-ubuntu/pytorch1.9/baichuan"
CONTAINER = "container-pytorch-v1.13.0-torch1.9-ubuntu18.04-py37-kang"
IMAGE = "pytorch-v1.13.0-torch1.9-ubuntu18.04-py37.tar.gz"


def download(host: str, *, image: str = IMAGE) -> None:
    """Put onto a host what its user has downloaded: driver package, image, weights, wheels.

    Args:
        host: its name.
        image: name of the archive in the store.
    """
    kind = BY_NAME[hosts.found()[host].kind]
    package = {
        "deb": f"cambricon-mlu-driver-{kind.driver}-dkms_5.10.10_amd64.deb",
        "rpm": f"cambricon-mlu-driver-{kind.driver}-5.10.10-{kind.release}.x86_64.rpm",
    }[kind.family]
    hosts.run(host, "mkdir -p /data/baidudisk /data/ftp/git")
    for source, target in {
        paths.STORE / package: "/root",
        paths.STORE / image: "/data/baidudisk",
        paths.STORE / "weights/baichuan-7B": "/data/baidudisk",
        paths.STORE / "wheels": "/data/ftp",
        **{bare: "/data/ftp/git" for bare in paths.UPSTREAM.glob("*.git")},
    }.items():
        engine.docker("cp", str(source), f"{hosts.PREFIX}{host}:{target}/")


def follow(host: str, *parts: str) -> str:
    """Do what the tutorial says.

    Args:
        host: its name; what is to be downloaded has been.
        parts: of the tutorial, as in the script; all of it by default.

    Returns:
        What the terminal showed.
    """
    script = SCRIPT.read_text()
    return hosts.run(host, f"exec bash -s {' '.join(parts)}", given=script, timeout=600)


#: what a system writes by itself, and what any use of its tools leaves: logs, caches, books. So are
#: what Python compiles (__pycache__), and git's own files, which change with a look
RESTLESS = (
    *hosts.RESTLESS,
    *("/proc", "/sys", "/dev", "/var/lib/docker", "/var/lib/containerd", "/var/cache"),
)
#: a checkout's state, as git tells it
CHECKOUT = """
echo "$path $(git symbolic-ref -q HEAD || git rev-parse HEAD)"
git for-each-ref --format='%(refname) %(objectname)'
git stash list
git diff HEAD --binary | sha256sum
git diff --cached HEAD --binary | sha256sum
git status --porcelain --ignored | grep -v __pycache__
grep -v '^#' "$(git rev-parse --git-path info/exclude)" || :
"""


def state(host: str) -> list[str]:
    """Return what a host has, so that two looks show what was changed between them.

    Args:
        host: its name.

    Returns:
        Lines about files, packages, modules, images, containers and checkouts, without times and
        inodes.
    """
    skipped = " -o ".join(f"-path {path}" for path in RESTLESS)
    script = rf"""
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
find / -xdev \( {skipped} -o -name .git -o -name __pycache__ -o -name '*.sqlite-shm' \) -prune -o \
  \( -type d -printf '%p %y %m %U:%G\n' -o -printf '%p %y %m %U:%G %s %l\n' \)
find /data /etc /root /home \( -name .git -o -name __pycache__ -o -name '*.sqlite-shm' \) -prune \
  -o -type f -exec sha256sum {{}} +
ls /dev/cambricon* 2>/dev/null
if command -v dpkg > /dev/null; then dpkg-query -W; else rpm -qa; fi
docker image ls -a --no-trunc --format 'image {{{{.ID}}}} {{{{.Repository}}}}:{{{{.Tag}}}}'
for id in $(docker ps -aq --no-trunc); do
  docker inspect --format '{{{{.Id}}}} {{{{.Name}}}} {{{{.Image}}}} {{{{.State.Running}}}}' $id
  docker inspect --format '{{{{.Name}}}} {{{{.HostConfig.RestartPolicy}}}}' $id
done
find /data -name .git | while read -r path; do
  path=${{path%/.git}}
  (cd "$path" && {CHECKOUT})
done
"""
    return sorted(hosts.run(host, script).splitlines())


def changes(before: list[str], after: list[str]) -> list[str]:
    """Return the lines that are no longer there, and those that came, with a sign ahead.

    Args:
        before: an earlier state.
        after: a later one.
    """
    gone, came = Counter(before) - Counter(after), Counter(after) - Counter(before)
    return [f"- {line}" for line in gone] + [f"+ {line}" for line in came]

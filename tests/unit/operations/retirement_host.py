"""A host whose retirement is tried on the controller: a folder, real sh and git, stub programs."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from operations.host.scripts import script_text
from operations.retirement.model import Trace
from operations.retirement.traces import parse_traces

#: knows containers by lines "NAME ID IMAGE LABEL POLICY RUNNING" of a file, images by "TAG ID"
DOCKER = """\
#!/bin/sh
cd {0}/docker || exit 1
echo "$*" >> calls
change() {{ grep -v "$1" "$2" > part; mv part "$2"; }}
case "$*" in
  version*) exit "$(cat silent)" ;;
  "inspect --type container --format "*)
    line=$(grep "^$6 \\| $6 " containers | head -n 1)
    [ -n "$line" ] || {{ echo; exit 1; }}
    set -- $line "$5"
    case $7 in
      *Labels*) echo "map[$4:x]" ;;
      *) echo "/$1 $5 $6" ;;
    esac ;;
  "inspect --type container "*) grep -q "^$4 \\| $4 " containers ;;
  "rm -f "*) change "^$3 " containers ;;
  "ps --all --no-trunc"*) sed -n "s/^\\([^ ]*\\) [^ ]* ${{5#ancestor=}} .*/\\1/p" containers ;;
  "ps --all"*) cut -d' ' -f1 containers ;;
  "image ls"*) cut -d' ' -f2 images ;;
  "image inspect"*)
    template= name=$3
    [ "$3" != --format ] || template=$4 name=$5
    id=$(sed -n "s|^$name \\(.*\\)|\\1|p" images)
    id=${{id:-$(cut -d' ' -f2 images | grep -x "$name" | head -n 1)}}
    [ -n "$id" ] || exit 1
    case $template in
      *RepoTags*Id* | *Id*RepoTags*) echo "$id $(grep -c " $id" images)" ;;
      *RepoTags*) sed -n "s/^\\(.*\\) $id/\\1/p" images | grep -v "^-" ;;
      *Parent*) ;;
      *Id*) echo "$id" ;;
    esac ;;
  "image rm "*) change "^$3 " images ;;
  "tag "*) change "^$3 " images; echo "$3 $(sed -n "s|^$2 \\(.*\\)|\\1|p" images)" >> images ;;
  "volume ls"*) cat volumes ;;
  "info --format {{{{.Swarm"*) echo inactive ;;
esac
"""
#: knows packages by lines "NAME VERSION" of a file, and who needs which by "NAME USER"
DPKG_QUERY = """\
#!/bin/sh
case $* in
  *Package*) sed 's/^/install ok installed /' {0}/packages ;;
  *) for name; do :; done; sed -n "s/^$name \\(.*\\)/install ok installed|\\1/p" {0}/packages ;;
esac
"""
APT_GET = """\
#!/bin/sh
if [ "$1" = --simulate ]; then
  shift 2
  for name; do
    echo "Purg $name [1]"
    sed -n "s/^$name \\(.*\\)/Remv \\1 [1]/p" {0}/needs
  done
  exit 0
fi
shift 2
for name; do grep -v "^$name " {0}/packages > {0}/part; mv {0}/part {0}/packages; done
"""
#: parts of the host's file system that its scripts name, and that lie below the folder here
ROOTS = (
    "/etc/",
    "/sys/module",
    "/lib/modules",
    "/var/lib/dkms",
    "/proc/modules",
    "/proc/self/mounts",
    "/var/lib/dpkg",
)


class Host:
    def __init__(self, root: Path) -> None:
        self.root, self.state, self.data = root, root / "state", root / "data"
        self.hidden: list[str] = []
        for folder in ("bin", "docker", "data", "etc", "sys/module", "lib/modules", "proc/self"):
            (root / folder).mkdir(parents=True)
        for name in ("containers", "images", "volumes", "calls"):
            (root / "docker" / name).touch()
        (root / "docker/silent").write_text("0")
        for name in ("packages", "needs", "etc/group", "proc/modules", "proc/self/mounts"):
            (root / name).touch()
        self.add_program("docker", DOCKER.format(root))
        self.add_program("dpkg-query", DPKG_QUERY.format(root))
        self.add_program("apt-get", APT_GET.format(root))
        for name in ("dockerd", "systemctl", "modprobe", "depmod", "groupdel"):
            self.add_program(name, f'#!/bin/sh\necho "{name} $*" >> {root}/calls\n')

    def add_program(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def hide(self, program: str) -> None:
        """Let the scripts not find a program that this machine may have."""
        self.hidden.append(program)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def text(self, script: str) -> str:
        text = script_text(script).replace("/var/lib/mlufleet", str(self.state))
        for name in ROOTS:
            text = text.replace(name, f"{self.root}{name}")
        for program in self.hidden:
            text = text.replace(f"command -v {program} ", "false ")
        return text.replace("! command -v rpm", "true")

    def run(self, script: str, *words: str | Path, given: str = "") -> list[str]:
        done = subprocess.run(
            ["sh", "-c", f"WHO='run1\tme\tfiles\ttitle'\n{self.text(script)}", script, *words],
            env={"PATH": f"{self.root}/bin:{os.environ['PATH']}", "HOME": "/nowhere"},
            input=given,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    def made(self, kind: str, name: str | Path, detail: str = "") -> None:
        """Record something, as every script does."""
        words = ["sh", "-c", self.text("lib/common") + 'made "$1" "$2" "$3"', "made", kind]
        subprocess.run([*words, str(name), detail], check=True)

    def run_lines(self, function: str, *words: str | Path) -> str:
        """What a function of the scripts prints."""
        text = self.text("lib/common") + f'{function} "$@"'
        done = subprocess.run(["sh", "-c", text, "sh", *words], check=True, capture_output=True)
        return done.stdout.decode().strip()

    def traces(self, *allowed: str, expected: str = "") -> dict[str, Trace]:
        """What the host says of what was made on it, by kind and name."""
        lines = self.run("survey-made", *(allowed or ("weights",)), given=expected)
        found = parse_traces(lines)
        assert isinstance(found, list)
        return {f"{trace.kind} {trace.name}": trace for trace in found}

    def states(self, *allowed: str, expected: str = "") -> dict[str, str]:
        """Only the verdicts, without the state folder's own."""
        found = self.traces(*allowed, expected=expected)
        return {name: trace.state for name, trace in found.items() if trace.kind != "state"}

    def remove(self, *names: str, allowed: str = "weights") -> list[str]:
        given = "".join(f"{kind}\t{name}\n" for kind, name in (n.split(" ", 1) for n in names))
        return self.run("remove-made", allowed, given=given)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

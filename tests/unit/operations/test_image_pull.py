"""The scripts that pull an image and allow a registry; docker is a stand-in with real sentences."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.errors import Failure
from operations.host.scripts import script_text
from operations.image_pull import add_insecure_registry
from tests.waiting import PATIENCE_S

CONFIG, DIGEST = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
HOST = "harbor.example:8443"
IMAGE = f"{HOST}/team/torch@{DIGEST}"
PASSWORD = "pw $'\"x"
#: prints what is given for its command, and keeps its arguments, input and settings
DOCKER = """\
#!/bin/sh
echo "$*" >> {0}/calls
case $1 in
  login) cat > {0}/password; cp "$DOCKER_CONFIG/config.json" {0}/config ;;
  image) [ -f {0}/there ] && echo {1} || exit 1 ;;
  info) cat {0}/insecure 2>/dev/null ;;
esac
if [ -f {0}/$1 ]; then cat {0}/$1 >&2; exit 1; fi
[ "$1" != pull ] || : > {0}/there
"""


def signals_as_usual() -> None:
    """Handle signals as a new login does: this process may have been told to ignore some."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


@dataclass
class Machine:
    root: Path

    def give(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def begin(self, script: str, *words: str) -> subprocess.Popen[bytes]:
        text = script_text(script)
        for folder in ("/var/lib/mlufleet", "/run/mlufleet-pull", "/etc/docker"):
            text = text.replace(folder, f"{self.root}{folder}")
        return subprocess.Popen(
            ["sh", "-c", text, script, *words],
            env={"PATH": f"{self.root}/bin:{os.environ['PATH']}", "HOME": "/nowhere"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=signals_as_usual,
        )

    def run(self, script: str, *words: str, given: str = "") -> tuple[int, list[str]]:
        process = self.begin(script, *words)
        output = process.communicate(given.encode(), timeout=60)[0]
        assert not (self.root / "run/mlufleet-pull").exists()
        return process.returncode, output.decode().splitlines()

    def pull(self, user: str = "", ca: str = "") -> tuple[int, list[str]]:
        lines = [user, PASSWORD if user else "", base64.b64encode(ca.encode()).decode()]
        return self.run("pull-image", IMAGE, CONFIG, given="".join(f"{x}\n" for x in lines))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    for folder in ("bin", "run", "var/lib/mlufleet"):
        (tmp_path / folder).mkdir(parents=True)
    for name, text in (
        ("docker", DOCKER.format(tmp_path, CONFIG)),
        (
            "systemctl",
            f"#!/bin/sh\ncd {tmp_path}; echo {HOST} > insecure; echo $* >> calls\n",
        ),
    ):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    yield Machine(tmp_path)


def test_a_login_goes_through_standard_input_into_a_folder_that_ends(machine: Machine) -> None:
    status, said = machine.pull("robot$ci")
    assert status == 0, said
    assert machine.read("password") == PASSWORD
    assert PASSWORD not in machine.read("calls")
    assert f"login --username robot$ci --password-stdin {HOST}" in machine.read("calls")
    # an entry: a docker without one looks for a program that keeps logins
    assert json.loads(machine.read("config")) == {"auths": {HOST: {}}}


def test_a_docker_without_password_stdin_reads_the_login_from_its_file(machine: Machine) -> None:
    machine.give("login", "unknown flag: --password-stdin\n")
    copy = f"cp $DOCKER_CONFIG/config.json {machine.root}/config"
    docker = machine.read("bin/docker").replace("  image)", f"  pull) {copy} ;;\n  image)")
    machine.give("bin/docker", docker)
    assert machine.pull("robot$ci")[0] == 0
    auth = base64.b64encode(f"robot$ci:{PASSWORD}".encode()).decode()
    assert json.loads(machine.read("config")) == {"auths": {HOST: {"auth": auth}}}
    assert PASSWORD not in machine.read("calls") and auth not in machine.read("calls")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_pull_that_is_ended_leaves_no_login(machine: Machine, number: signal.Signals) -> None:
    docker = machine.read("bin/docker").replace(
        "  image)", f"  pull) : > {machine.root}/began; exec sleep 60 ;;\n  image)"
    )
    machine.give("bin/docker", docker)
    process = machine.begin("pull-image", IMAGE, CONFIG)
    assert process.stdin
    process.stdin.write(f"user\n{PASSWORD}\n\n".encode())
    process.stdin.flush()
    end = time.monotonic() + PATIENCE_S
    while not (machine.root / "began").exists():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    assert (machine.root / "run/mlufleet-pull/config.json").exists()
    os.killpg(process.pid, number)  # as `timeout` does
    assert process.wait(PATIENCE_S) != 0
    process.stdin.close()
    assert not (machine.root / "run/mlufleet-pull").exists()


def test_without_a_login_roots_own_is_used(machine: Machine) -> None:
    assert machine.pull()[0] == 0
    assert f"pull {IMAGE}" in machine.read("calls").splitlines()


def test_a_ca_is_put_beside_those_that_are_there(machine: Machine) -> None:
    folder = machine.root / "etc/docker/certs.d" / HOST
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_text("theirs")
    for _ in range(2):
        assert machine.pull(ca="ours")[0] == 0
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found == {"ca.crt": "theirs", "mlufleet.crt": "ours"}
    assert machine.read("var/lib/mlufleet/audit.log").count("placed") == 1


def test_another_image_than_the_locks_is_told(machine: Machine) -> None:
    (machine.root / "bin/docker").write_text('#!/bin/sh\n[ "$1" != image ] || exit 1\n')
    status, said = machine.pull()
    assert status == 1 and CONFIG in said[-1]


@pytest.mark.parametrize(
    ("command", "said", "code"),
    [
        # docker 20.10 with docker-registry 2.8
        ("login", 'Get "https://h/v2/": unauthorized: authentication required', "REGISTRY_LOGIN"),
        (
            "pull",
            'Get "https://h/v2/lab/light/manifests/x": no basic auth credentials',
            "REGISTRY_LOGIN",
        ),
        (
            "pull",
            'Get "https://h/v2/": x509: certificate signed by unknown authority',
            "REGISTRY_CERTIFICATE",
        ),
        (
            "pull",
            'Get "https://h/v2/": dial tcp 10.0.0.1:443: connect: connection refused',
            "REGISTRY_UNREACHABLE",
        ),
        (
            "pull",
            'Get "https://h/v2/": http: server gave HTTP response to HTTPS client',
            "REGISTRY_INSECURE",
        ),
        (
            "pull",
            "manifest for h/x@sha256:0 not found: manifest unknown: manifest unknown",
            "IMAGE_NOT_FOUND",
        ),
        # docker 17 to 28, docker hub, Harbor, containerd's image store
        (
            "login",
            "login attempt to https://h/v2/ failed with status: 401 Unauthorized",
            "REGISTRY_LOGIN",
        ),
        (
            "pull",
            "pull access denied for h/x, repository does not exist or may require 'docker "
            "login': denied: requested access to the resource is denied",
            "REGISTRY_LOGIN",
        ),
        (
            "pull",
            "unauthorized: unauthorized to access repository: x, action: pull",
            "REGISTRY_LOGIN",
        ),
        (
            "pull",
            'failed to resolve reference "h/x@sha256:0": failed to authorize: failed to fetch '
            "anonymous token: unexpected status from GET request to https://h/t: 401 Unauthorized",
            "REGISTRY_LOGIN",
        ),
        (
            "pull",
            "unexpected status from HEAD request to https://h/v2/x: 403 Forbidden",
            "REGISTRY_LOGIN",
        ),
        (
            "pull",
            "Get https://h/v2/: x509: certificate is valid for a, not b",
            "REGISTRY_CERTIFICATE",
        ),
        (
            "pull",
            'failed to do request: Head "https://h/v2/x": tls: failed to verify certificate: '
            "x509: certificate signed by unknown authority",
            "REGISTRY_CERTIFICATE",
        ),
        (
            "pull",
            "Get https://h/v2/: dial tcp: lookup h on 10.0.0.2:53: no such host",
            "REGISTRY_UNREACHABLE",
        ),
        (
            "pull",
            "Get https://h/v2/: net/http: request canceled while waiting for connection "
            "(Client.Timeout exceeded while awaiting headers)",
            "REGISTRY_UNREACHABLE",
        ),
        ("pull", "Get https://h/v2/: net/http: TLS handshake timeout", "REGISTRY_UNREACHABLE"),
        (
            "pull",
            "Get https://h/v2/: dial tcp 10.0.0.1:443: connect: no route to host",
            "REGISTRY_UNREACHABLE",
        ),
        ("pull", "toomanyrequests: You have reached your pull rate limit", "REGISTRY_UNREACHABLE"),
        ("pull", "received unexpected HTTP status: 502 Bad Gateway", "REGISTRY_UNREACHABLE"),
        ("pull", "name unknown: repository name not known to registry", "IMAGE_NOT_FOUND"),
        (
            "pull",
            'failed to resolve reference "h/x@sha256:0": h/x@sha256:0: not found',
            "IMAGE_NOT_FOUND",
        ),
    ],
)
def test_what_docker_prints_has_a_code(
    machine: Machine, command: str, said: str, code: str
) -> None:
    machine.give(command, f"Error response from daemon: {said}\n")
    status, lines = machine.pull("user")
    assert status == 1 and [line for line in lines if line.startswith("@@")] == [f"@@code {code}"]
    assert lines[-1].endswith(said[-20:]) or lines[-2].endswith(said[-20:])


def test_no_space_keeps_its_own_code(machine: Machine) -> None:
    machine.give("pull", "failed to register layer: write /x: no space left on device\n")
    assert not [line for line in machine.pull()[1] if line.startswith("@@")]


def test_a_registry_is_added_to_dockers_settings_which_are_kept(machine: Machine) -> None:
    file = machine.root / "etc/docker/daemon.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"data-root": "/data"}')
    status, said = machine.run("allow-registry", HOST)
    assert status == 0 and base64.b64decode(said[said.index("@@begin") + 1]) == file.read_bytes()
    changed = base64.b64encode(add_insecure_registry(file.read_text(), HOST).encode()).decode()
    stale = machine.run("allow-registry", HOST, "0" * 64, given=changed)
    assert stale[0] == 1 and json.loads(file.read_text()) == {"data-root": "/data"}
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    status, said = machine.run("allow-registry", HOST, checksum, given=changed)
    assert status == 0, said
    assert json.loads(file.read_text()) == {"data-root": "/data", "insecure-registries": [HOST]}
    (kept,) = [line.split()[-1] for line in said if line.startswith("kept what was at")]
    assert json.loads(Path(kept).read_text()) == {"data-root": "/data"}
    assert "reload docker" in machine.read("calls") and "restart" not in machine.read("calls")
    assert machine.run("allow-registry", HOST) == (0, [])


@pytest.mark.parametrize(
    ("code", "said", "named"),
    [
        ("REGISTRY_CERTIFICATE", "x509: certificate has expired or is not yet valid", "date"),
        ("REGISTRY_CERTIFICATE", "x509: certificate is valid for a, not b", "subjectAltName"),
        (
            "REGISTRY_CERTIFICATE",
            "x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs",
            "subjectAltName",
        ),
        ("REGISTRY_CERTIFICATE", "x509: certificate signed by unknown authority", "registry_ca"),
        ("REGISTRY_UNREACHABLE", "dial tcp: lookup h: no such host", "getent"),
        ("REGISTRY_UNREACHABLE", "toomanyrequests: pull rate limit", "registry_login"),
        ("REGISTRY_UNREACHABLE", "proxyconnect tcp: dial tcp 10.0.0.9:3128: refused", "NO_PROXY"),
        ("REGISTRY_UNREACHABLE", "connect: connection refused", "image.file"),
    ],
)
def test_the_remedy_is_for_what_docker_printed(code: str, said: str, named: str) -> None:
    assert named in Failure(code, f"pulling: Error response from daemon: {said}").remedy


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", [HOST]),
        ("{}", [HOST]),
        ('{"insecure-registries": ["a"]}', ["a", HOST]),
        (json.dumps({"insecure-registries": [HOST]}), [HOST]),
    ],
)
def test_other_registries_stay(text: str, names: list[str]) -> None:
    assert json.loads(add_insecure_registry(text, HOST)) == {"insecure-registries": names}


@pytest.mark.parametrize("text", ["[]", "{", '{"insecure-registries": "a"}'])
def test_settings_that_docker_could_not_read_are_not_changed(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        add_insecure_registry(text, HOST)

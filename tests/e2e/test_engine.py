"""The docker engine: started where it is there, installed from the store where it is not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.lab import hosts as lab
from tests.runs import CONTAINER, Done, ends_right, mlufleet, pyinfra, refused, with_unproved

# the lab's docker is a stand-in in front of the real one: here it has to go, and comes back after
LINK, REAL, TOOL = (
    "/usr/bin/docker",
    "/usr/lib/mlu-lab/real/docker",
    "/usr/lib/mlu-lab/tools/docker",
)
DIVERT = f"dpkg-divert --quiet --local --rename --divert {REAL}"
PACKAGES = "docker.io containerd runc tini"
FILES = "/var/lib/dpkg/info"
REMOVE = {
    "u1604": f"apt-get remove -y -qq {PACKAGES} && rm {LINK} && {DIVERT} --remove {LINK}",
    # there the real files came without rpm's knowledge
    "c7": f"systemctl stop docker.socket docker containerd && rpm -e docker-ce && rm {LINK} {REAL}"
    f" && for package in {PACKAGES}; do grep -E '^/(usr|lib|etc)/.*/' {FILES}/$package.list; done"
    " | while read -r path; do [ -d $path ] || rm -f $path; done; systemctl daemon-reload",
}
RESTORE = {
    "u1604": f"{DIVERT} --add {LINK} && ln -s {TOOL} {LINK}",
    "c7": f"mv {LINK} {REAL} && ln -s {TOOL} {LINK}",
}
# holds apt's lock as another apt would, until a job of the host says that it waits for it
HOLD = """perl -e 'use Fcntl; open(F, "+>>", "/var/lib/dpkg/lock-frontend");
$l = pack("s x30", F_WRLCK); fcntl(F, F_SETLK, $l) or die;
for (1..300) { sleep 1; last if `grep -ls "waiting for perl" /var/lib/mlufleet/jobs/*/log` }' \
>/dev/null 2>&1 &"""


def test_19_a_stopped_and_disabled_engine_is_started_and_enabled_and_nothing_else(
    provisioned: Done,
) -> None:
    before = lab.run("u1604", f"docker inspect -f '{{{{.Id}}}}' {CONTAINER}")
    lab.run("u1604", "systemctl disable -q --now docker.socket docker")
    done = pyinfra("-y", "--limit", "u1604")
    assert done.status == 0 and done.changed("u1604") == ["engine"]
    assert lab.run("u1604", "systemctl is-enabled docker") == "enabled"
    running = lab.run(
        "u1604", f"docker inspect -f '{{{{.Id}}}} {{{{.State.Running}}}}' {CONTAINER}"
    )
    assert running == f"{before} true"


@pytest.mark.parametrize("host", ["c7", pytest.param("u1604", marks=pytest.mark.long)])
def test_a_removed_engine_is_installed_from_the_store_and_finds_its_images(
    provisioned: Done, host: str
) -> None:
    lab.run(host, REMOVE[host])
    gone = f"command -v docker dockerd containerd runc; ls {LINK}; systemctl cat docker"
    assert "[Service]" not in lab.run(host, gone, check=False)
    assert "/docker" not in lab.run(host, "command -v docker dockerd", check=False)
    if host == "u1604":
        lab.run(host, HOLD)
    try:
        done = pyinfra("-y", "-vvv", "--limit", host)
    finally:
        lab.run(host, RESTORE[host])
    assert done.status == 0
    assert done.changed(host) == ["engine"]
    assert ("waiting for perl (pid " in done.output) == (host == "u1604")
    assert pyinfra("-y", "--limit", host).statuses() == {host: "ok"}


def test_19_a_wedged_daemon_fails_within_a_minute_or_so(provisioned: Done) -> None:
    lab.run("u1604", "systemctl kill --signal STOP docker")
    started = time.monotonic()
    try:
        done = mlufleet("deploy", "inventories/lab.py", "--limit", "u1604")
        seconds = time.monotonic() - started
    finally:
        lab.run("u1604", "systemctl kill --signal CONT docker")
    assert done.status == 2 and seconds < 180
    failure = done.host("u1604")["failure"]
    assert failure["code"] == "ENGINE" and "does not answer" in failure["sentence"]
    assert pyinfra("-y", "--limit", "u1604").statuses() == {"u1604": "ok"}


def test_19_an_engine_that_stays_too_old_is_named_with_what_the_release_needs(
    provisioned: Done, tmp_path: Path
) -> None:
    # the store has no newer one
    needs = with_unproved(tmp_path, 'engine: {minimum: "99.1"}\n')
    before = lab.run("u1604", "docker version --format '{{.Server.Version}}'")
    failure = refused("u1604", "ENGINE", "--data", needs)
    assert f"upgrade docker {before} to at least 99.1" in failure["sentence"]
    ends_right("u1604")

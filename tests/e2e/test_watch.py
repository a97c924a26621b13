"""The watch at a real host: each fault is seen by two looks with its code, and gone after two."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from fleet.release import files as release_files
from tests.e2e.test_one_connection import requests, told
from tests.lab import hosts as lab
from tests.lab import paths
from tests.looks import Looks, looking
from tests.runs import Done, ends_right

HOST = "u1604"
DATE = "/usr/local/bin/date"  # the hosts of the lab share a kernel, and its clock
YEAR = f"""cat > {DATE} <<'END'
#!/bin/sh
case " $*" in *" -d"*) exec /bin/date "$@" ;; esac
exec /bin/date -d "1 years" "$@"
END
chmod 755 {DATE}"""
#: the project's own, with less patience for a host that stalls
CONFIG = f"""\
from mlufleet.connect import settings
from operations.host import probe

settings.LOGIN_TIMEOUT_S, probe.PROBE_TIMEOUT_S, probe.PROBE_GRACE_S = 4, 20, 5
exec(open({str(paths.SOURCE / "config.py")!r}).read())
"""


LIE = "/usr/lib/mlu-lab/lie"
#: what is done to the host, how it is repaired, and what the watch calls it
FAULTS = {
    "module-unloaded": (
        "docker stop -t 1 CONTAINER && modprobe -r cambricon_drv",
        "modprobe cambricon-drv && docker start CONTAINER",
        "DRIVER_NOT_PROVED",
    ),
    "container-killed": ("docker kill CONTAINER", "docker start CONTAINER", "DRIFT container"),
    "card-off-bus": (f"{LIE} card-off-bus on", f"{LIE} card-off-bus off", "CARDS_MISSING"),
    "node-removed": (
        "mv /dev/cambricon_dev0 /dev/away",
        "mv /dev/away /dev/cambricon_dev0",
        "DRIVER_NOT_PROVED",
    ),
    "clock-wrong": (YEAR, f"rm {DATE}", "CLOCK_SKEW"),
    "disk-full": (
        "mkdir -p /run/full && mount -t tmpfs -o size=8m tmpfs /run/full"
        " && cp -a /var/lib/mlufleet/stamps /run/full && { cat /dev/zero > /run/full/ballast ||:; }"
        " && mount --bind /run/full /var/lib/mlufleet",
        "umount /var/lib/mlufleet && umount /run/full",
        "NO_SPACE",
    ),
    "docker-hung": ("pkill -STOP -x dockerd", "pkill -CONT -x dockerd", "ENGINE"),
    "sshd-stalls": (
        "systemctl kill --kill-who=main --signal=STOP ssh",
        "systemctl kill --kill-who=main --signal=CONT ssh",
        "UNREACHABLE",
    ),
}


@pytest.fixture(scope="module")
def container() -> str:
    """Name of the container of the host's release."""
    known = yaml.safe_load(paths.INVENTORY.read_text())
    release = {**known["defaults"], **known["hosts"][HOST]}["release"]
    return release_files.load_release(paths.PROJECT / release).container.name


@pytest.fixture(scope="module")
def looks(provisioned: Done, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looks]:
    """Looks at one host of the lab, from a folder with a `config.py` of its own."""
    folder = tmp_path_factory.mktemp("watch")
    for name in ("deploy.py", "files", "inventories"):
        (folder / name).symlink_to(paths.SOURCE / name)
    (folder / ".lab").symlink_to(paths.LAB)
    (folder / "config.py").write_text(CONFIG)
    known = yaml.safe_load(paths.INVENTORY.read_text())
    data = {**known["defaults"], **known["hosts"][HOST]}
    (folder / "hosts.py").write_text(f"some = [({HOST!r}, {data!r})]\n")
    ends_right(HOST)
    with looking(folder) as found:
        yield found


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_by_the_second_look_and_its_end_too(
    looks: Looks, container: str, fault: str
) -> None:
    injure, repair, cause = FAULTS[fault]
    looks.states.clear()
    assert looks.track(HOST) == []
    lab.run(HOST, injure.replace("CONTAINER", container))
    try:
        assert looks.track(HOST) == []
        opened = [change.problem.key for change in looks.track(HOST)]
    finally:
        lab.run(HOST, repair.replace("CONTAINER", container))
    assert len(opened) == 1 and opened[0].startswith(cause), "a root cause is one problem"
    assert looks.track(HOST) == []
    resolved = [(change.kind, change.problem.key) for change in looks.track(HOST)]
    assert resolved == [("resolved", opened[0])]


def test_what_a_run_works_on_is_left_to_it(looks: Looks, container: str) -> None:
    looks.states.clear()
    assert looks.track(HOST) == []
    lock = "a-run\\tan@operator\\tnow\\t600\\tdeploy\\n"
    lab.run(HOST, f"printf '{lock}' > /var/lib/mlufleet/lock; docker kill {container}")
    try:
        told = [looks.track(HOST) for _ in range(3)]
        assert told == [[], [], []] and looks.states[HOST].health == "busy"
        lab.run(HOST, "rm /var/lib/mlufleet/lock")
        told = [looks.track(HOST) for _ in range(2)]
    finally:
        lab.run(HOST, f"rm -f /var/lib/mlufleet/lock; docker start {container}")
    assert [change.problem.key for change in told[1]] == ["DRIFT container"] and told[0] == []


def test_a_look_is_one_connection_and_one_command(looks: Looks) -> None:
    looks.states.clear()
    with told(HOST):
        place = lab.heard(HOST)
        assert looks.track(HOST) == []
        lines = lab.heard_since(HOST, place)
    for once in ("Accepted publickey", "Connection from"):
        assert len([line for line in lines if line.startswith(once)]) == 1
    assert requests(lines) == ["exec"]


def test_a_host_without_power_is_unreachable_and_has_booted_when_it_is_back(looks: Looks) -> None:
    looks.states.clear()
    assert looks.track(HOST) == []
    lab.power_off(HOST)
    try:
        assert looks.track(HOST) == []
        assert [change.problem.code for change in looks.track(HOST)] == ["UNREACHABLE"]
    finally:
        lab.power_on(HOST)
    told = [change for _ in range(2) for change in looks.track(HOST)]
    kinds = {(change.kind, change.problem.code) for change in told}
    assert {("rebooted", "REBOOTED"), ("resolved", "UNREACHABLE")} <= kinds
    ends_right(HOST)

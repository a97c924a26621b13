"""Who holds a card, by the control group of a process; and what may be stopped for a driver."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleet.errors import Failure
from fleet.release.target import ReleaseTarget
from operations import driver
from operations.host.scripts import read_script, script_text
from operations.stage import HostOptions
from tests.unit.conftest import BARE, probe
from tests.unit.operations.stage_helpers import plan_words
from tests.waiting import PATIENCE_S

HEX = "0123456789abcdef" * 4
UID = "6f3c1e9a-0b7d-4d0c-9f55-0d7f5c1f6a11"
SLICE = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + UID.replace("-", "_")
POD = f"|{HEX}|pod|kube-system/cambricon-device-plugin-x7k2q"


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (f"0::/system.slice/docker-{HEX}.scope", f"|{HEX}|docker|serving"),
        (f"12:pids:/docker/{HEX}\n1:name=systemd:/docker/{HEX}", f"|{HEX}|docker|serving"),
        (f"0::/{SLICE}.slice/cri-containerd-{HEX}.scope", POD),
        (f"0::/{SLICE}.slice/docker-{HEX}.scope/init", POD),
        (f"4:memory:/kubepods/besteffort/pod{UID}/{HEX}", POD),
        (f"0::/machine.slice/libpod-{HEX}.scope/container", f"|{HEX}|podman|"),
        (f"0::/system.slice/nerdctl-{HEX}.scope", f"|{HEX}|container|"),
        ("0::/system.slice/mlu-exporter.service", "||unit|mlu-exporter.service"),
        ("0::/system.slice/system-mlu.slice/mlu@0.service/x", "||unit|mlu@0.service"),
        ("0::/user.slice/user-0.slice/session-3.scope", "|||"),
        ("0::/", "|||"),
    ],
)
def test_a_holder_is_named_by_what_starts_it_again(tmp_path: Path, groups: str, said: str) -> None:
    process = tmp_path / "proc/77"
    process.mkdir(parents=True)
    (process / "cgroup").write_text(groups + "\n")
    (process / "comm").write_text("my job\n")
    logs = tmp_path / "var/log/pods"
    (logs / f"kube-system_cambricon-device-plugin-x7k2q_{UID}").mkdir(parents=True)
    config = tmp_path / f"var/lib/docker/containers/{HEX}/config.v2.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"StreamConfig":{},"ID":"x","Name":"/serving","Driver":"overlay2"}')
    script = read_script("lib/card-users")
    for folder in ("/proc/", "/var/log/pods/", "/var/lib/docker/"):
        script = script.replace(folder, f"{tmp_path}{folder}")
    whole = read_script("probe")
    shared = whole[whole.index("T=$(") : whole.index("ask() {")]
    done = subprocess.run(
        ["sh", "-c", f"{shared}{script}\nholder 77"], capture_output=True, text=True
    )
    assert done.stdout.replace("\t", "|") == f"holder|77|my job{said}\n", done.stderr


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (
            f"holder|7|mlu-exporter{POD}",
            "mlu-exporter (pid 7, pod kube-system/cambricon-device-plugin-x7k2q: "
            "kubelet restarts it)",
        ),
        (f"holder|7|python|{HEX}|docker|serving", "python (pid 7, container serving)"),
        (f"holder|7|python|{HEX}|docker|", "python (pid 7, container 0123456789ab)"),
        (
            "holder|7|exporter||unit|mlu-exporter.service",
            "exporter (pid 7, unit mlu-exporter.service)",
        ),
        ("holder|7|train|", "train (pid 7)"),
    ],
)
def test_a_busy_card_names_who_holds_it(wanted: ReleaseTarget, line: str, named: str) -> None:
    decided = plan_words(driver, wanted, probe(*BARE, line))
    assert isinstance(decided, Failure) and decided.code == "CARD_BUSY"
    assert decided.detail == named and "DaemonSet" in decided.remedy


def test_what_kubelet_starts_again_is_not_evicted_and_the_rest_is(wanted: ReleaseTarget) -> None:
    evict = HostOptions(evict=True)
    unit = "holder|8|exporter||unit|mlu-exporter.service"
    decided = plan_words(driver, wanted, probe(*BARE, f"holder|7|plugin{POD}", unit), evict)
    assert isinstance(decided, Failure) and decided.code == "CARD_BUSY"
    assert "kubelet" in decided.detail and "exporter" not in decided.detail
    assert isinstance(plan_words(driver, wanted, probe(*BARE, unit), evict), list)


def evict(tmp_path: Path, *words: str, main: str = "1") -> str:
    """What the script does, by stand-ins of the tools that stop things."""
    log = tmp_path / "log"
    for name in ("docker", "podman", "systemctl"):
        tool = tmp_path / name
        asked = f'[ "$1" = show ] && {{ echo MainPID={main}; exit; }}\n'
        tool.write_text(f'#!/bin/sh\n{asked}echo "{name} $*" >> {log}\n')
        tool.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", script_text("evict"), "evict", *words],
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    return log.read_text().strip() if log.exists() else ""


def test_what_is_stopped_is_stopped_where_it_is_managed(tmp_path: Path) -> None:
    assert evict(tmp_path, "7", HEX, "docker", "serving") == f"docker stop -t 20 {HEX}"
    (tmp_path / "log").unlink()
    assert evict(tmp_path, "7", HEX, "podman", "") == f"podman stop -t 20 {HEX}"
    (tmp_path / "log").unlink()
    unit = ("unit", "mlu-exporter.service")
    assert evict(tmp_path, "7", "", *unit, main="7") == "systemctl stop mlu-exporter.service"


def test_a_job_in_a_shell_of_sshds_does_not_stop_sshd(tmp_path: Path) -> None:
    job = subprocess.Popen(["sleep", "300"], stdin=subprocess.DEVNULL)
    # whoever started it takes its status: a zombie's folder in /proc stays
    waiting = subprocess.Popen(
        ["sh", "-c", script_text("evict"), "evict", str(job.pid), "", "unit", "ssh.service"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        stderr=subprocess.DEVNULL,
    )
    assert job.wait(PATIENCE_S) == -15
    assert waiting.wait(PATIENCE_S) == 0

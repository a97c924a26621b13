from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.errors import FAILURE_TABLE, ExitStatus, Failure
from mlufleet.cli import health
from mlufleet.journal.events import HostsNamed
from mlufleet.journal.journal import Journal
from mlufleet.report import derive, outcomes, terminal
from mlufleet.report.html import host_notices
from mlufleet.report.model import HostReport, Report, RolloutReport
from tests.journals import derive as derive_lines
from tests.journals import read_events


def event(kind: str, host: str = "", **fields: Any) -> dict[str, Any]:
    return {"time": 1.0, "kind": kind, "host": host, **fields}


def observed(host: str, *needs: str) -> dict[str, Any]:
    return event("observed", host, needs=list(needs), versions={"driver": "5.10.10"})


def done(host: str, stage: str, *changes: str) -> dict[str, Any]:
    return event(
        "stage-done", host, stage=stage, changes=list(changes), seconds=1.5, driver="5.10.10"
    )


def failed(host: str) -> dict[str, Any]:
    return event(
        "failed", host, stage="driver", code="ENGINE", sentence="s", remedy="r", tail=["x"]
    )


def unreachable(host: str) -> dict[str, Any]:
    return event(
        "unreachable",
        host,
        stage="connect",
        code="UNREACHABLE",
        sentence="refused",
        remedy="r",
        tail=[],
    )


HOSTS = event("hosts", names=["a", "b", "c", "d", "e"])
EVENTS = [
    event("run"),
    HOSTS,
    observed("a"),
    observed("b", "driver", "smoke"),
    done("b", "driver", "install"),
    done("b", "smoke", "ask"),
    observed("c", "driver"),
    failed("c"),
    unreachable("d"),
]


def test_every_host_is_accounted_for() -> None:
    result = derive_lines([*EVENTS, event("end")], "r")
    statuses = {name: host.status for name, host in result.hosts.items()}
    assert statuses == {
        "a": "ok",
        "b": "changed",
        "c": "failed",
        "d": "unreachable",
        "e": "skipped",
    }
    assert result.hosts["c"].failure.code == "ENGINE"
    assert result.exit == ExitStatus.FAILED


def test_a_host_that_never_reached_its_smoke_test_is_not_called_ok() -> None:
    events = [event("hosts", names=["a"]), observed("a", "driver", "smoke"), done("a", "driver")]
    result = derive_lines(events, "r")
    assert result.hosts["a"].status == "skipped" and result.exit == ExitStatus.FAILED


def test_what_is_wrong_with_a_host_that_can_be_provisioned_is_told_and_does_not_fail_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [event("hosts", names=["a"]), event("note", "a", text="slow [login]"), observed("a")]
    result = derive_lines(events, "r")
    assert result.hosts["a"].notes == ["slow [login]"] and result.exit == ExitStatus.OK
    terminal.print_summary(result, tmp_path)
    health.print_health(result)
    said = capsys.readouterr()
    assert "a: slow [login]" in said.err and "a: slow [login]" in said.out
    assert health.health_by_host(result)["a"]["notes"] == ["slow [login]"]


def test_what_a_swarm_brought_and_why_it_was_left_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brought = {"title": "image", "sent": 30_000_000, "swarmed": 70_000_000, "fallback": "too slow"}
    events = [
        event("hosts", names=["a"]),
        observed("a"),
        event("transfer", "a", **brought),
        event("transfer", "a", title="older", sent=1_000_000),
        event("seeded", sent=50_000_000),
    ]
    result = derive_lines(events, "r")
    assert (result.hosts["a"].sent, result.hosts["a"].swarmed) == (31e6, 70e6)
    assert result.seeded == 50e6
    terminal.print_summary(result, tmp_path)
    said = " ".join(capsys.readouterr().err.split())
    assert "a: image: left the swarm (too slow)" in said
    assert "70 MB came from swarms; this machine sent 81 MB" in said
    assert "received 70 MB from the swarm, 31 MB by SSH" in host_notices(result.hosts["a"])


def test_what_lay_on_a_host_and_was_not_sent_is_told_with_its_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = {"title": "image", "sent": 0, "reused": 9_000_000, "found": ["/data/ftp/a.tar.gz"]}
    several = [f"/data/{folder}/{name}" for folder in "abcd" for name in "xy"]
    shards = {"title": "weights", "sent": 1000, "reused": 4_000_000, "found": several}
    events = [
        event("hosts", names=["a"]),
        observed("a"),
        event("transfer", "a", **one),
        event("transfer", "a", **shards),
    ]
    result = derive_lines(events, "r")
    host = result.hosts["a"]
    assert (host.sent, host.reused, host.swarmed) == (1000, 13_000_000, 0)
    image, weights = host.notes
    assert image.startswith("image: 9.0 MB") and image.endswith(": /data/ftp/a.tar.gz")
    assert weights.endswith(": /data/a, /data/b, /data/c and 1 more")
    terminal.print_summary(result, tmp_path)
    assert "13 MB lay on hosts already" in capsys.readouterr().err
    assert any("13 MB lay on the host" in line for line in host_notices(host))
    assert json.loads(result.to_json())["hosts"]["a"]["reused"] == 13_000_000


def test_how_long_files_came_while_other_stages_worked_is_told() -> None:
    def transfer(stage: str, time: float, seconds: float) -> dict[str, Any]:
        brought = {"title": stage, "sent": 1, "stage": stage, "seconds": seconds}
        return {**event("transfer", "a", **brought), "time": time}

    def stage(name: str, began: float, ended: float) -> list[dict[str, Any]]:
        fields = {"stage": name, "seconds": ended - began, "changes": ["x"], "driver": ""}
        return [
            {**event("stage", "a", stage=name), "time": began},
            {**event("stage-done", "a", **fields), "time": ended},
        ]

    events = [
        event("hosts", names=["a"]),
        observed("a"),
        transfer("driver", 11, 1),
        *stage("driver", 10, 30),
        transfer("image", 36, 25),
        *stage("image", 32, 50),
        transfer("weights", 55, 10),
    ]
    host = derive_lines(events, "r").hosts["a"]
    # 11 to 32 of the image, and all of the weights, whose stage never came
    assert host.ahead == 31
    assert "31 s that other stages took" in " ".join(host_notices(host))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([event("hosts", names=["a"]), observed("a")], ExitStatus.OK),
        ([unreachable("d")], ExitStatus.UNREACHABLE),
        ([unreachable("d"), failed("c")], ExitStatus.FAILED),
        ([event("end", interrupted=True), failed("c")], ExitStatus.INTERRUPTED),
        (
            [event("hosts", names=["a"]), observed("a", "driver"), event("end", dry=True)],
            ExitStatus.OK,
        ),
    ],
)
def test_exit_status(events: list[dict[str, Any]], expected: ExitStatus) -> None:
    assert derive_lines(events, "r").exit == expected


@pytest.mark.parametrize(
    ("kind", "stopped", "expected"),
    [
        ("rollout", "", ExitStatus.STOPPED),
        ("rollback", "", ExitStatus.OK),  # it is what was asked for
        ("rollback", "budget", ExitStatus.STOPPED),
    ],
)
def test_a_rollback_is_no_failure_if_it_was_asked_for(
    kind: str, stopped: str, expected: ExitStatus
) -> None:
    hosts = {"a": HostReport(status="rolled back")}
    report = Report(kind=kind, hosts=hosts, rollout=RolloutReport(stopped=stopped))
    assert report.exit_status() == expected
    report.hosts["b"] = HostReport(status="failed")
    assert report.exit_status() != ExitStatus.OK


@pytest.mark.parametrize(("dry", "status"), [(True, "failed"), (False, "skipped")])
def test_a_dry_run_says_which_hosts_would_be_refused(dry: bool, status: str) -> None:
    refusal = {k: failed("a")[k] for k in ("stage", "code", "sentence", "remedy", "tail")}
    seen = {**observed("a", "driver"), "refusal": refusal}
    result = derive_lines([event("hosts", names=["a"]), seen, event("end", dry=dry)], "r")
    assert result.hosts["a"].status == status
    failure = result.hosts["a"].failure
    expected = {**refusal, "action": FAILURE_TABLE[refusal["code"]].action}
    assert (vars(failure) if failure else None) == (expected if dry else None)
    assert result.exit == ExitStatus.FAILED


def test_a_journal_cut_in_its_last_line_still_gives_a_report(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "runs/one")
    journal.append(HostsNamed(names=["a"]))
    with (tmp_path / "runs/one/journal.jsonl").open("a") as stream:
        stream.write('{"kind": "obs')
    assert [e.kind for e in read_events(tmp_path / "runs/one")] == ["run", "hosts"]
    result = derive.write_report(tmp_path / "runs/one")
    assert result.hosts["a"].status == "skipped"
    assert (tmp_path / "runs/latest/report.json").is_file()


def test_every_failure_code_has_a_remedy() -> None:
    assert all(info.meaning and info.remedy for info in FAILURE_TABLE.values())
    with pytest.raises(ValueError, match="unknown failure code"):
        Failure("NO_SUCH")


def test_models_of_cards_are_in_the_report_and_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = event(
        "observed",
        "a",
        needs=[],
        versions={"driver": "5.10.10", "cards": 3},
        models={"x": "MLU370-X8", "y": "MLU370-X8", "z": "MLU370-X4"},
    )
    result = derive_lines([event("hosts", names=["a", "b"]), seen, observed("b")], "r")
    assert result.hosts["a"].models["z"] == "MLU370-X4" and not result.hosts["b"].models
    assert outcomes.describe_cards(result.hosts["a"]) == "3 MLU370-X8, MLU370-X4"
    assert outcomes.describe_cards(result.hosts["b"]) == ""
    terminal.print_summary(result, tmp_path)
    assert "MLU370-X8" in capsys.readouterr().err


def test_what_is_unproved_of_a_release_is_in_the_report_and_on_the_terminal() -> None:
    points = [f"patches.{number}: it is a file of the image" for number in range(6)]
    lines = [*EVENTS, event("unproved", release="small", points=points)]
    report = derive_lines(lines, "run")
    assert report.unproved == {"small": points}
    shown = list(terminal.unproved_lines(report))
    assert shown[0] == f"small: unproved {points[0]}"
    assert len(shown) == terminal.MAX_UNPROVED_POINTS + 1 and "2 more" in shown[-1]


def test_a_journal_without_unproved_points_has_none() -> None:
    assert derive_lines(EVENTS, "run").unproved == {}


@pytest.mark.parametrize(
    ("kind", "status"),
    [("rollout", "changed"), ("adoption", "adopted"), ("retirement", "retired")],
)
def test_a_host_that_passed_is_called_after_what_was_done_to_it(kind: str, status: str) -> None:
    lines = [
        event("run"),
        event("hosts", names=["a", "b", "c"]),
        event("rollout", plan={"kind": kind}),
        *(observed(host, "state") | {"proofs": ["state"]} for host in "ab"),
        observed("c"),
        *(event("begin", host, canary=False) for host in "ab"),
        done("a", "state", "remove"),
        event("proved", "a"),
        done("b", "files", "remove"),  # it was killed before the last step
    ]
    result = derive_lines(lines, "r")
    assert result.kind == kind
    assert [result.hosts[name].status for name in "abc"] == [status, "skipped", "ok"]


def test_what_stays_on_a_host_is_what_the_last_look_found() -> None:
    first, last = ({"what": what, "why": "edited", "remedy": ""} for what in ("/x", "/y"))
    result = derive_lines(
        [
            event("run"),
            event("hosts", names=["a"]),
            event("left", "a", items=[first]),
            event("audit-saved", "a", file="audit/a.log", size=5),
            event("left", "a", items=[last]),
        ],
        "r",
    )
    assert [vars(item) for item in result.hosts["a"].left] == [last]
    assert result.hosts["a"].audit_log == "audit/a.log"

"""What `mlufleet adopt` prints of a look."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from fleet.errors import ExitStatus
from mlufleet.cli import adopt_output
from mlufleet.cli.adopt_output import HostLook
from mlufleet.journal.events import FailureRecord, LockRecord
from mlufleet.report.model import HostReport, Report
from mlufleet.rollout.fleet_survey import HostSurvey
from operations.adoption.findings import Finding, Relation

PAGE = Path(__file__).parents[4] / "docs/adoption.md"
PRESENT = Finding("driver 5.10.10", Relation.PRESENT, reused_bytes=5)
MISSING = Finding("image", Relation.MISSING, sent_bytes=7, action="load torch:v1")
UNKNOWN = Finding("engine", Relation.UNKNOWN)
BLOCKED = Finding(
    "container torch",
    Relation.IN_THE_WAY,
    "registry.example/a-registry-with-a-long-name/pytorch/torch:v1.13.0-ubuntu18.04-py37",
    "owner: label owner",
    "kang",
    ("it has the name of the release's container", "mounts: /data at /data"),
    "stop it, and this starts it again:",
    ("docker update --restart always 1f1f1f1f1f1f && docker start 1f1f1f1f1f1f # again",),
    "it runs, and nothing permits stopping it: use --stop torch",
)


def look(*findings: Finding, status: str = "skipped", **report: object) -> HostLook:
    fields = HostReport(status=status, wanted="small", **report)  # type: ignore[arg-type]
    return adopt_output.describe_host(fields, HostSurvey(0.0, 61.0, list(findings)))


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (look(PRESENT, status="ok"), "up to date"),
        (look(PRESENT, MISSING), "adoptable"),
        (look(PRESENT, UNKNOWN), "unclear"),
        (look(PRESENT, UNKNOWN, BLOCKED), "refused"),
        (look(PRESENT, failure=FailureRecord("preflight", "CARD_DROPPED")), "refused"),
        (adopt_output.describe_host(HostReport(status="unreachable"), None), "unreachable"),
        (
            adopt_output.describe_host(
                HostReport(status="failed", failure=FailureRecord("probe", "PROBE_FAILED")), None
            ),
            "failed",
        ),
        (adopt_output.describe_host(HostReport(status="skipped"), None), "skipped"),
    ],
)
def test_a_status_says_what_adoption_would_meet(found: HostLook, status: str) -> None:
    assert found.status == status


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["adoptable", "up to date"], ExitStatus.OK),
        (["adoptable", "unreachable"], ExitStatus.UNREACHABLE),
        (["refused", "unreachable"], ExitStatus.FAILED),
        (["unclear"], ExitStatus.FAILED),
        (["failed"], ExitStatus.FAILED),
        (["skipped", "unreachable"], ExitStatus.FAILED),
    ],
)
def test_the_exit_status_is_that_of_the_hosts(statuses: list[str], expected: ExitStatus) -> None:
    hosts = {f"mlu{number}": HostLook(status) for number, status in enumerate(statuses)}
    assert adopt_output.exit_status(hosts, Report(run="r")) is expected
    interrupted = Report(run="r", interrupted=True)
    assert adopt_output.exit_status(hosts, interrupted) is ExitStatus.INTERRUPTED


def test_the_document_has_every_host_with_its_time_and_all_bytes() -> None:
    hosts = {"mlu01": look(PRESENT, MISSING), "mlu02": look(BLOCKED, MISSING)}
    found = json.loads(adopt_output.to_json(hosts, Report(run="r7")))
    assert (found["schema"], found["run"], found["interrupted"]) == (1, "r7", False)
    assert (found["sent_bytes"], found["reused_bytes"]) == (14, 5)
    first, second = found["hosts"]["mlu01"], found["hosts"]["mlu02"]
    assert (first["began"], first["ended"]) == ("1970-01-01T00:00:00Z", "1970-01-01T00:01:01Z")
    assert [one["relation"] for one in first["findings"]] == ["present", "missing"]
    assert (first["blockers"], second["blockers"]) == ([], [BLOCKED.blocker])
    assert second["findings"][0]["commands"] == list(BLOCKED.commands)


def test_the_page_describes_every_key_of_the_document() -> None:
    keys = re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(), re.MULTILINE)
    expected = {field.name for kind in (HostLook, Finding) for field in fields(kind)}
    document = json.loads(adopt_output.to_json({}, Report(run="r")))
    assert set(keys) == expected | {"blockers"} | document.keys()


def printed(hosts: dict[str, HostLook], capsys: pytest.CaptureFixture[str]) -> list[str]:
    adopt_output.print_hosts(hosts, Report(run="r"))
    return capsys.readouterr().out.splitlines()


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")


def test_what_blocks_a_host_comes_first_and_commands_stay_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lock = LockRecord("r1", "li@pc", "2026-01-01T00:00:00Z", "deploy", 20, 1)
    lines = printed({"mlu01": look(PRESENT, MISSING, BLOCKED, lock=lock)}, capsys)
    order = [line.split("  ")[1] for line in lines if line[:3].strip() and line.startswith("  ")]
    assert [word for word in order if word in {r.value for r in Relation}] == [
        "in the way",
        "missing",
        "present",
    ]
    assert lines[0] == "mlu01 (small): refused, 7 bytes to send, 5 bytes reused"
    assert lines[1].startswith("  locked by li@pc, run r1")
    assert f"              $ {BLOCKED.commands[0]}" in lines
    unbroken = (BLOCKED.place, BLOCKED.commands[0])
    assert all(len(line) <= 80 for line in lines if line.strip().lstrip("$ ") not in unbroken)
    assert lines[-1].startswith("in all: 1 refused; 7 bytes to send, 5 bytes reused")


def test_many_hosts_that_are_alike_share_a_block(capsys: pytest.CaptureFixture[str]) -> None:
    hosts = {f"mlu{number:02}": look(PRESENT) for number in range(1, 40)}
    hosts["mlu40"] = look(MISSING)
    lines = printed(hosts, capsys)
    assert [line for line in lines if line.startswith("mlu")] == [
        "mlu[01-39] (39 hosts) (small): adoptable, 0 bytes to send, 5 bytes reused each",
        "mlu40 (small): adoptable, 7 bytes to send, 0 bytes reused",
    ]


def test_a_line_of_a_diff_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    line = f"-    answer = {'model.generate(**inputs), ' * 4}"
    edited = Finding("source a", Relation.DIFFERENT, "/a", differences=("1 path", line))
    assert f"{' ' * 14}{line}" in printed({"mlu01": look(edited)}, capsys)


def test_no_escape_of_a_host_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = Finding("clones in /a\x1b[2J", Relation.DIFFERENT, differences=("x\x07y",))
    lines = printed({"mlu01": look(evil)}, capsys)
    assert not {"\x1b", "\x07"} & set("".join(lines))

"""`mlufleet endpoints` tells where models answer, and hands out only what clients can use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from fleet.errors import ExitStatus
from mlufleet.cli import endpoint_output
from mlufleet.cli.endpoints import FORMATS
from mlufleet.cli.main import main
from mlufleet.report.model import Report, parse_report
from mlufleet.run import launcher

FAILURE = {"stage": "connect", "code": "UNREACHABLE", "sentence": "refused", "remedy": "r"}


def endpoint(address: str = "http://10.0.0.1:8000", **over: Any) -> dict[str, Any]:
    return {
        "release": "glm",
        "name": "0",
        "model": "chatglm3-6b",
        "address": address,
        "cards": [0, 1, 2, 3],
        "state": "ready",
        "metrics": "/metrics",
        **over,
    }


def host(*endpoints: dict[str, Any], **over: Any) -> dict[str, Any]:
    versions = {"driver": "5.10.10"}
    return {
        "status": "ok",
        "versions": versions,
        "seen": 1e9,
        "endpoints": [*endpoints],
        **over,
    }


def unseen(status: str = "unreachable") -> dict[str, Any]:
    return {"status": status, "failure": FAILURE}


def report(**hosts: dict[str, Any]) -> Report:
    return parse_report({"run": "r", "dry": True, "hosts": hosts})


def found(**hosts: dict[str, Any]) -> list[endpoint_output.FoundEndpoint]:
    return endpoint_output.list_found(report(**hosts), {})


SICK = endpoint(
    "http://10.0.0.2:8000", state="unhealthy", code="SERVE_WRONG", reason="no\nword", restarts=3
)
LOCAL = endpoint("http://127.0.0.1:8000")
OWN = endpoint("http://10.0.0.3:8000", model="Qwen/7B chat", metrics="")


def run(monkeypatch: pytest.MonkeyPatch, seen: Report, *arguments: str) -> Any:
    def look(inventory: str, options: tuple[str, ...]) -> Report:
        assert (inventory, options) == ("fleet.py", ("--limit", "rack1"))
        return seen

    monkeypatch.setattr(launcher, "dry_run_report", look)
    monkeypatch.setenv("COLUMNS", "80")
    return CliRunner().invoke(main, ["endpoints", "fleet.py", "--limit", "rack1", *arguments])


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        ({}, ExitStatus.OK),
        ({"a": host()}, ExitStatus.OK),
        ({"a": host(endpoint(), LOCAL)}, ExitStatus.OK),
        ({"a": host(endpoint(), SICK)}, ExitStatus.FAILED),
        ({"a": host(endpoint(state="loading"))}, ExitStatus.FAILED),
        ({"a": host(endpoint(state="absent"))}, ExitStatus.FAILED),
        ({"a": host(endpoint()), "b": unseen()}, ExitStatus.UNREACHABLE),
        ({"a": host(SICK), "b": unseen()}, ExitStatus.FAILED),
        ({"a": host(endpoint()), "b": unseen("failed"), "c": unseen()}, ExitStatus.FAILED),
    ],
)
def test_the_exit_status_says_whether_all_endpoints_are_ready(
    monkeypatch: pytest.MonkeyPatch, hosts: dict[str, Any], status: ExitStatus
) -> None:
    for form in FORMATS:
        result = run(monkeypatch, report(**hosts), "--format", form)
        assert result.exit_code == status, (form, result.output)


def test_the_table_has_a_row_for_each_endpoint_and_fits_80_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figures = {"tokens_per_s": 41.75, "ready_s": 12.5, "first_token_s": 0.5}
    hosts = {f"mlu{number}": host(endpoint(**figures)) for number in (10, *range(1, 10))}
    hosts |= {f"mlu{number}": host(endpoint()) for number in (11, 12)}
    seen = report(**hosts, mlu13=host(endpoint(), {**SICK, "name": "1"}), mlu9b=unseen())
    result = run(monkeypatch, seen)
    head, *lines = result.stdout.splitlines()
    rows, others = lines[:14], lines[14:]
    assert head.split()[:3] == ["endpoint", "state", "address"]
    assert max(map(len, (head, *lines))) <= 80 and "\x1b" not in result.stdout
    names = [f"mlu{number}" for number in range(1, 14)]
    assert [row.split()[:2] for row in rows] == [
        ["mlu13", "glm/1"],  # what is not ready comes first
        *([name, "glm/0"] for name in names),
    ]
    assert all(row.split()[3] == "http://10.0.0.1:8000" for row in rows[1:])
    assert others == [
        r"mlu13 glm/1: unhealthy, SERVE_WRONG: no\nword",
        "all columns: `--wide`",
    ]
    assert "mlu9b: not seen: UNREACHABLE: refused" in result.stderr
    wide = run(monkeypatch, seen, "--wide").stdout
    for cell in ("chatglm3-6b", "0-3", "41.8", "12.5 - 0.5 s", "2001-09-09T01:46:40Z"):
        assert cell in wide
    assert "`--wide`" not in wide


def test_in_chinese_no_line_is_wider_than_the_terminal_either(
    monkeypatch: pytest.MonkeyPatch, speak: Callable[[str], None]
) -> None:
    speak("zh_CN")
    seen = report(mlu1=host(endpoint(), {**SICK, "name": "1"}))
    lines = run(monkeypatch, seen).stdout.splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert [line.split()[2] for line in lines[1:3]] == ["不健康", "就绪"]


def test_many_endpoints_are_listed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = report(**{f"mlu{number}": host(endpoint()) for number in range(100)})
    lines = run(monkeypatch, seen).stdout.splitlines()
    assert sum(line.startswith("mlu") for line in lines) == 100


def test_a_fleet_without_served_releases_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, report(a=host()))
    assert "served" in result.stdout and result.exit_code == 0
    # of a host that was not seen, nobody knows
    result = run(monkeypatch, report(a=host(), b=unseen()))
    assert "served" not in result.stdout and result.exit_code == ExitStatus.UNREACHABLE


def test_json_has_every_field_and_the_hosts_that_were_not_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = report(a=host(endpoint(tokens_per_s=41.75), SICK), b=unseen())
    for arguments in (["--json"], ["--format", "json"], ["--json", "--format", "json"]):
        document = json.loads(run(monkeypatch, seen, *arguments).stdout)
        first, second = document["endpoints"]
        assert (first["host"], first["seen"], first["ready"]) == ("a", 1e9, True)
        assert (first["tokens_per_s"], first["proved"]) == (41.75, None)
        assert (second["ready"], second["code"], second["restarts"]) == (False, "SERVE_WRONG", 3)
        assert document["not_seen"] == {"b": "UNREACHABLE: refused"}


def test_two_formats_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, report(), "--json", "--format", "nginx")
    assert result.exit_code == ExitStatus.INVALID


def test_nginx_gets_only_what_is_ready_and_can_be_reached() -> None:
    text = endpoint_output.render_nginx(found(mlu10=host(endpoint(), SICK), mlu9=host(LOCAL, OWN)))
    assert text.splitlines() == [
        "# chatglm3-6b: left out mlu9 glm/0, 127.0.0.1:8000: only its host reaches this address",
        "# chatglm3-6b: left out mlu10 glm/0, 10.0.0.2:8000: unhealthy, SERVE_WRONG: no\\nword",
        "upstream chatglm3-6b {",
        "    server 10.0.0.1:8000;  # mlu10 glm/0",
        "}",
        "upstream Qwen_7B_chat {",
        "    server 10.0.0.3:8000;  # mlu9 glm/0",
        "}",
    ]


def test_nginx_gets_no_block_without_a_server_and_no_block_of_two_models() -> None:
    assert "upstream" not in endpoint_output.render_nginx(found(a=host(SICK, LOCAL)))
    mixed = found(a=host(endpoint(model="a b"), endpoint(model="a/b")))
    text = endpoint_output.render_nginx(mixed)
    assert "upstream a_b {" in text and "upstream a_b_2 {" in text


def test_prometheus_gets_targets_with_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, report(a=host(SICK, LOCAL, OWN)), "--format", "prometheus")
    assert json.loads(result.stdout) == [
        {
            "targets": ["10.0.0.2:8000"],
            "labels": {
                "__metrics_path__": "/metrics",
                "host": "a",
                "release": "glm",
                "endpoint": "0",
                "model": "chatglm3-6b",
            },
        }
    ]
    assert len(result.stderr.splitlines()) == 2 and "127.0.0.1:8000" in result.stderr


def test_a_server_on_all_addresses_is_reached_as_the_host_is(
    tmp_path: Path,
) -> None:
    inventory = tmp_path / "fleet.py"
    inventory.write_text(
        'h = [("a", {"ssh_hostname": "10.9.9.9", "release": "r.yml"}), "b.example"]\n'
    )
    anywhere = endpoint("http://0.0.0.0:8001")
    seen = report(**{"a": host(anywhere), "b.example": host(anywhere), "c": host(endpoint())})
    addresses = endpoint_output.find_host_addresses(seen, str(inventory))
    records = [one.record.address for one in endpoint_output.list_found(seen, addresses)]
    assert records == [
        "http://10.9.9.9:8001",
        "http://b.example:8001",
        "http://10.0.0.1:8000",
    ]


def test_endpoints_of_hosts_in_quarantine_are_shown_and_not_handed_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mark = {"since": "1970-01-01T00:00:00Z", "by": "kang@ops", "reason": "cards drop"}
    broken = host(SICK, endpoint(), quarantine={**mark, "included": True})
    hosts = {"a": host(endpoint()), "b": broken, "c": {**unseen(), "quarantine": mark}}
    seen, said = report(**hosts), "in quarantine since 1970-01-01T00:00:00Z by kang@ops: cards drop"
    table = run(monkeypatch, seen)
    assert table.exit_code == ExitStatus.OK and f"b glm/0: {said}" in table.stdout
    nginx = run(monkeypatch, seen, "--format", "nginx").stdout
    assert (
        nginx.count("    server ") == 1
        and f"# chatglm3-6b: left out b glm/0, 10.0.0.1:8000: {said}" in nginx
    )
    targets = run(monkeypatch, seen, "--format", "prometheus")
    assert [one["labels"]["host"] for one in json.loads(targets.stdout)] == ["a"]
    assert f"b glm/0: left out: {said}" in targets.stderr
    listed = json.loads(run(monkeypatch, seen, "--json").stdout)["endpoints"]
    assert [(one["host"], one["ready"], one["state"]) for one in listed] == [
        ("a", True, "ready"),
        ("b", False, "unhealthy"),
        ("b", False, "ready"),
    ]
    assert [one["quarantine"] and one["quarantine"]["reason"] for one in listed] == [
        *(None, "cards drop", "cards drop")
    ]

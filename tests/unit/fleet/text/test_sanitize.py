"""What others wrote does nothing to who reads it: one nasty text through every way out."""

from __future__ import annotations

import csv
import io
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as xml

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from prometheus_client.parser import text_string_to_metric_families
from pyinfra import logger
from pyinfra.api import output

from fleet.errors import Failure, InvalidInput
from fleet.inventory import tree
from fleet.text import sanitize
from mlufleet.cli import health, main
from mlufleet.journal import events as journal_events
from mlufleet.journal import journal
from mlufleet.report import derive, metric_table, publish, terminal
from mlufleet.rollout import hooks, status
from mlufleet.rollout.live_view import LiveView
from mlufleet.run.host_log import HostLog
from operations.host.events import EventBus
from operations.host.output import DecodedOutput
from operations.host.probe_parser import parse
from tests.journals import derive as derive_lines
from tests.journals import read_events
from tests.unit.conftest import BARE
from tests.unit.fuzz import ANY_TEXT
from tests.unit.mlufleet.run.test_assessment import PROVISIONED, RIGHT, at, first

#: title, clear, colour, C1's CSI, backspaces, direction, line ends, markup, formula, half a letter
NASTY = (
    "=1+1\x1b]0;pwned\x07\x1b[2J\x1b[31mred\x9b2Jx\b\b\u202egnp\u2028\u2066\x85\r\n\x0b"
    "mlu9: free</script><b onload='x'>&[red]\\\"}, 模型 é\ud800\ufffe\x00"
)
SHOWN = sanitize.escape_line(NASTY)
HARMLESS = r"\x1b]0;pwned\x07\x1b[2J\x1b[31mred\x9b2Jx\x08\x08\u202egnp\u2028\u2066\x85\r\n\x0b"


def inert(text: str) -> bool:
    """Nothing in it is obeyed; what is between its own lines is not looked at."""
    text.encode()
    return not sanitize.UNSAFE_CHARACTERS.search(text.replace("\n", ""))


def test_what_is_shown_says_what_it_was() -> None:
    assert HARMLESS in SHOWN and inert(SHOWN) and "模型 é" in SHOWN
    assert sanitize.escape_line(SHOWN) == SHOWN
    assert (
        sanitize.escape_text("a\nb\x1b\tc") == "a\nb\\x1b\tc"
        and sanitize.join_lines("a\n  b\n") == "a; b"
    )
    assert sanitize.escape_data({NASTY: [NASTY, 1, None]}) == {SHOWN: [SHOWN, 1, None]}


@given(text=ANY_TEXT)
def test_no_text_is_obeyed_and_shown_twice_it_is_the_same(text: str) -> None:
    assert inert(sanitize.escape_line(text)) and sanitize.escape_line(
        sanitize.escape_line(text)
    ) == sanitize.escape_line(text)
    assert sanitize.escape_text(text).count("\n") == text.count("\n")


def nasty_run(folder: Path) -> dict[str, Any]:
    """A journal as an older version, or somebody else, may have written it; its report."""
    lock = {"run": NASTY, "operator": NASTY, "since": NASTY, "lease": 20, "why": NASTY, "age": 1}
    versions = dict.fromkeys(("release", "os", "kernel", "driver", "engine", NASTY), NASTY)
    seen = {
        "seen": 28.0,
        "wanted": NASTY,
        "versions": {**versions, "cards": 1},
        "lock": lock,
        "cards": {NASTY: NASTY},
        "serials": {NASTY: NASTY},
        "models": {NASTY: NASTY},
        "owners": {},
        "validation": {NASTY: {"verdict": NASTY, "why": NASTY}},
    }
    events = [
        at(1, "hosts", "", names=[NASTY, "down"], groups={NASTY: [NASTY]}),
        at(2, "observed", NASTY, needs=[NASTY], drift={NASTY: [NASTY]}, refusal=None, **seen),
        at(3, "stage", NASTY, stage=NASTY),
        at(4, "stage-done", NASTY, stage=NASTY, changes=[NASTY], seconds=1.0, seen=3.5),
        at(5, "answer", NASTY, text=NASTY),
        at(6, "kept", NASTY, what=NASTY),
        at(7, "note", NASTY, text=NASTY),
        at(8, "way-back", NASTY, release=NASTY, why=NASTY),
        at(9, "failed", NASTY, stage=NASTY, code=NASTY, sentence=NASTY, remedy=NASTY, tail=[NASTY]),
        at(
            9,
            "unreachable",
            "down",
            stage="connect",
            code="UNREACHABLE",
            sentence=NASTY,
            remedy=NASTY,
            tail=[NASTY],
        ),
        at(10, "step", NASTY, stage=NASTY, title=NASTY),
    ]
    folder.mkdir(parents=True)
    lines = (json.dumps(event) + "\n" for event in events)
    (folder / "journal.jsonl").write_text("".join(lines))
    return derive.write_report(folder)


def test_every_way_out_of_a_report_shows_it_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs/20260101-000000-1"
    found = nasty_run(folder)
    publish.write_exports(found, folder)
    terminal.print_summary(found, folder)
    health.print_health(found)
    for line in (
        *health.describe_locks(found),
        *status.status_lines("latest"),
        *status.drift_lines("latest"),
    ):
        click.echo(line)
    click.echo(json.dumps(health.health_by_host(found), ensure_ascii=False))
    said = capsys.readouterr()
    written = {
        path.name: path.read_bytes().decode()
        for path in folder.iterdir()
        if path.name != "journal.jsonl"
    }
    assert {
        "report.json",
        "report.html",
        "junit.xml",
        "metrics.prom",
        "cards.csv",
        "cards.json",
    } <= set(written)
    for name, text in {**written, "out": said.out, "err": said.err}.items():
        assert inert(text.replace("\r\n", "\n")), (name, sanitize.UNSAFE_CHARACTERS.findall(text))
        assert r"\x1b" in text or r"\\x1b" in text, name
    assert "</script><b" not in written["report.html"]
    (row, other) = csv.DictReader(io.StringIO(written["cards.csv"], newline=""))
    assert row["serial"] == f"'{SHOWN}" and other["host"] == "down"
    assert json.loads(written["cards.json"])[0]["serial"] == SHOWN
    labels = [
        sample.labels
        for family in text_string_to_metric_families(written["metrics.prom"])
        for sample in family.samples
        if "driver" in sample.labels
    ]
    label = f"{SHOWN[: metric_table.MAX_LABEL_CHARACTERS - 1]}…"
    assert labels[0]["host"] == labels[0]["driver"] == label
    assert xml.fromstring(written["junit.xml"].encode())[0].get("name") == SHOWN


def test_every_way_into_a_run_makes_text_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    block = NASTY.replace("\n", "").encode("utf-8", "surrogatepass")
    blocks = iter([block[:30], block[30:] + b"\r\n", b"half \x1b[2J", b""])
    line, last = DecodedOutput(SimpleNamespace(close=None), lambda size: next(blocks))
    assert inert(line) and HARMLESS.split(r"\r")[0] in line and last == r"half \x1b[2J"
    lock = "lock\trun\tme\x1b[2J\tnow\t20\twhy\x9b2J\t3"
    said = parse(
        [line, "@@mlufleet-begin", *(x.replace("|", "\t") for x in BARE), lock, "@@mlufleet-end"],
        0.0,
    )
    assert said.lock and said.lock.operator == r"me\x1b[2J" and said.lock.why == r"why\x9b2J"
    failure = Failure("ENGINE", NASTY, (NASTY,))
    assert inert(failure.sentence) and failure.tail == (SHOWN,)
    assert inert(str(InvalidInput(NASTY))) and "\n" in str(InvalidInput(NASTY))
    heard: list[Any] = []
    bus = EventBus()
    bus.listeners.append(heard.append)
    bus.emit("a", "validated", plugin="p", verdict="", why=NASTY, rates={NASTY: 1.0})
    assert heard[0].why == SHOWN and heard[0].rates == {SHOWN: 1.0}
    host = SimpleNamespace(name="a", data={"ssh_user": NASTY}, groups=[])
    inventory: Any = type("I", (list,), {"groups": {}})([host])
    assert tree.describe_inventory(inventory)["hosts"]["a"]["user"] == SHOWN


def test_a_plan_is_read_as_it_was_written_so_that_it_can_be_resumed(tmp_path: Path) -> None:
    kept = journal.Journal(tmp_path)
    plan = {"before": "drain\n\tit"}
    kept.append(journal_events.RolloutStarted(plan=plan))
    assert read_events(tmp_path)[1] == journal_events.RolloutStarted(
        plan=plan, time=read_events(tmp_path)[1].time
    )


def test_the_log_of_a_host_has_lines_of_its_own_only(tmp_path: Path) -> None:
    log = HostLog(tmp_path, {})
    message = f"    [\x1b[1mmlu1\x1b[0m] said {NASTY}"
    log.emit(logging.LogRecord("pyinfra", logging.INFO, "", 0, message, (), None))
    (line,) = (tmp_path / "mlu1.log").read_text().splitlines()
    assert line.endswith(f"said {sanitize.escape_line(sanitize.ANSI_STYLES.sub('', NASTY))}")


def test_what_pyinfra_prints_keeps_its_colours_and_none_but_those(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    printed: list[str] = []
    monkeypatch.setattr(output, "_echo", lambda message=None, **_: printed.append(message))
    monkeypatch.setattr(logger, "filters", [])
    monkeypatch.delenv("NO_COLOR", raising=False)
    sanitize.filter_pyinfra_output.__wrapped__()
    output.echo("[\x1b[1mmlu1\x1b[0m] \x1b]0;x\x07\x1b[2J\x9b2J")
    assert printed == ["[\x1b[1mmlu1\x1b[0m] \\x1b]0;x\\x07\\x1b[2J\\x9b2J"]
    record = logging.LogRecord("pyinfra", logging.INFO, "", 0, "%s \x1b[2J", ("a\x07",), None)
    assert logger.filter(record) and record.getMessage() == "a\\x07 \\x1b[2J"
    monkeypatch.setenv("NO_COLOR", "1")
    assert sanitize.escape_styled("[\x1b[1mmlu1\x1b[0m] \x1b[2J") == "[mlu1] \\x1b[2J"


def test_the_live_view_shows_text() -> None:
    view = LiveView(EventBus())
    view.console.file = stream = io.StringIO()
    with view:
        view.bus.emit(
            "a", "failed", stage="driver", code=NASTY, sentence=NASTY, remedy=NASTY, tail=[]
        )
    assert inert(stream.getvalue()) and HARMLESS in stream.getvalue()


def test_wrong_input_is_told_as_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yml").write_text('defaults: {release: x}\nhosts: {"a\\e[2J\\u202e": {}}\n')
    Path("a.py").write_text(
        "from pathlib import Path\nfrom fleet.inventory import read\nhosts = read(Path('a.yml'))\n"
    )
    for words in (
        ["explain", "X\x1b[2J"],
        ["status", "no\x1b[2J"],
        ["check", "a.py"],
        ["show", "no\x1b[2J\u202e"],
    ):
        done = CliRunner().invoke(main.main, words)
        assert done.exit_code == 3 and inert(done.output), done.output
        assert "x1b[2J" in done.output


def test_a_hooks_output_is_bounded_and_text() -> None:
    code = "yes 0123456789abcdef | head -c 3000000; printf '\\nx\\033[2J\\n%01000d\\n' 7; exit 1"
    failure = hooks.run_hook(code, {}, 60)
    assert failure is not None and len(failure.tail) <= 20
    assert failure.tail[-2] == r"x\x1b[2J" and max(map(len, failure.tail)) <= hooks.MAX_LINE_BYTES
    slow = hooks.run_hook("echo 'waits for \x07the balancer'; sleep 60", {}, 1)
    assert slow is not None and slow.tail == (r"waits for \x07the balancer",)


def test_names_of_a_host_that_is_right_stay_as_they_are() -> None:
    lines = [PROVISIONED[1], first(), {**at(3, "facts"), **RIGHT}]
    assert derive_lines(lines, "r").hosts["a"].models["x"] == "MLU370-X8"


def test_a_release_that_somebody_handed_over_is_shown_as_text(site: Path) -> None:
    path = site / "small.yml"
    path.write_text(path.read_text() + 'summary: "a\\e[2J\\u202eb"\n')
    done = CliRunner().invoke(main.main, ["show", str(path)])
    assert done.exit_code == 0 and "release small: a\\x1b[2J\\u202eb\n" in done.output


@pytest.mark.parametrize("name", ["a\\x1b[2J", "a\\nb: free", "a\\u202eb", "a\\x9b2J"])
def test_a_host_in_python_has_a_name_that_can_be_printed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("h.py").write_text(f'hosts = ["fine", ("{name}", {{"release": "x"}})]\nhosts.pop(0)\n')
    done = CliRunner().invoke(main.main, ["check", "h.py"])
    assert done.exit_code == 3 and len(done.output.splitlines()) == 1 and inert(done.output)
    assert "h.py: " in done.output and "Traceback" not in done.output

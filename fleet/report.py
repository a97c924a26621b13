"""The report of a run: derived from its journal, by whoever asks, also after a kill.

Schema of ``report.json`` (version 1): ``schema``, ``run``, ``started``, ``ended`` (seconds since
the epoch, null while it runs), ``exit`` and ``hosts``: name -> ``status`` (ok, changed, failed,
unreachable, skipped), ``stages`` (list of ``stage``, ``changes``, ``seconds``), ``failure``
(``stage``, ``code``, ``sentence``, ``remedy``, ``tail``), ``versions``, ``answer``, ``kept``,
``drift`` (stage -> what was to do when the run began), ``lock`` (who held the host then, or null),
``cards`` (address -> core state then, "dropped", "gone" or "no driver"), ``notes`` (what is wrong
with a host though it can be provisioned, in words, with the remedy).
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

from fleet import journal
from fleet.failures import Exit
from operations.state import WORKS

SCHEMA = 1
#: codes of hosts that nothing is wrong with: they were left for another time
LEFT = ("CARD_BUSY", "INTERRUPTED")
FAILURE = ("stage", "code", "sentence", "remedy", "tail")


def derive(events: list[dict[str, Any]], run: str) -> dict[str, Any]:
    """The report of these events."""
    hosts: dict[str, dict[str, Any]] = {}
    report: dict[str, Any] = {
        "schema": SCHEMA, "run": run, "started": None, "ended": None, "dry": False,
        "interrupted": False, "hosts": hosts,
    }  # fmt: skip
    for event in events:
        kind, name = event["kind"], event["host"]
        if kind == "run":
            report["started"] = event["time"]
        elif kind == "hosts":
            for host in event["names"]:
                hosts.setdefault(host, _host())
        elif kind == "end":
            report.update(ended=event["time"], dry=event.get("dry", False))
            report["interrupted"] = event.get("interrupted", False)
        if name:
            _take(hosts.setdefault(name, _host()), event)
    for host in hosts.values():
        if report["dry"]:  # nothing was begun: what would be refused is all that there is to say
            host["failure"] = host["failure"] or host["refusal"]
        host["status"] = _status(host)
        for key in ("seen", "needs", "refusal", "unreachable"):
            del host[key]
    report["exit"] = exit_status(report).value
    return report


def _host() -> dict[str, Any]:
    return {"status": "skipped", "stages": [], "failure": None, "versions": {}, "answer": None,
            "kept": [], "drift": {}, "lock": None, "cards": {}, "notes": [], "seen": False,
            "needs": [], "refusal": None, "unreachable": False}  # fmt: skip


def _take(host: dict[str, Any], event: dict[str, Any]) -> None:
    kind = event["kind"]
    if kind == "unreachable":
        host["unreachable"] = True
        host["failure"] = {k: event[k] for k in FAILURE}
    elif kind == "observed":
        host.update(seen=True, needs=event["needs"], versions=event["versions"],
                    drift=event.get("drift", {}), lock=event.get("lock"),
                    cards=event.get("cards", {}))  # fmt: skip
        host["answer"] = event.get("answer") or host["answer"]
        host["refusal"] = event.get("refusal")
    elif kind == "stage-done":
        host["stages"].append({k: event[k] for k in ("stage", "changes", "seconds")})
        host["versions"]["driver"] = event["driver"]
    elif kind == "failed":
        host["failure"] = {k: event[k] for k in FAILURE}
    elif kind == "answer":
        host["answer"] = event["text"]
    elif kind == "kept":
        host["kept"].append(event["what"])
    elif kind == "note":
        host["notes"].append(event["text"])


def _status(host: dict[str, Any]) -> str:
    if host["unreachable"]:
        return "unreachable"
    if host["failure"]:
        return "skipped" if host["failure"]["code"] in LEFT else "failed"
    if not host["seen"]:
        return "skipped"
    done = {stage["stage"] for stage in host["stages"]}
    if host["needs"] and "smoke" not in done:
        return "skipped"
    return "changed" if any(stage["changes"] for stage in host["stages"]) else "ok"


def exit_status(report: dict[str, Any]) -> Exit:
    """The exit status of ``mlufleet`` that a report stands for."""
    statuses = {host["status"] for host in report["hosts"].values()}
    if report["interrupted"]:
        return Exit.INTERRUPTED
    if "failed" in statuses:
        return Exit.FAILED
    if "unreachable" in statuses:
        return Exit.UNREACHABLE
    if "skipped" in statuses and not report["dry"]:
        return Exit.FAILED
    return Exit.OK


def write(folder: Path, *, newest: bool = True) -> dict[str, Any]:
    """Derive and store ``report.json``.

    :param newest: point runs/latest to it
    """
    report = derive(journal.read(folder), folder.name)
    part = folder / "report.json.part"
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    part.write_text(text, encoding="utf-8", errors="backslashreplace")
    part.replace(folder / "report.json")
    if not newest:
        return report
    link = folder.parent / f".latest-{os.getpid()}"
    link.symlink_to(folder.name)
    link.replace(folder.parent / "latest")
    return report


def degraded(host: dict[str, Any]) -> str:
    """Which cards of a host work, if some do and some do not."""
    cards = host["cards"]
    works = [address for address, state in cards.items() if state == WORKS]
    if not works or len(works) == len(cards):
        return ""
    said = ", ".join(f"{address} {state}" for address, state in cards.items())
    return f"degraded, {len(works)} of {len(cards)} cards work: {said}"


MARKS = {"ok": "green", "changed": "yellow", "failed": "red", "unreachable": "red",
         "skipped": "cyan"}  # fmt: skip


def summary(report: dict[str, Any], folder: Path) -> None:
    """Every host on a terminal (standard error), with what failed and what to do."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    table = Table(title=f"run {report['run']}", title_justify="left")
    for column in ("host", "status", "driver", "cards", "stages changed", "seconds", "answer"):
        table.add_column(column)
    for name, host in sorted(report["hosts"].items()):
        changed = [stage["stage"] for stage in host["stages"] if stage["changes"]]
        seconds = sum(stage["seconds"] for stage in host["stages"])
        # as plain text: a model's answer may have brackets that are markup to rich
        cells = [name, host["status"], host["versions"].get("driver", ""),
                 host["versions"].get("cards", ""), " ".join(changed) or "-", f"{seconds:.0f}",
                 host["answer"] or ""]  # fmt: skip
        row = [Text(str(cell)) for cell in cells]
        row[1].stylize(MARKS[host["status"]])
        table.add_row(*row)
    console.print(table)
    for name, host in sorted(report["hosts"].items()):
        if failure := host["failure"]:
            # lines are not broken: a command in one can be copied whole
            say = partial(console.print, markup=False, soft_wrap=True)
            say(f"{name}: {failure['code']}: {failure['sentence']}", style="red")
            for line in failure["tail"]:
                say(f"    {line}")
            say(f"  remedy: {failure['remedy']}")
        if degraded(host):
            console.print(f"{name}: {degraded(host)}", markup=False, soft_wrap=True)
        for note in host["notes"]:
            console.print(f"{name}: {note}", markup=False, soft_wrap=True)
    total = len(report["hosts"])
    same = sum(host["status"] == "ok" for host in report["hosts"].values())
    console.print(f"{same} of {total} hosts needed no change; report: {folder}/report.json")

"""The report of a run: derived from its journal, by whoever asks, also after a kill.

Schema of ``report.json`` (version 2): ``schema``, ``run``, ``kind`` (deploy, rollout, rollback),
``started``, ``ended`` (seconds since the epoch, null while it runs), ``dry``, ``interrupted``,
``exit``, ``rollout`` (null, or ``plan``, ``canaries``, ``window``, ``max_fail``, ``stopped``: why
no host started any more, ``resumes``: a run) and ``hosts``: name -> ``status``
(:data:`STATUSES`), ``stages`` (list of ``stage``, ``began``, ``seconds``, ``changes``),
``failure`` (``stage``, ``code``, ``sentence``, ``remedy``, ``tail``), ``versions``, ``answer``,
``kept``, ``notes`` (in words, with the remedy), ``drift`` (stage -> what was to do when the run
began), ``lock`` (who held the host then, or null), ``cards`` (address -> core state then,
"dropped", "gone" or "no driver"), ``serials`` (address -> of the board), ``groups``, ``canary``,
``began``, ``ended``, ``rolled_back`` (null, or ``from`` and ``to``), ``way_back`` (file of the
release that the host can go back to), ``sent`` (bytes of files), ``now`` (what it was at when the
journal ended; "" when it was at nothing).
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

from fleet import journal
from fleet.failures import LEFT, Exit
from operations.state import WORKS

SCHEMA = 2
STATUSES = ("ok", "changed", "failed", "unreachable", "skipped", "not started", "rolled back")
FAILURE = ("stage", "code", "sentence", "remedy", "tail")


def derive(events: list[dict[str, Any]], run: str) -> dict[str, Any]:
    """The report of these events."""
    hosts: dict[str, dict[str, Any]] = {}
    report: dict[str, Any] = {
        "schema": SCHEMA, "run": run, "kind": "deploy", "started": None, "ended": None,
        "dry": False, "interrupted": False, "rollout": None, "hosts": hosts,
    }  # fmt: skip
    for event in events:
        kind, name = event["kind"], event["host"]
        if kind == "run":
            report["started"] = event["time"]
        elif kind == "hosts":
            for host in event["names"]:
                hosts.setdefault(host, _host())["groups"] = event.get("groups", {}).get(host, [])
        elif kind == "rollout":
            plan = event["plan"]
            report["kind"] = plan["kind"]
            report["rollout"] = {"plan": plan, "resumes": event["resumes"], "canaries": [],
                                 "window": 0, "max_fail": 0, "stopped": ""}  # fmt: skip
        elif kind == "scheduled" and report["rollout"]:
            report["rollout"].update({k: event[k] for k in ("canaries", "window", "max_fail")})
        elif kind == "end":
            report.update(ended=event["time"], dry=event.get("dry", False))
            report["interrupted"] = event.get("interrupted", False)
            if report["rollout"]:
                report["rollout"]["stopped"] = event.get("stopped", "")
        if name:
            _take(hosts.setdefault(name, _host()), event)
    for host in hosts.values():
        if report["dry"]:  # nothing was begun: what would be refused is all that there is to say
            host["failure"] = host["failure"] or host["refusal"]
        host["status"] = _status(host, report["rollout"])
        for key in ("seen", "needs", "refusal", "unreachable", "began-stage"):
            del host[key]
    report["exit"] = exit_status(report).value
    return report


def _host() -> dict[str, Any]:
    return {"status": "skipped", "stages": [], "failure": None, "versions": {}, "answer": None,
            "kept": [], "notes": [], "drift": {}, "lock": None, "cards": {}, "serials": {},
            "groups": [], "canary": False, "began": None, "ended": None, "rolled_back": None,
            "way_back": "", "now": "", "seen": False, "needs": [], "refusal": None,
            "unreachable": False, "began-stage": None, "sent": 0}  # fmt: skip


def _take(host: dict[str, Any], event: dict[str, Any]) -> None:
    kind = event["kind"]
    if kind == "unreachable":
        host["unreachable"] = True
        host["failure"] = {k: event[k] for k in FAILURE}
    elif kind == "observed":
        host.update(seen=True, needs=event["needs"], versions=event["versions"],
                    drift=event.get("drift", {}), lock=event.get("lock"),
                    cards=event.get("cards", {}), serials=event.get("serials", {}))  # fmt: skip
        host["answer"] = event.get("answer") or host["answer"]
        host["refusal"] = event.get("refusal")
    elif kind == "stage":
        host.update({"began-stage": event["time"], "now": event["stage"]})
    elif kind == "stage-done":
        stage = {k: event[k] for k in ("stage", "seconds", "changes")}
        host["stages"].append({"began": host["began-stage"] or event["time"], **stage})
        host["versions"]["driver"] = event["driver"]
        host["now"] = ""
    elif kind == "step":
        host["now"] = f"{event['stage']}: {event['title']}"
    elif kind == "failed":
        host.update(failure={k: event[k] for k in FAILURE}, now="")
    elif kind == "answer":
        host["answer"] = event["text"]
    elif kind == "kept":
        host["kept"].append(event["what"])
    elif kind == "note":
        host["notes"].append(event["text"])
    elif kind == "transfer":
        host["sent"] += event["sent"]
    else:
        _travelled(host, event)


def _travelled(host: dict[str, Any], event: dict[str, Any]) -> None:
    """What only a rollout tells of a host."""
    kind = event["kind"]
    if kind == "begin":
        host.update(began=event["time"], canary=event["canary"], now="begins")
    elif kind == "done":
        host.update(ended=event["time"], now="")
    elif kind == "way-back":
        host["way_back"] = event["release"]
        if event["why"]:
            host["notes"].append(f"it cannot go back to another release: {event['why']}")
    elif kind == "rolling-back":
        host["rolled_back"] = {"from": host["versions"].get("release", ""), "to": ""}
    elif kind == "rolled-back":
        host["rolled_back"] = host["rolled_back"] or {"from": ""}
        host["rolled_back"]["to"] = host["versions"].get("release", "")
    elif kind == "proved":
        host["needs"] = []


def _status(host: dict[str, Any], rollout: dict[str, Any] | None) -> str:
    if host["rolled_back"] and host["rolled_back"]["to"]:
        return "rolled back"
    if host["unreachable"]:
        return "unreachable"
    if host["failure"]:
        return "skipped" if host["failure"]["code"] in LEFT else "failed"
    if rollout and host["began"] is None and (host["needs"] or not host["seen"]):
        return "not started"
    done = {stage["stage"] for stage in host["stages"]}
    if not host["seen"] or (host["needs"] and "smoke" not in done):
        return "skipped"
    return "changed" if any(stage["changes"] for stage in host["stages"]) else "ok"


def exit_status(report: dict[str, Any]) -> Exit:
    """The exit status of ``mlufleet`` that a report stands for."""
    statuses = {host["status"] for host in report["hosts"].values()}
    stopped = report["rollout"]["stopped"] if report["rollout"] else ""
    if report["interrupted"]:
        return Exit.INTERRUPTED
    if "rolled back" in statuses or stopped in ("budget", "declined"):
        return Exit.STOPPED
    if "failed" in statuses:
        return Exit.FAILED
    if "unreachable" in statuses:
        return Exit.UNREACHABLE
    if statuses & {"skipped", "not started"} and not report["dry"]:
        return Exit.FAILED
    return Exit.OK


def of(folder: Path) -> dict[str, Any]:
    """The report of a run, without writing it."""
    return derive(journal.read(folder), folder.name)


def write(folder: Path, *, newest: bool = True) -> dict[str, Any]:
    """Derive and store ``report.json``.

    :param newest: point runs/latest to it
    """
    report = of(folder)
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


def previous(folder: Path) -> dict[str, Any] | None:
    """The report of the run before this one that did more than look."""
    for other in sorted(folder.parent.glob("2*"), reverse=True):
        if other.name < folder.name and (other / "report.json").is_file():
            found: dict[str, Any] = json.loads((other / "report.json").read_text(encoding="utf-8"))
            if not found.get("dry"):
                return found
    return None


def publish(folder: Path) -> None:
    """Write what people and machines read beside ``report.json``: the page, JUnit, metrics."""
    from fleet.reports import handover, junit, page

    found = of(folder)
    texts = {
        "report.html": page.render(found, previous(folder)),
        "junit.xml": junit.render(found),
        "metrics.prom": handover.prometheus(found),
        "cards.csv": handover.facts_csv(found),
        "cards.json": handover.facts_json(found),
    }
    for name, text in texts.items():
        part = folder / f"{name}.part"
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(folder / name)


def degraded(host: dict[str, Any]) -> str:
    """Which cards of a host work, if some do and some do not."""
    cards = host["cards"]
    works = [address for address, state in cards.items() if state == WORKS]
    if not works or len(works) == len(cards):
        return ""
    said = ", ".join(f"{address} {state}" for address, state in cards.items())
    return f"degraded, {len(works)} of {len(cards)} cards work: {said}"


MARKS = {"ok": "green", "changed": "yellow", "failed": "red", "unreachable": "red",
         "skipped": "cyan", "not started": "cyan", "rolled back": "magenta"}  # fmt: skip


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
        if back := host["rolled_back"]:
            end = f"went back to {back['to']}" if back["to"] else "did not come back"
            console.print(f"{name}: from {back['from'] or 'its release'} it {end}", style="magenta")
        for line in (degraded(host), *host["notes"]):
            if line:
                console.print(f"{name}: {line}", markup=False, soft_wrap=True)
    total = len(report["hosts"])
    same = sum(host["status"] == "ok" for host in report["hosts"].values())
    console.print(f"{same} of {total} hosts needed no change; report: {folder}/report.json")

"""The report of a run: derived from its journal, by whoever asks, also after a kill.

Schema of ``report.json`` (version 2): ``schema``, ``run``, ``kind`` (deploy, rollout, rollback),
``started``, ``ended`` (seconds since the epoch, null while it runs), ``dry``, ``interrupted``,
``exit``, ``rollout`` (null, or ``plan``, ``canaries``, ``window``, ``max_fail``, ``stopped``: why
no host started any more, ``resumes``: a run), ``seeded`` (bytes that swarms got from here) and
``hosts``: name -> ``status`` (:data:`STATUSES`), ``stages`` (list of ``stage``, ``began``,
``seconds``, ``changes``),
``failure`` (``stage``, ``code``, ``sentence``, ``remedy``, ``tail``), ``answer``, ``kept``,
``notes`` (in words, with the remedy), ``drift`` (stage -> what was to do when the run began),
``wanted`` (names of the releases that are asked for); from the last look at the host, whichever
stage took it: ``seen`` (when that was, in seconds since the epoch; null: nobody saw it), ``old``
(something was done to the host since, or it was lost: what follows may not be so any more),
``versions`` (``release``: what that look proved, "unproved" where it did not; ``os``, ``kernel``,
``driver``, ``engine``, ``cards``), ``lock`` (who held it, or null), ``cards`` (address -> core
state, "dropped", "gone" or "no driver"), ``serials`` (address -> of the board), ``models`` (address
-> of the card, where its PCI subsystem is a known one), ``owners`` (address -> release, as in
``versions``, of a host with several); ``validation`` (plugin of the vendor's suite ->
``verdict``, ``why``, ``rates``; only of levels that the host's data asks for), ``groups``,
``canary``, ``began``, ``ended``, ``rolled_back`` (null, or ``from`` and ``to``), ``way_back`` (file
of the release that the host can go back to), ``sent`` (bytes of files by SSH), ``swarmed`` (by a
swarm), ``ahead`` (seconds in which files of a later stage came while others worked), ``now`` (what
it was at when the journal ended; "" when it was at nothing).
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleet.documents import atomic_write
from fleet.errors import DEFERRED_CODES, ExitStatus
from mlufleet.journal import journal

SCHEMA_VERSION = 2
#: from what needs somebody to what needs nobody
STATUSES = ("failed", "unreachable", "rolled back", "skipped", "not started", "changed", "ok")
#: failures after which nobody knows how a host is
HOST_LOST_CODES = ("CONNECTION_LOST", "REBOOT_TIMED_OUT", "HUNG")
FAILURE_KEYS = ("stage", "code", "sentence", "remedy", "tail")


def derive_report(events: list[dict[str, Any]], run: str) -> dict[str, Any]:
    """The report of these events."""
    hosts: dict[str, dict[str, Any]] = {}
    report: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "run": run,
        "kind": "deploy",
        "started": None,
        "ended": None,
        "dry": False,
        "interrupted": False,
        "rollout": None,
        "hosts": hosts,
        "seeded": 0,
    }
    for event in events:
        # what lacks what its kind has was written by another version, or by somebody else
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            _apply_event(report, event)
    for host in hosts.values():
        if report["dry"]:  # nothing was begun: what would be refused is all that there is to say
            host["failure"] = host["failure"] or host["refusal"]
        host["status"] = _host_status(host, report["rollout"])
        host["old"] = host["seen"] is not None and (
            host["touched"] > host["seen"] or host["now"] not in ("", "begins")
        )
        host["ahead"] = _prefetch_seconds(host)
        for key in (
            "looked",
            "touched",
            "needs",
            "refusal",
            "unreachable",
            "began-stage",
            "transfers",
            "proofs",
            "tested",
        ):
            del host[key]
    report["exit"] = exit_status(report).value
    return report


def _apply_event(report: dict[str, Any], event: dict[str, Any]) -> None:
    kind, name, hosts = event["kind"], event["host"], report["hosts"]
    if kind == "run":
        report["started"] = event["time"]
    elif kind == "hosts":
        for host in event["names"]:
            hosts.setdefault(host, _new_host())["groups"] = event.get("groups", {}).get(host, [])
    elif kind == "rollout":
        plan = event["plan"]
        report["kind"] = plan["kind"]
        report["rollout"] = {
            "plan": plan,
            "resumes": event["resumes"],
            "canaries": [],
            "window": 0,
            "max_fail": 0,
            "stopped": "",
        }
    elif kind == "scheduled" and report["rollout"]:
        report["rollout"].update({k: event[k] for k in ("canaries", "window", "max_fail")})
    elif kind == "end":
        report.update(ended=event["time"], dry=event.get("dry", False))
        report["interrupted"] = event.get("interrupted", False)
        if report["rollout"]:
            report["rollout"]["stopped"] = event.get("stopped", "")
    elif kind == "seeded":
        report["seeded"] += event["sent"]
    if name:
        _apply_host_event(hosts.setdefault(name, _new_host()), event)


def _new_host() -> dict[str, Any]:
    return {
        "status": "skipped",
        "stages": [],
        "failure": None,
        "versions": {},
        "answer": None,
        "kept": [],
        "notes": [],
        "drift": {},
        "lock": None,
        "cards": {},
        "serials": {},
        "models": {},
        "owners": {},
        "validation": {},
        "proofs": [],
        "groups": [],
        "canary": False,
        "began": None,
        "ended": None,
        "rolled_back": None,
        "way_back": "",
        "now": "",
        "looked": False,
        "needs": [],
        "refusal": None,
        "unreachable": False,
        "began-stage": None,
        "sent": 0,
        "swarmed": 0,
        "transfers": [],
        "wanted": "",
        "seen": None,
        "old": False,
        "touched": 0.0,
        "tested": [],
    }


def _apply_host_event(host: dict[str, Any], event: dict[str, Any]) -> None:
    kind = event["kind"]
    if kind == "unreachable":
        host.update(unreachable=True, touched=event["time"])
        host["failure"] = {k: event[k] for k in FAILURE_KEYS}
    elif kind == "observed":
        if not host["touched"]:  # what differed at the beginning; not what differs on the way back
            host["drift"] = event.get("drift", {})
        host.update(looked=True, needs=event["needs"], proofs=event.get("proofs", ["smoke"]))
        _apply_observation(host, event)
        host["answer"] = event.get("answer") or host["answer"]
        host["refusal"] = event.get("refusal")
    elif kind == "facts":
        _apply_observation(host, event)
    elif kind == "released":
        if host["lock"] and host["lock"]["run"] == event["run"]:
            host["lock"] = None
    elif kind == "lost":
        host["touched"] = event["time"]
    elif kind == "stage":
        host.update({"began-stage": event["time"], "now": event["stage"]})
    elif kind == "stage-done":
        stage = {k: event[k] for k in ("stage", "seconds", "changes")}
        host["stages"].append({"began": host["began-stage"] or event["time"], **stage})
        if "seen" in event:
            host["seen"] = max(host["seen"] or 0.0, event["seen"])
        else:  # an older journal knows nothing else of later looks
            host["versions"]["driver"] = event["driver"]
        host["now"] = ""
    elif kind == "step":
        host["touched"] = event["time"]
        host["now"] = f"{event['stage']}: {event['title']}"
    elif kind == "failed":
        host.update(failure={k: event[k] for k in FAILURE_KEYS}, now="")
        if event["code"] in HOST_LOST_CODES:
            host["touched"] = event["time"]
    elif kind == "answer":
        of, text = event.get("of", ""), event["text"]
        others = f"{host['answer']}; " if of and host["answer"] else ""
        host["answer"] = f"{others}{of}: {text}" if of else text
    elif kind == "validated":
        result = {k: event[k] for k in ("verdict", "why", "rates")}
        host["validation"][event["plugin"]] = result
        host["tested"].append(event["plugin"])
    elif kind == "kept":
        host["kept"].append(event["what"])
    elif kind == "note":
        if event["text"] not in host["notes"]:  # a rollout looks twice before it begins
            host["notes"].append(event["text"])
    elif kind == "transfer":
        host["sent"] += event["sent"]
        host["swarmed"] += event.get("swarmed", 0)
        host["transfers"].append((event.get("stage", ""), event["time"], event.get("seconds", 0.0)))
        if event.get("fallback"):
            host["notes"].append(
                f"{event['title']}: it left the swarm ({event['fallback']}), the rest came by SSH"
            )
    else:
        _apply_rollout_event(host, event)


def _apply_observation(host: dict[str, Any], event: dict[str, Any]) -> None:
    """What a look saw takes the place of what the one before it saw."""
    tests = {name: host["validation"][name] for name in host["tested"]}
    host.update(
        {key: event.get(key, {}) for key in ("cards", "serials", "models", "owners")},
        versions=dict(event["versions"]),
        lock=event.get("lock"),
        # what this run has tested it knows better than a stamp tells
        validation={**event.get("validation", {}), **tests},
        # an older journal was told of a look at once, and of the first one only
        seen=event.get("seen", event["time"]),
        wanted=event.get("wanted", event["versions"].get("release", "")),
    )


def _apply_rollout_event(host: dict[str, Any], event: dict[str, Any]) -> None:
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
        host["rolled_back"] = {"from": host["wanted"], "to": ""}
        host["tested"].clear()  # of another driver
    elif kind == "rolled-back":
        host["rolled_back"] = host["rolled_back"] or {"from": ""}
        host["rolled_back"]["to"] = host["wanted"]
    elif kind == "proved":
        host["needs"] = []


def _prefetch_seconds(host: dict[str, Any]) -> float:
    """Seconds of transfers before the stage began that wanted them."""
    begun = {stage["stage"]: stage["began"] for stage in host["stages"]}
    early = 0.0
    for stage, end, seconds in host["transfers"]:
        early += max(0.0, min(end, begun.get(stage, end)) - (end - seconds))
    return round(early, 2)


def _host_status(host: dict[str, Any], rollout: dict[str, Any] | None) -> str:
    if host["rolled_back"] and host["rolled_back"]["to"]:
        return "rolled back"
    if host["unreachable"]:
        return "unreachable"
    if host["failure"]:
        return "skipped" if host["failure"]["code"] in DEFERRED_CODES else "failed"
    if rollout and host["began"] is None and (host["needs"] or not host["looked"]):
        return "not started"
    done = {stage["stage"] for stage in host["stages"]}
    if not host["looked"] or (host["needs"] and not done.issuperset(host["proofs"])):
        return "skipped"
    return "changed" if any(stage["changes"] for stage in host["stages"]) else "ok"


def exit_status(report: dict[str, Any]) -> ExitStatus:
    """The exit status of ``mlufleet`` that a report stands for."""
    statuses = {host["status"] for host in report["hosts"].values()}
    stopped = report["rollout"]["stopped"] if report["rollout"] else ""
    if report["interrupted"]:
        return ExitStatus.INTERRUPTED
    if "rolled back" in statuses or stopped in ("budget", "declined"):
        return ExitStatus.STOPPED
    if "failed" in statuses:
        return ExitStatus.FAILED
    if "unreachable" in statuses:
        return ExitStatus.UNREACHABLE
    if statuses & {"skipped", "not started"} and not report["dry"]:
        return ExitStatus.FAILED
    return ExitStatus.OK


def derive_from_journal(folder: Path) -> dict[str, Any]:
    """The report of a run, without writing it."""
    return derive_report(journal.read_events(folder), folder.name)


def write_report(folder: Path, *, newest: bool = True) -> dict[str, Any]:
    """Derive and store ``report.json``.

    :param newest: point runs/latest to it
    """
    report = derive_from_journal(folder)
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    atomic_write.replace_file(folder / "report.json", text, private=True)
    if not newest:
        return report
    link = folder.parent / f".latest-{os.getpid()}"
    link.unlink(missing_ok=True)  # of a process of the same number that was killed here
    link.symlink_to(folder.name)
    link.replace(folder.parent / "latest")
    return report

"""A report as JUnit XML, which every CI system shows: a host a testsuite, a stage a testcase."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from xml.etree import ElementTree as xml

from fleet.vendor.validation_suite import PASSED, SKIPPED
from mlufleet.report.last_seen import END, moment
from mlufleet.report.model import STAGES, Host, Test, kind, read

#: hosts say anything; XML 1.0 has no place for these, not even as references
FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Mapping[str, Any]) -> str:
    """The whole document; its numbers add up to its cases."""
    run = read(report)
    suites = [_suite(name, host, run.started) for name, host in run.hosts.items()]
    root = xml.Element("testsuites", name=_clean(f"mlufleet {run.kind} {run.run}"))
    root.extend(suites)
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, 0)) for suite in suites)))
    root.set("time", f"{max(0.0, (run.ended or 0) - (run.started or run.ended or 0)):.3f}")
    xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root, "unicode") + "\n"


def _suite(name: str, host: Host, started: float | None) -> xml.Element:
    cases = _cases(name, host)
    suite = xml.Element("testsuite", name=_clean(name), time=f"{host.seconds:.3f}")
    began = host.began if host.began is not None else started
    if began is not None and 0 <= began < END:
        when = datetime.fromtimestamp(began, timezone.utc)
        suite.set("timestamp", when.isoformat(timespec="seconds"))
    suite.set("tests", str(len(cases)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(tag) is not None for case in cases)))
    facts = {**host.versions, **({"answer": host.answer} if host.answer else {})}
    if host.seen is not None:
        facts |= {"seen": moment(host.seen), **({"old": "yes"} if host.old else {})}
    if facts:
        properties = xml.SubElement(suite, "properties")
        for key, value in sorted(facts.items()):
            xml.SubElement(properties, "property", name=_clean(key), value=_clean(value))
    suite.extend(cases)
    return suite


def _cases(name: str, host: Host) -> list[xml.Element]:
    if host.status == "not started":
        return [_skipped(_case(name, "host"), "not started")]
    done = {kind(stage.stage) for stage in host.stages}
    fault = host.failure
    cases: list[xml.Element] = []
    for stage in host.stages:
        case = _case(name, stage.stage, stage.seconds)
        if stage.changes:
            xml.SubElement(case, "system-out").text = _clean("\n".join(stage.changes))
        cases.append(case)
    if fault:
        struck = next((c for c in cases if c.get("name") == _clean(fault.stage)), None)
        if struck is None:
            struck = _case(name, fault.stage or "host")
            cases.append(struck)
        said = f"{fault.code}: {fault.sentence}"
        if host.status == "skipped":
            _skipped(struck, said)
        else:
            tag = "error" if host.status == "unreachable" else "failure"
            verdict = xml.Element(tag, type=_clean(fault.code), message=_clean(said))
            lines = [fault.sentence, f"remedy: {fault.remedy}", *fault.tail]
            verdict.text = _clean("\n".join(lines))
            struck.insert(0, verdict)
    elif host.status in ("failed", "unreachable", "rolled back"):
        case = _case(name, "host")
        tag = "error" if host.status == "unreachable" else "failure"
        xml.SubElement(case, tag, type="", message=_clean(host.status))
        cases.append(case)
    if host.status != "ok" or not cases:
        cases += _not_reached(name, host, done | ({kind(fault.stage)} if fault else set()))
    return cases + [_tested(name, plugin, test) for plugin, test in host.validation.items()]


def _tested(name: str, plugin: str, test: Test) -> xml.Element:
    case = _case(name, f"validation: {plugin}")
    if test.verdict == SKIPPED:
        return _skipped(case, test.why)
    if test.verdict != PASSED:
        xml.SubElement(case, "failure", type="VALIDATION", message=_clean(test.why))
    return case


def _not_reached(name: str, host: Host, done: set[str]) -> list[xml.Element]:
    """What a host did not come to; one that needed nothing has passed as a whole."""
    if host.status in ("ok", "changed"):
        return [] if done else [_case(name, "host", host.seconds)]
    return [_skipped(_case(name, stage), "not reached") for stage in STAGES if stage not in done]


def _case(host: str, stage: str, seconds: float = 0.0) -> xml.Element:
    return xml.Element(
        "testcase", classname=_clean(host), name=_clean(stage), time=f"{seconds:.3f}"
    )


def _skipped(case: xml.Element, why: str) -> xml.Element:
    case.insert(0, xml.Element("skipped", message=_clean(why)))
    return case


def _clean(text: str) -> str:
    """Text that XML can hold: what it cannot is shown as an escape."""
    return FORBIDDEN.sub(lambda found: found.group().encode("unicode_escape").decode(), text)

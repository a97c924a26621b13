"""A report as JUnit XML, which every CI system shows: a host a testsuite, a stage a testcase."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from xml.etree import ElementTree as xml

from fleet.vendor.validation_suite import PASSED, SKIPPED
from mlufleet.report.last_seen import MAX_EPOCH_S, format_utc
from mlufleet.report.model import STAGES, HostReport, ValidationResult, parse_report, stage_name

#: hosts say anything; XML 1.0 has no place for these, not even as references
INVALID_XML_CHARACTERS = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_xml(report: Mapping[str, Any]) -> str:
    """The whole document; its numbers add up to its cases."""
    run = parse_report(report)
    suites = [_test_suite(name, host, run.started) for name, host in run.hosts.items()]
    root = xml.Element("testsuites", name=_xml_text(f"mlufleet {run.kind} {run.run}"))
    root.extend(suites)
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, 0)) for suite in suites)))
    root.set("time", f"{max(0.0, (run.ended or 0) - (run.started or run.ended or 0)):.3f}")
    xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root, "unicode") + "\n"


def _test_suite(name: str, host: HostReport, started: float | None) -> xml.Element:
    cases = _test_cases(name, host)
    suite = xml.Element("testsuite", name=_xml_text(name), time=f"{host.seconds:.3f}")
    began = host.began if host.began is not None else started
    if began is not None and 0 <= began < MAX_EPOCH_S:
        when = datetime.fromtimestamp(began, timezone.utc)
        suite.set("timestamp", when.isoformat(timespec="seconds"))
    suite.set("tests", str(len(cases)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(tag) is not None for case in cases)))
    facts = {**host.versions, **({"answer": host.answer} if host.answer else {})}
    if host.seen is not None:
        facts |= {"seen": format_utc(host.seen), **({"old": "yes"} if host.old else {})}
    if facts:
        properties = xml.SubElement(suite, "properties")
        for key, value in sorted(facts.items()):
            xml.SubElement(properties, "property", name=_xml_text(key), value=_xml_text(value))
    suite.extend(cases)
    return suite


def _test_cases(name: str, host: HostReport) -> list[xml.Element]:
    if host.status == "not started":
        return [_mark_skipped(_test_case(name, "host"), "not started")]
    done = {stage_name(stage.stage) for stage in host.stages}
    fault = host.failure
    cases: list[xml.Element] = []
    for stage in host.stages:
        case = _test_case(name, stage.stage, stage.seconds)
        if stage.changes:
            xml.SubElement(case, "system-out").text = _xml_text("\n".join(stage.changes))
        cases.append(case)
    if fault:
        struck = next((c for c in cases if c.get("name") == _xml_text(fault.stage)), None)
        if struck is None:
            struck = _test_case(name, fault.stage or "host")
            cases.append(struck)
        said = f"{fault.code}: {fault.sentence}"
        if host.status == "skipped":
            _mark_skipped(struck, said)
        else:
            tag = "error" if host.status == "unreachable" else "failure"
            verdict = xml.Element(tag, type=_xml_text(fault.code), message=_xml_text(said))
            lines = [fault.sentence, f"remedy: {fault.remedy}", *fault.tail]
            verdict.text = _xml_text("\n".join(lines))
            struck.insert(0, verdict)
    elif host.status in ("failed", "unreachable", "rolled back"):
        case = _test_case(name, "host")
        tag = "error" if host.status == "unreachable" else "failure"
        xml.SubElement(case, tag, type="", message=_xml_text(host.status))
        cases.append(case)
    if host.status != "ok" or not cases:
        cases += _unreached_cases(
            name, host, done | ({stage_name(fault.stage)} if fault else set())
        )
    return cases + [
        _validation_case(name, plugin, test) for plugin, test in host.validation.items()
    ]


def _validation_case(name: str, plugin: str, test: ValidationResult) -> xml.Element:
    case = _test_case(name, f"validation: {plugin}")
    if test.verdict == SKIPPED:
        return _mark_skipped(case, test.why)
    if test.verdict != PASSED:
        xml.SubElement(case, "failure", type="VALIDATION", message=_xml_text(test.why))
    return case


def _unreached_cases(name: str, host: HostReport, done: set[str]) -> list[xml.Element]:
    """What a host did not come to; one that needed nothing has passed as a whole."""
    if host.status in ("ok", "changed"):
        return [] if done else [_test_case(name, "host", host.seconds)]
    return [
        _mark_skipped(_test_case(name, stage), "not reached")
        for stage in STAGES
        if stage not in done
    ]


def _test_case(host: str, stage: str, seconds: float = 0.0) -> xml.Element:
    return xml.Element(
        "testcase", classname=_xml_text(host), name=_xml_text(stage), time=f"{seconds:.3f}"
    )


def _mark_skipped(case: xml.Element, why: str) -> xml.Element:
    case.insert(0, xml.Element("skipped", message=_xml_text(why)))
    return case


def _xml_text(text: str) -> str:
    """Text that XML can hold: what it cannot is shown as an escape."""
    return INVALID_XML_CHARACTERS.sub(
        lambda found: found.group().encode("unicode_escape").decode(), text
    )

"""The report as JUnit XML, which every CI system shows: a host is a suite, a stage a case."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from xml.etree import ElementTree as xml

from fleet.text.times import MAX_EPOCH_S, format_utc
from fleet.vendor.validation_suite import PASSED, SKIPPED
from mlufleet.journal.events import EndpointRecord, ValidationRecord
from mlufleet.report.model import HostReport, Report, stage_name, stage_order

#: what XML 1.0 cannot hold, not even as character references
INVALID_XML_CHARACTERS = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: attribute of a suite -> element of a case that it counts
COUNTED_ELEMENTS = {"failures": "failure", "errors": "error", "skipped": "skipped"}
#: name of the case that stands for a host as a whole
HOST_CASE = "host"


def render_xml(report: Report) -> str:
    """Return the whole document; its numbers add up to its cases.

    Args:
        report: Report of the run.
    """
    suites = [_test_suite(name, host, report) for name, host in report.sorted_hosts()]
    root = xml.Element("testsuites", name=_xml_text(f"mlufleet {report.kind} {report.run}"))
    root.extend(suites)
    for count in ("tests", *COUNTED_ELEMENTS):
        root.set(count, str(sum(int(suite.get(count, 0)) for suite in suites)))
    seconds = (report.ended or 0) - (report.started or report.ended or 0)
    root.set("time", f"{max(0.0, seconds):.3f}")
    xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root, "unicode") + "\n"


def _test_suite(name: str, host: HostReport, report: Report) -> xml.Element:
    cases = _test_cases(name, host, stage_order(report.kind))
    suite = xml.Element("testsuite", name=_xml_text(name), time=f"{host.duration_s:.3f}")
    began = host.began if host.began is not None else report.started
    if began is not None and 0 <= began < MAX_EPOCH_S:
        when = datetime.fromtimestamp(began, timezone.utc)
        suite.set("timestamp", when.isoformat(timespec="seconds"))
    suite.set("tests", str(len(cases)))
    for count, element in COUNTED_ELEMENTS.items():
        suite.set(count, str(sum(case.find(element) is not None for case in cases)))
    if values := _properties(host):
        properties = xml.SubElement(suite, "properties")
        for key, value in sorted(values.items()):
            xml.SubElement(properties, "property", name=_xml_text(key), value=_xml_text(value))
    suite.extend(cases)
    if host.left:
        lines = [f"{item.what}: {item.why}" for item in host.left]
        xml.SubElement(suite, "system-out").text = _xml_text(
            "stays on the host:\n" + "\n".join(lines)
        )
    return suite


def _properties(host: HostReport) -> dict[str, str]:
    values = {key: str(value) for key, value in host.versions.items()}
    if host.answer:
        values["answer"] = host.answer
    if host.seen is not None:
        values["seen"] = format_utc(host.seen)
        if host.old:
            values["old"] = "yes"
    return values


def _test_cases(name: str, host: HostReport, order: tuple[str, ...]) -> list[xml.Element]:
    if host.quarantine and host.is_left_out:
        return [_mark_skipped(_test_case(name, HOST_CASE), "; ".join(host.notes))]
    if host.status == "not started":
        return [_mark_skipped(_test_case(name, HOST_CASE), "not started")]
    cases = [_stage_case(name, stage.stage, stage.seconds, stage.changes) for stage in host.stages]
    if host.failure:
        _add_failure(name, host, cases)
    elif host.status in ("failed", "unreachable"):
        case = _test_case(name, HOST_CASE)
        xml.SubElement(case, _failure_tag(host), type="", message=_xml_text(host.status))
        cases.append(case)
    if host.status != "ok" or not cases:
        cases += _unreached_cases(name, host, order)
    tests = [_validation_case(name, test, result) for test, result in host.validation.items()]
    return [*cases, *tests, *(_endpoint_case(name, host, one) for one in host.endpoints)]


def _stage_case(name: str, stage: str, seconds: float, changes: list[str]) -> xml.Element:
    case = _test_case(name, stage, seconds)
    if changes:
        xml.SubElement(case, "system-out").text = _xml_text("\n".join(changes))
    return case


def _failure_tag(host: HostReport) -> str:
    return "error" if host.status == "unreachable" else "failure"


def _add_failure(name: str, host: HostReport, cases: list[xml.Element]) -> None:
    """Add the failure to the case of its stage, which is made if the stage did not end."""
    failure = host.failure
    assert failure is not None
    stage = _xml_text(failure.stage)
    case = next((case for case in cases if case.get("name") == stage), None)
    if case is None:
        case = _test_case(name, failure.stage or HOST_CASE)
        cases.append(case)
    message = f"{failure.code}: {failure.sentence}"
    if host.status == "skipped":
        _mark_skipped(case, message)
        return
    element = xml.Element(
        _failure_tag(host), type=_xml_text(failure.code), message=_xml_text(message)
    )
    lines = [failure.sentence, f"remedy: {failure.remedy}", *failure.tail]
    element.text = _xml_text("\n".join(lines))
    case.insert(0, element)


def _validation_case(name: str, test: str, result: ValidationRecord) -> xml.Element:
    case = _test_case(name, f"validation: {test}")
    if result.verdict == SKIPPED:
        return _mark_skipped(case, result.why)
    if result.verdict != PASSED:
        xml.SubElement(case, "failure", type="VALIDATION", message=_xml_text(result.why))
    return case


def _endpoint_case(name: str, host: HostReport, endpoint: EndpointRecord) -> xml.Element:
    """Return the case of an endpoint, which passes only if a probe saw it ready."""
    case = _test_case(name, f"endpoint: {endpoint.label}")
    if endpoint.state in ("unhealthy", "failed"):
        message = _xml_text(endpoint.problem)
        xml.SubElement(case, "failure", type=_xml_text(endpoint.code), message=message)
    elif endpoint.problem or host.old:
        _mark_skipped(case, endpoint.problem or "the host was changed or lost since it was seen")
    return case


def _unreached_cases(name: str, host: HostReport, order: tuple[str, ...]) -> list[xml.Element]:
    """Return the stages that a host did not reach; a host that needed none passes as a whole."""
    done = {stage_name(stage.stage) for stage in host.stages}
    if host.has_passed:
        return [] if done else [_test_case(name, HOST_CASE, host.duration_s)]
    if host.failure:
        done.add(stage_name(host.failure.stage))
    missing = (stage for stage in order if stage not in done)
    return [_mark_skipped(_test_case(name, stage), "not reached") for stage in missing]


def _test_case(host: str, stage: str, seconds: float = 0.0) -> xml.Element:
    name, time = _xml_text(stage), f"{seconds:.3f}"
    return xml.Element("testcase", classname=_xml_text(host), name=name, time=time)


def _mark_skipped(case: xml.Element, reason: str) -> xml.Element:
    case.insert(0, xml.Element("skipped", message=_xml_text(reason)))
    return case


def _xml_text(text: str) -> str:
    """Return text that XML can hold: what it cannot hold is escaped."""
    return INVALID_XML_CHARACTERS.sub(
        lambda match: match.group().encode("unicode_escape").decode(), text
    )

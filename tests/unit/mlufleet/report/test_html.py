from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.text.times import format_duration
from mlufleet.report import html, timeline, verdicts
from mlufleet.report.changes import compare_runs, hosts_by_drift
from mlufleet.report.model import STATUSES, log_file_name, parse_report
from mlufleet.report.statuses import STATUS_STYLES
from mlufleet.run.host_log import HostLog
from tests.reports import fleet
from tests.unit.fuzz import ANY_TEXT
from tests.unit.seen_page import Seen

EVIL = "</pre></title></svg></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'"
FAILURE = {
    "stage": "driver",
    "code": "DRIVER_INSTALL",
    "sentence": "it failed",
    "remedy": "do this",
    "tail": ["line one"],
}


def one(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {
        "run": "r",
        "exit": 0,
        "started": 1.0,
        "ended": 9.0,
        "hosts": {name: {"status": "ok", **fields}},
    }


@pytest.mark.parametrize("size", [0, 1, 3, 40, 41, 500])
def test_every_host_is_one_cell_and_one_row_and_the_counts_add_up(size: int) -> None:
    seen = Seen(html.render_page(parse_report(fleet(size))))
    assert len(seen.classes("cell")) == size
    assert sum("data-status" in attributes for _, attributes in seen.tags) == size
    assert sum(parse_report(fleet(size)).counts.values()) == size


def test_hosts_stand_in_the_order_of_their_numbers() -> None:
    report = one("mlu10")
    report["hosts"].update({n: {"status": "ok"} for n in ("mlu9", "Mlu1", "²", "mlu09")})
    titles = [str(a["title"]) for a in Seen(html.render_page(parse_report(report))).classes("cell")]
    assert [t.split(":")[0] for t in titles] == ["Mlu1", "mlu09", "mlu9", "mlu10", "²"]


def test_a_host_in_two_groups_is_still_one_cell() -> None:
    assert (
        len(Seen(html.render_page(parse_report(one(groups=["rack1", "gpu"])))).classes("cell")) == 1
    )


def test_a_status_is_marked_by_more_than_its_colour() -> None:
    hosts = {status: {"status": status} for status in STATUSES}
    text = html.render_page(parse_report({**one(), "hosts": hosts}))
    assert len({glyph for glyph, _ in STATUS_STYLES.values()}) == len(STATUSES)
    for status, (glyph, _) in STATUS_STYLES.items():
        kind = status.replace(" ", "-")
        assert re.search(
            rf'class="cell {kind}[ "][^>]*><i aria-hidden="true">{re.escape(glyph)}<', text
        ), kind


def test_a_page_of_500_hosts_is_under_two_megabytes() -> None:
    report = fleet(500)
    assert len(html.render_page(parse_report(report), parse_report(report)).encode()) < 2_000_000


@pytest.mark.parametrize(
    "where",
    [
        "answer",
        "name",
        "tail",
        "sentence",
        "group",
        "version",
        "note",
        "stage",
        "status",
        "run",
        "drift",
        "serial",
        "left",
        "endpoint",
    ],
)
def test_markup_from_a_host_is_only_text(where: str) -> None:
    plain, evil = (
        {
            "name": one(text),
            "run": {**one(), "run": text},
            "answer": one(answer=text),
            "note": one(notes=[text]),
            "group": one(groups=[text]),
            "tail": one(status="failed", failure={**FAILURE, "tail": [text]}),
            "sentence": one(status="failed", failure={**FAILURE, "sentence": text, "code": text}),
            "version": one(versions={"os": text}),
            "status": one(status=text),
            "stage": one(stages=[{"stage": text, "seconds": 3.0}]),
            "drift": one(drift={text: [text]}),
            "left": one(left=[{"what": text, "why": text, "remedy": text}], audit_log=text),
            "endpoint": one(endpoints=[{"release": text, "address": text, "reason": text}]),
            "serial": one(serials={"x": text}, cards={"x": text}),
        }[where]
        for text in ("plain", EVIL)
    )
    before = one("other" if where == "name" else next(iter(evil["hosts"])))
    tags = [tag for tag, _ in Seen(html.render_page(parse_report(plain), parse_report(one()))).tags]
    seen = Seen(html.render_page(parse_report(evil), parse_report(before)))
    assert [tag for tag, _ in seen.tags if tag in ("script", "img")] == ["script"]
    assert not [a for _, a in seen.tags if any(key.startswith("on") for key in a)]
    if where not in ("name", "drift"):  # another name is another set of links
        assert [tag for tag, _ in seen.tags] == tags
    assert EVIL in "".join([*seen.text, *(v or "" for _, a in seen.tags for v in a.values())])


def test_nothing_is_loaded_and_only_our_own_script_and_style_may_run() -> None:
    seen = Seen(html.render_page(parse_report(fleet(3))))
    (policy,) = (a["content"] for t, a in seen.tags if t == "meta" and "http-equiv" in a)
    assert policy and "default-src 'none'" in policy and "unsafe" not in policy
    assert not [a for _, a in seen.tags if {"src", "style", "action"} & a.keys()]
    links = {str(a["href"]) for _, a in seen.tags if "href" in a}
    assert all(re.fullmatch(r"#h?\w+|[\w.-]+\.log", link) for link in links)


def test_a_failure_says_what_to_do_and_where_its_log_is() -> None:
    seen = Seen(html.render_page(parse_report(one("rack/a:1", status="failed", failure=FAILURE))))
    said = "".join(seen.text)
    assert all(word in said for word in ("DRIVER_INSTALL", "it failed", "do this", "line one"))
    assert any(a.get("href") == "rack_a_1.log" for _, a in seen.tags)


@given(name=st.text("aZ9._-/: é模", min_size=1, max_size=12))
def test_a_log_is_named_as_the_run_names_it(name: str) -> None:
    from logging import INFO, LogRecord
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        HostLog(Path(folder), {}).emit(LogRecord("x", INFO, "", 0, f"[{name}] said", None, None))
        assert [file.name for file in Path(folder).iterdir()] == [log_file_name(name)]


@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (one(), verdicts.VERDICTS[0]),
        ({**one(), "exit": 5}, verdicts.VERDICTS[5]),
        ({**one(), "kind": "retirement"}, verdicts.PASSED_VERDICTS["retirement"]),
        ({**one(), "kind": "adoption"}, verdicts.PASSED_VERDICTS["adoption"]),
        ({**one(), "kind": "retirement", "dry": True}, "Every host could be retired"),
        ({**one(), "exit": 130}, verdicts.VERDICTS[130]),
        ({**one(), "exit": 99}, "Exit status 99"),
        ({**one(status="failed"), "exit": 2}, "1 of 1 hosts "),
        ({**one(status="failed"), "exit": 2, "dry": True}, "1 of 1 hosts would "),
        ({**one(status="unreachable"), "exit": 4}, "1 of 1 hosts unreachable"),
    ],
)
def test_the_heading_is_the_exit_status_in_words(report: dict[str, Any], verdict: str) -> None:
    assert f"<h1>{verdict}" in html.render_page(parse_report(report))


def test_a_run_that_was_killed_and_a_dry_run_have_not_brought_every_host_home() -> None:
    for report in ({**one(), "ended": None}, {**one(), "dry": True}):
        assert verdicts.VERDICTS[0] not in html.render_page(parse_report(report))


def test_a_report_of_an_older_run_is_a_page_too() -> None:
    empty = dict.fromkeys(fleet(1)["hosts"]["mlu001"])
    for host in ({"status": "ok"}, {**empty, "status": "skipped"}):
        text = html.render_page(parse_report({"schema": 1, "run": "r", "hosts": {"a": host}}))
        assert len(Seen(text).classes("cell")) == 1


@given(text=ANY_TEXT)
def test_whatever_a_host_says_the_page_can_be_written(text: str) -> None:
    fault = {**FAILURE, "tail": [text]}
    html.render_page(parse_report(one(text, answer=text, status="failed", failure=fault))).encode()


def test_what_changed_since_the_last_run_is_said() -> None:
    before, now = fleet(4), fleet(4)
    changed = copy.deepcopy(now["hosts"]["mlu001"])
    changed["versions"]["driver"] = "6.0.3"
    changed["drift"] = {"image": ["load it"]}
    now["hosts"]["mlu001"] = changed
    now["hosts"]["new"] = now["hosts"].pop("mlu002")
    found = compare_runs(parse_report(now), parse_report(before))
    assert (found.added, found.removed) == (["new"], ["mlu002"])
    assert [(c.host, c.value, c.before, c.now) for c in found.changes] == [
        ("mlu001", "driver", "5.10.10", "6.0.3"),
        ("mlu001", "drift of driver", "install driver 5.10.10", ""),
        ("mlu001", "drift of image", "", "load it"),
    ]
    assert "Since the last run" in html.render_page(parse_report(now), parse_report(before))
    assert "Since the last run" not in html.render_page(parse_report(now))


def test_what_changed_about_endpoints_is_said_but_not_what_each_run_measures_anew() -> None:
    def serve(host: str, *records: dict[str, object]) -> None:
        for number, record in enumerate(records):
            record |= {"release": "chat", "name": str(number), "address": f"http://h:800{number}"}
        now["hosts"][host]["endpoints"] = [*records]

    now = fleet(4)
    serve("mlu001", {"state": "ready", "ready_s": 2.5}, {"state": "ready"})
    before = copy.deepcopy(now)
    serve("mlu001", {"state": "ready", "ready_s": 3.5}, {"state": "failed", "code": "SERVE_CARD"})
    serve("mlu002", {"state": "ready"})
    before["hosts"]["mlu003"]["endpoints"] = before["hosts"]["mlu001"]["endpoints"]
    now["hosts"]["mlu003"]["versions"] = {}  # it did not answer
    found = compare_runs(parse_report(now), parse_report(before))
    assert [(c.host, c.value, c.before, c.now) for c in found.changes] == [
        (
            "mlu001",
            "endpoint chat/1",
            "ready at http://h:8001",
            "failed SERVE_CARD at http://h:8001",
        ),
        ("mlu002", "endpoint chat/0", "", "ready at http://h:8000"),
    ]


def test_hosts_that_differed_in_the_same_way_are_told_of_once() -> None:
    report = one(drift={"smoke": ["ask"], "driver": ["install"]})
    report["hosts"]["b"] = {"status": "ok", "drift": {"driver": ["install"]}}
    report["hosts"]["c"] = {"status": "ok", "drift": {"driver": ["remove", "install"]}}
    assert hosts_by_drift(parse_report(report)) == [
        ("driver", ("install",), ["a", "b"]),
        ("driver", ("remove", "install"), ["c"]),
        ("smoke", ("ask",), ["a"]),
    ]
    said = "".join(Seen(html.render_page(parse_report({**report, "dry": True}))).text)
    assert "What would change" in said and "remove; install" in said
    assert "What would change" not in html.render_page(parse_report(report))


def test_the_same_drift_in_another_language_is_no_difference() -> None:
    before = parse_report(one(drift={"image": ["load image x"]}) | {"language": "en"})
    same = parse_report(one(drift={"image": ["加载镜像 x"]}) | {"language": "zh_CN"})
    assert compare_runs(same, before).changes == []
    other = parse_report(one(drift={"smoke": ["提问"]}) | {"language": "zh_CN"})
    values = [change.value for change in compare_runs(other, before).changes]
    assert values == ["drift of image", "drift of smoke"]


def test_what_was_kept_held_or_rolled_back_is_worth_knowing() -> None:
    held = {"operator": "eve@desk", "run": "r9", "age": 3}
    report = one(
        kept=["/opt/x.kept"],
        notes=["slow clock"],
        way_back="mlufleet rollout rollback a",
        lock=held,
        rolled_back={"from": "new", "to": "old"},
    )
    said = "".join(Seen(html.render_page(parse_report(report))).text)
    for remark in (
        "/opt/x.kept",
        "slow clock",
        "mlufleet rollout rollback a",
        "eve@desk, run r9",
        "rolled back from new to old",
    ):
        assert remark in said
    assert "Worth knowing" not in html.render_page(parse_report(one()))


def test_what_stays_on_a_retired_host_is_named_with_the_reason() -> None:
    left = [{"what": "checkout /data/x", "why": "edited", "remedy": ""}]
    report = one(status="retired", left=left, audit_log="audit/a.log")
    said = "".join(Seen(html.render_page(parse_report(report))).text)
    for words in ("What stays on the hosts", "checkout /data/x", "edited", "audit/a.log"):
        assert words in said
    assert "What stays" not in html.render_page(parse_report(one()))


def test_a_host_that_could_not_be_seen_has_not_lost_its_versions() -> None:
    before, now = fleet(1), one("mlu001", status="unreachable")
    before["hosts"]["mlu001"]["drift"] = {}
    (change,) = compare_runs(parse_report(now), parse_report(before)).changes
    assert (change.value, change.before, change.now) == ("status", "changed", "unreachable")


@pytest.mark.parametrize("size", [1, 3, 40, 41, 200, 500])
def test_every_bar_lies_within_the_picture_and_after_the_one_before(size: int) -> None:
    picture = timeline.build_timeline(parse_report(fleet(size)))
    assert len(picture.rows) == size and 1 < len(picture.ticks) <= timeline.MAX_TICKS + 1
    for row in picture.rows:
        assert row.top < picture.bottom
        for bar, following in zip(row.bars, row.bars[1:], strict=False):
            assert following.left >= round(bar.left + bar.width, 2) - 0.02 - timeline.MIN_BAR_WIDTH
        assert all(bar.left >= 0 and bar.left + bar.width <= 100 for bar in row.bars)


def test_stages_of_an_old_report_without_their_begin_follow_each_other() -> None:
    stages = [{"stage": "lock", "seconds": 5.0}, {"stage": "driver", "seconds": 15.0}]
    (row,) = timeline.build_timeline(parse_report(one(stages=stages, began=1.0))).rows
    lock, driver = row.bars
    assert driver.left == pytest.approx(lock.left + lock.width, abs=0.02)
    assert driver.width == pytest.approx(3 * lock.width, abs=0.05)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.26, "0.3 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (185, "3 min 05 s"),
        (3599.6, "1 h"),
        (3720, "1 h 02 min"),
    ],
)
def test_a_duration_is_said_as_a_person_does(seconds: float, said: str) -> None:
    assert format_duration(seconds) == said


def test_what_was_not_passed_of_a_validation_comes_first() -> None:
    tests = {
        "software": {"verdict": "PASSED", "why": "", "rates": {}},
        "mlulink": {"verdict": "SKIPPED", "why": "it needs 2 cards"},
        "pcie": {"verdict": "FAILED", "why": EVIL, "rates": {"host to device GB/s": 6.31}},
    }
    text = html.render_page(parse_report(one(validation=tests)))
    assert EVIL not in text and "host to device GB/s 6.31" in text
    assert text.index("FAILED") < text.index("SKIPPED") < text.index("PASSED")
    assert 'id="validation"' not in html.render_page(parse_report(one()))


def test_what_is_unproved_is_listed_by_release() -> None:
    unproved = {"small": [EVIL, "image.python: unknown"]}
    page = html.render_page(parse_report({**one(), "unproved": unproved}))
    seen = Seen(page)
    assert EVIL in seen.text and "image.python: unknown" in seen.text
    assert 'href="#unproved"' in page
    assert 'href="#unproved"' not in html.render_page(parse_report(one()))


def test_a_host_without_an_answer_has_an_empty_cell() -> None:
    seen = Seen(html.render_page(parse_report(one(answer=None))))
    assert "None" not in "".join(seen.text)


def test_stages_side_by_side_are_bars_above_each_other() -> None:
    """Sources and then weights in one lane, the image beside them in another."""
    stages = [
        {"stage": stage, "began": began, "seconds": seconds}
        for stage, began, seconds in (
            ("engine", 0, 2),
            ("sources", 2, 6),
            ("image", 2.01, 22),
            ("weights", 8.02, 6),
            ("container", 24.05, 2),
        )
    ]
    report = parse_report(one(stages=stages, began=0.0))
    (row,) = timeline.build_timeline(report).rows
    assert [(bar.stage, bar.lane, bar.lanes) for bar in row.bars] == [
        ("engine", 0, 1),
        ("sources", 0, 2),
        ("image", 1, 2),
        ("weights", 0, 2),
        ("container", 0, 1),
    ]
    assert row.end == max(bar.left + bar.width for bar in row.bars)

"""The alert rules are what the failure codes say, in two languages."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from fleet.error_codes import ACTIONS, FAILURE_TABLE
from mlufleet.reference import alert_rules
from mlufleet.report.metric_table import METRICS, WATCH
from mlufleet.watch import causes
from tests.unit import PROJECT

FOLDER = PROJECT / "files/monitoring"
GENERATED = FOLDER / "problem_alerts.yml"
RULES: list[dict[str, Any]] = [
    rule
    for file in (FOLDER / "alerts.yml", GENERATED)
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
]
QUOTED = re.compile(r"`[^`]+`")
CHINESE = re.compile("[\u4e00-\u9fff]")


def test_the_file_is_that_of_the_codes() -> None:
    assert GENERATED.read_text() == alert_rules.render_rules(), "make docs"


def test_every_code_of_a_look_has_a_rule_of_its_own() -> None:
    codes = {*causes.CONTACT_CODES, *causes.PREFLIGHT_CODES, *causes.CARD_CODES}
    codes |= {causes.DRIVER_CODE, *(code for code in FAILURE_TABLE if code.startswith("SERVE"))}
    told = {code for rule in RULES for code in re.findall(r'code="(\w+)"', rule["expr"])}
    assert codes - told == set(), "add them to LOOK_CODES, then make docs"
    assert "DRIFT" in told


def test_names_are_told_apart() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_has_both_languages_and_uses_metrics_of_the_watch(rule: dict[str, Any]) -> None:
    texts = rule["annotations"]
    for key in ("summary", "description", "remedy"):
        assert texts[key] and not CHINESE.search(texts[key])
        assert CHINESE.search(texts[f"{key}_zh"])
        assert set(QUOTED.findall(texts[key])) == set(QUOTED.findall(texts[f"{key}_zh"]))
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["labels"]["action"] in ACTIONS
    names = set(re.findall(r"mlufleet_\w+", rule["expr"]))
    assert names and all(WATCH in METRICS[name].sources for name in names)

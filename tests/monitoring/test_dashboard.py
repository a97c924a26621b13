"""Every query of the dashboard returns data."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.monitoring.conftest import Monitoring, everything
from tests.monitoring.servers import FILES
from tests.waiting import until

DASHBOARD = json.loads((FILES / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = {
    f"{panel['title']}: {target['refId']}": target["expr"]
    for panel in PANELS
    for target in panel["targets"]
}
VARIABLES = {
    one["name"]: one["query"]["query"]
    for one in DASHBOARD["templating"]["list"]
    if one["type"] == "query"
}
#: what Grafana puts in place of its variables; the ranges are those of a scrape every second
VALUES = {"$__rate_interval": "8s", "$__range": "8s", "$host": ".*", "$group": ".*"}


def fill(expression: str) -> str:
    """Return the expression as Grafana sends it."""
    for name, value in VALUES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


@pytest.fixture(scope="module")
def watched(monitoring: Monitoring) -> Monitoring:
    """All metrics have samples, and those that count have several."""
    monitoring.pages.snapshot = everything(looks=1000)
    ready = "mlufleet_problem_flapping and on () rate(mlufleet_looks_total[8s]) > 0"
    until(lambda: monitoring.prometheus.query(ready), "samples")
    return monitoring


@pytest.mark.parametrize("title", QUERIES)
def test_a_query_returns_data(watched: Monitoring, title: str) -> None:
    found = watched.prometheus.query(fill(QUERIES[title]))
    assert found and all(one["value"][1] != "NaN" for one in found)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_has_values(watched: Monitoring, name: str) -> None:
    parsed = re.fullmatch(r"label_values\((.+), (\w+)\)", fill(VARIABLES[name]))
    assert parsed
    selector, label = parsed.groups()
    assert watched.prometheus.ask(f"label/{label}/values", **{"match[]": selector})


def test_a_legend_names_labels_that_the_samples_have(watched: Monitoring) -> None:
    targets: list[dict[str, Any]] = [target for panel in PANELS for target in panel["targets"]]
    for target in targets:
        names = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        for sample in watched.prometheus.query(fill(target["expr"])):
            assert names <= sample["metric"].keys(), target

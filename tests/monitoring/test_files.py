"""promtool and amtool accept what is in files/monitoring, and what the pages of metrics say."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from mlufleet.report import exports
from mlufleet.report.model import parse_report
from mlufleet.watch.metrics import render_metrics
from tests import reports
from tests.monitoring import programs
from tests.monitoring.conftest import everything
from tests.monitoring.servers import FILES
from tests.waiting import PATIENCE_S


def run(name: str, *words: str, given: bytes = b"", cwd: Path = FILES) -> str:
    """Run a program that has to succeed; what it says."""
    command = [programs.find(name), *words]
    done = subprocess.run(command, cwd=cwd, input=given, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


def test_the_rules_are_rules() -> None:
    assert "SUCCESS" in run("promtool", "check", "rules", "alerts.yml", "problem_alerts.yml")


def test_the_rules_pass_their_unit_tests() -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", "alerts_test.yml")


def test_the_metrics_follow_the_conventions() -> None:
    run("promtool", "check", "metrics", given=render_metrics(everything()))
    report = exports.render_prometheus(parse_report(reports.fleet(20)))
    run("promtool", "check", "metrics", given=report.encode())


def test_the_example_of_a_configuration_is_one() -> None:
    said = run("amtool", "check-config", "alertmanager.example.yml")
    assert "SUCCESS" in said and "1 templates" in said


def route(**labels: str) -> str:
    """Receivers that the example sends such an alert to."""
    words = [f"{key}={value}" for key, value in labels.items()]
    file = "--config.file=alertmanager.example.yml"
    return run("amtool", "config", "routes", "test", file, *words).strip()


def test_what_is_critical_goes_to_the_chat_and_the_rest_is_mailed() -> None:
    assert route(alertname="MluFleetCardDropped", severity="critical") == "wecom"
    assert route(alertname="MluFleetDrift", severity="warning") == "mail"


def test_a_message_says_in_chinese_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    texts = {"summary_zh": "mlu1：掉线", "description_zh": "看到两次。", "remedy_zh": "断电重启。"}
    labels = {"alertname": "MluFleetCardDropped", "action": "POWER_CYCLE"}
    alert = {"labels": labels, "annotations": texts, "startsAt": "2026-11-29T09:00:00Z"}
    firing = {**alert, "status": "firing"}
    over = {**alert, "status": "resolved", "endsAt": "2026-11-29T09:10:00Z"}
    data = {"status": "firing", "commonLabels": labels, "alerts": [firing, over]}
    (tmp_path / "data.json").write_text(json.dumps(data))
    said = run(
        "amtool",
        "template",
        "render",
        "--template.glob=alertmanager.tmpl",
        '--template.text={{ template "mlufleet.text" . }}',
        f"--template.data={tmp_path / 'data.json'}",
    )
    assert "告警 MluFleetCardDropped（1）" in said and "处理：断电重启。" in said
    assert "【恢复】mlu1：掉线" in said and said.count("建议操作：POWER_CYCLE") == 1

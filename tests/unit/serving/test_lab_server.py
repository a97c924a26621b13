"""The lab's stand-in for the models' servers answers as openai_api.py of ChatGLM3 does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import upstreams
from tests.unit.serving.conftest import ROOT, find_port
from tests.upstreams import api_record

STAND_IN = ROOT / "tests" / "lab" / "vendor" / "light" / "server.py"
FACTS = ROOT / "tests" / "upstreams" / "answers" / "ChatGLM3.json"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    port = find_port()
    server = subprocess.Popen(
        [sys.executable, STAND_IN, str(port), str(tmp_path)], stdout=subprocess.DEVNULL
    )
    api_record.wait_until_open(port)
    yield port
    server.kill()
    server.wait()


def test_the_stand_in_answers_every_request_as_upstream_s_server_does(port: int) -> None:
    facts = json.loads(FACTS.read_text())
    assert facts["answers"].keys() == api_record.REQUESTS.keys()
    assert api_record.record(port, "light-serving") == facts["answers"]


def test_the_facts_are_of_the_script_at_its_pin() -> None:
    (upstream,) = (one for one in upstreams.load_all() if one.name == "ChatGLM3")
    script = upstream.files["openai_api_demo/openai_api.py"]
    assert json.loads(FACTS.read_text())["blob"] == script.blob

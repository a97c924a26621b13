"""The vendor's validation suite: run where it is, believed by its own word, held against a good
host, and never called passed where it did not run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.lab import hosts as lab
from tests.lab import lies, paths
from tests.runs import LAB, Done, mlufleet, pyinfra

HOST = "u1804"
CNVS, DOES = "/usr/local/bin/cnvs", "/etc/mlu-lab/cnvs"
LEVEL_3 = ("software", "pcie", "memory_bandwidth")
CONTAINER = "container-pytorch-v1.13.0-torch1.9-ubuntu18.04-py37-mlufleet"
STAND_IN = paths.SOURCE / "tests" / "lab" / "cnvs"


@pytest.fixture(autouse=True)
def suite(provisioned: Done) -> Iterator[None]:
    lab.run(HOST, f"cat > {CNVS}; chmod 755 {CNVS}; mkdir -p {DOES}", given=STAND_IN.read_text())
    yield
    lab.run(HOST, f"rm -rf {CNVS} {DOES} /run/cnvs-ran /var/lib/mlufleet/stamps/validation")


def validated(*options: str, host: str = HOST) -> Done:
    return mlufleet("validate", LAB, "--limit", host, *options)


def verdicts(done: Done, host: str = HOST) -> dict[str, str]:
    return {name: test["verdict"] for name, test in done.host(host)["validation"].items()}


def ran() -> list[str]:
    found = lab.run(HOST, "cat /run/cnvs-ran 2>/dev/null; rm -f /run/cnvs-ran", check=False)
    return found.split()


def test_what_passed_is_not_run_again_until_a_board_or_the_wish_is_another() -> None:
    done = validated()
    assert done.status == 0 and done.changed(HOST) == ["validation"]
    assert verdicts(done) == dict.fromkeys(LEVEL_3, "PASSED") and ran() == list(LEVEL_3)
    # the inventory's own wish is the same thing, and finds nothing to do
    again = pyinfra("-y", "--limit", HOST, "--data", "validation=3")
    assert again.status == 0 and again.statuses() == {HOST: "ok"} and ran() == []
    assert verdicts(again) == dict.fromkeys(LEVEL_3, "PASSED")
    assert validated("--again").changed(HOST) == ["validation"] and ran() == list(LEVEL_3)


def test_what_does_not_run_is_skipped_and_never_passed() -> None:
    done = validated("--level", "4")
    assert done.status == 2 and done.statuses() == {HOST: "changed"}
    said = done.host(HOST)["validation"]
    assert {test["verdict"] for name, test in said.items() if name not in LEVEL_3} == {"SKIPPED"}
    assert "destructive" in said["mlu_stress"]["why"] and ran() == list(LEVEL_3)
    lab.run(HOST, f"rm {CNVS}")
    done = validated()
    assert done.status == 2 and done.statuses() == {HOST: "ok"}
    assert verdicts(done) == dict.fromkeys(LEVEL_3, "SKIPPED")
    assert done.host(HOST)["notes"] == [
        "not validated: software, pcie, memory_bandwidth: cnvs is neither on the host nor in a "
        "container with all of its cards"
    ]


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("software.fails", "software: its verdict is FAIL"),
        pytest.param("pcie.silent", "pcie: it printed no verdict", marks=pytest.mark.long),
    ],
)
def test_the_suite_s_own_word_counts_and_not_its_exit_status(does: str, says: str) -> None:
    lab.run(HOST, f"touch {DOES}/{does}")
    done = validated()
    failure = done.host(HOST)["failure"]
    assert done.status == 2 and failure["code"] == "VALIDATION" and says in failure["sentence"]
    # the others have run all the same, and a run after the repair does all of them again
    assert ran() == list(LEVEL_3)
    lab.run(HOST, f"rm {DOES}/{does}")
    assert validated().status == 0 and ran() == list(LEVEL_3)


def test_a_slow_card_is_found_by_what_a_good_host_does(tmp_path: Path) -> None:
    golden = tmp_path / "golden.yml"
    taken = mlufleet("golden", LAB, HOST, "--file", str(golden))
    assert taken.status == 0, taken.output
    rates = yaml.safe_load(golden.read_text())["models"]["MLU370-X8"]["rates"]
    # the slowest of its four cards
    assert rates["pcie"] == {"host to device GB/s": 11.82}
    options = ("--data", f"golden={golden}")
    assert validated(*options).status == 0
    lab.run(HOST, f"touch {DOES}/pcie.slow")
    done = validated("--again", *options)
    assert done.status == 2 and verdicts(done)["memory_bandwidth"] == "PASSED"
    found = done.host(HOST)["validation"]["pcie"]
    assert found["verdict"] == "FAILED" and found["rates"] == {"host to device GB/s": 6.31}
    sentence = done.host(HOST)["failure"]["sentence"]
    assert "6.31" in sentence and "10.638" in sentence
    # what had passed before is forgotten: nobody has to ask for it again
    assert verdicts(validated(*options))["pcie"] == "FAILED"
    # a host that is slow itself is nothing to go by; what the file said is kept
    lab.run(HOST, f"touch {DOES}/pcie.fails")
    before = golden.read_text()
    refused = mlufleet("golden", LAB, HOST, "--file", str(golden))
    assert refused.status == 2 and golden.read_text() == before
    lab.run(HOST, f"rm {DOES}/pcie.fails")
    assert mlufleet("golden", LAB, HOST, "--file", str(golden)).status == 0
    (kept,) = tmp_path.glob("golden.yml.*")
    assert kept.read_text() == before


def test_cards_that_somebody_uses_are_let_be() -> None:
    lies.switch(HOST, "busy-card", True)
    try:
        done = validated()
        # nothing was begun
        assert done.status == 2 and ran() == []
        assert done.host(HOST)["failure"]["code"] == "CARD_BUSY"
    finally:
        lies.switch(HOST, "busy-card", False)


def test_a_test_that_hangs_is_ended(tmp_path: Path) -> None:
    lab.run(HOST, f"touch {DOES}/software.hangs")
    table = tmp_path / "tests.yml"
    table.write_text("tests:\n  - {plugin: software, level: 3, seconds: 1, timeout: 3}\n")
    done = validated("--data", f"validation_tests={table}")
    assert done.status == 2 and done.host(HOST)["failure"]["code"] == "TIMED_OUT"


@pytest.fixture
def inside(suite: None) -> Iterator[Callable[[str], str]]:
    """Move the suite from the host into the release's container; run commands there."""

    def run(command: str, given: str = "") -> str:
        return lab.run(
            HOST, f"docker exec -i {CONTAINER} sh -c {shlex.quote(command)}", given=given
        )

    lab.run(HOST, f"rm {CNVS}")
    run(f"mkdir -p {DOES}; cat > {CNVS}; chmod 755 {CNVS}", STAND_IN.read_text())
    yield run
    run(f"rm -rf {CNVS} {DOES} /run/cnvs-ran")


def test_where_the_host_has_no_suite_the_container_s_is_run_with_the_tutorial_s_thresholds(
    inside: Callable[[str], str], tmp_path: Path
) -> None:
    done = validated()
    assert done.status == 0 and verdicts(done) == dict.fromkeys(LEVEL_3, "PASSED")
    where = {name: test["where"] for name, test in done.host(HOST)["validation"].items()}
    assert where == {
        "software": f"container {CONTAINER}",
        "pcie": f"container {CONTAINER}, cnvs_pcie_16M.yml",
        "memory_bandwidth": f"container {CONTAINER}, cnvs_memory_bandwidth_512M.yml",
    }
    assert inside("cat /run/cnvs-ran").splitlines() == [
        "software",
        "pcie /home/share/mm/cnvs/config/cnvs_pcie_16M.yml",
        "memory_bandwidth /home/share/mm/cnvs/config/cnvs_memory_bandwidth_512M.yml",
    ]
    # what hangs is ended inside, where the end of docker's client ends nothing
    inside(f"touch {DOES}/software.hangs")
    table = tmp_path / "tests.yml"
    table.write_text("tests:\n  - {plugin: software, level: 3, seconds: 1, timeout: 3}\n")
    done = validated("--data", f"validation_tests={table}")
    assert done.status == 2 and done.host(HOST)["failure"]["code"] == "TIMED_OUT"
    assert inside("pgrep -xf 'sleep 600' || echo none").split() == ["none"]


def test_one_document_for_machines() -> None:
    done = mlufleet("validate", LAB, "--limit", HOST, "--json")
    text = done.output[: done.output.index("\n}") + 2]
    assert set(json.loads(text)[HOST]) == set(LEVEL_3)

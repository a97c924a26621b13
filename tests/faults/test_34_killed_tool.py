"""34: the migration tool dies in its middle."""

from __future__ import annotations

from tests.faults.test_33_34_trees import CONTENT, HOST
from tests.lab import hosts as lab
from tests.runs import LAB, WORK, Done, begin, ends_right, mlufleet, report_in, wait_on
from tests.waiting import PATIENCE_S

TREE = f"{WORK}/transformers_mlu"
TOOL = "'^/torch/venv3/pytorch/bin/python .*torch_gpu2mlu'"  # not the shell that looks
STAMPS = "/var/lib/mlufleet/stamps"


def test_34_a_migration_whose_tool_was_killed_is_no_migration_and_is_done_again(
    provisioned: Done,
) -> None:
    before = lab.run(HOST, f"cd {TREE} && {CONTENT}")
    lab.run(HOST, f"sed -i 's/^[^ ]*/0/' {STAMPS}/tree-transformers")  # as of other inputs
    run = begin("--limit", HOST)
    # it has begun to write
    wait_on(HOST, f"[ -d {TREE}.mlufleet-part/transformers_mlu ] && pgrep -f {TOOL}")
    lab.run(HOST, f"pkill -KILL -f {TOOL}")
    said, _ = run.communicate(timeout=PATIENCE_S)
    failure = report_in(said)["hosts"][HOST]["failure"]
    assert run.returncode == 2 and failure["code"] == "MIGRATION", said
    assert failure["stage"] == "migration" and failure["remedy"] in said
    assert "did not reach its last line (status 137)" in failure["sentence"]
    # the tree that was there still is
    assert lab.run(HOST, f"cd {TREE} && {CONTENT}") == before
    done = ends_right(HOST)
    assert done.changed(HOST)[:2] == ["migration", "patch"]
    assert lab.run(HOST, f"cd {TREE} && {CONTENT}") == before
    # half a tree of the tool's own is nobody's edit: there is nothing to keep
    assert done.host(HOST)["kept"] == []
    assert mlufleet("deploy", LAB, "--limit", HOST).statuses() == {HOST: "ok"}

"""A tree that somebody migrated by hand is compared with what the tool makes, by the host's script.

The lab's stand-in for the vendor's tool makes the trees; the script runs here on the controller.
"""

from __future__ import annotations

import errno
import hashlib
import pickle
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import StringCommand

from fleet.errors import Failure
from fleet.proof.expected_tree import ExpectedTree, expect_tree, open_sources
from fleet.release.model import Patch
from fleet.release.target import ReleaseTarget
from operations import migration, tree_inspection
from operations.adoption.findings import Finding, Relation
from operations.adoption.survey import survey_host
from operations.adoption.trees import describe_comparison, inspect_trees
from operations.file_patches import group_by_file
from operations.host.command import HostCommand
from operations.host.context import RunContext
from operations.host.facts import HostFacts
from operations.host.inspection import InspectionFailed
from operations.host.output import strip_tag
from operations.host.scripts import script_text
from operations.migrated_tree import HostTree, TreeComparison, compare
from operations.stage import HostOptions, Plan
from operations.stages import HostPlan
from operations.tree_inspection import CompareTree, ExpectedTrees
from tests.unit import PROJECT
from tests.unit.conftest import BARE, git, probe
from tests.unit.operations.stage_helpers import as_spec, plan_words, render

TOOL = PROJECT / "tests/lab/vendor/image/torch_gpu2mlu.py"
ROOT = "/home/share/model_mlu"
#: the release's patch is of a.py; these are a substitution without a checksum, and a new file
PATCHES = (
    Patch(file=f"{ROOT}/ask.py", find="input()", replace="input('?')"),
    Patch(file=f"{ROOT}/new.py", content="new\n"),
)
#: a host that nothing is asked of
UNASKED: Any = None
WEIGHTS = {"model.bin": b"weights", "config.json": b"{}", "modeling.py": b"import torch\n"}


@dataclass
class HandMade:
    """What somebody has made by the tutorial: the source, its tree, weights inside both."""

    target: ReleaseTarget
    tree: Path
    scratch: Path

    @property
    def state(self) -> Path:
        """The state folder of this tool on the host, if it made one."""
        return self.tree.with_name("state")

    def inspect(self) -> TreeComparison:
        source = self.target.release.sources[0]
        trees = open_sources(self.target, source, self.scratch)
        expected = expect_tree(self.target, source, trees)
        targets = tree_inspection._list_weights_targets(self.target, source)
        asked = [f"-\t-\t{name}" for name in expected.files]
        asked += [f"{f.size}\t{targets[name]}\t{name}" for name, f in expected.weights.items()]
        script = script_text("inspect-tree").replace("/var/lib/mlufleet", str(self.state))
        words = ["sh", "-c", script, "inspect-tree", str(self.tree)]
        text = "".join(f"{line}\n" for line in asked)
        done = subprocess.run(words, input=text, capture_output=True, text=True, check=True)
        assert done.stderr == "" and done.stdout.endswith("@@end\n")
        facts = [line.split("\t")[1:] for line in done.stdout.splitlines()[:-1]]
        shutil.rmtree(self.scratch)
        return compare(expected, HostTree.from_facts(facts), targets)


@pytest.fixture
def made(wanted: ReleaseTarget, tmp_path: Path) -> HandMade:
    files = dict(wanted.lock.files)
    for name, content in WEIGHTS.items():
        (wanted.store / "weights" / name).write_bytes(content)
        sums = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        files[f"weights/{name}"] = files["weights/model.bin"].model_copy(update=sums)
    patches = (*wanted.release.patches, *PATCHES)
    target = replace(
        wanted,
        release=wanted.release.model_copy(update={"patches": patches}),
        lock=wanted.lock.model_copy(update={"files": files}),
    )
    checkout = tmp_path / "host/model"
    checkout.parent.mkdir()
    words = ("-c", "core.autocrlf=false", "clone", "-q", str(wanted.store / "model.bundle"))
    git(*words, str(checkout), cwd=tmp_path)
    git("checkout", "-q", wanted.lock.commits["model"], cwd=checkout)
    shutil.copytree(wanted.store / "weights", checkout / "tiny")
    for name in ("torch", "torch_mlu"):
        (tmp_path / f"{name}.py").touch()
    tool = shutil.copy(TOOL, tmp_path)
    subprocess.run([sys.executable, tool, "-i", str(checkout)], check=True, capture_output=True)
    return HandMade(target, checkout.with_name("model_mlu"), tmp_path / "scratch")


def test_a_tree_as_the_tool_makes_it_is_equal_with_real_weights_in_it(made: HandMade) -> None:
    found = made.inspect()
    assert found.is_equal and found.same == 3, found.differences
    assert set(found.real_weights) == {"tiny/config.json", "tiny/model.bin"}
    assert (found.missing_weights, found.extra, found.patched) == ((), (), {})
    assert found.tree.owner and len(found.tree.signature) == 64


def test_patches_and_what_python_and_users_leave_are_no_difference(made: HandMade) -> None:
    (made.tree / "ask.py").write_text("print(input('?'))\n")
    (made.tree / "a.py").write_text("new\n")
    (made.tree / "new.py").write_text("mine, to be replaced\n")
    (made.tree / "report.md").unlink()
    for name in (
        "__pycache__/a.pyc",
        "model.egg-info/PKG-INFO",
        "notes/mine.py",
        "x.mlufleet-part",
    ):
        (made.tree / name).parent.mkdir(exist_ok=True)
        (made.tree / name).touch()
    (made.tree / "inference.py").symlink_to("../tools/inference.py")
    found = made.inspect()
    assert found.is_equal and found.same == 3
    assert found.extra == ("inference.py", "notes/mine.py")
    assert found.patched.keys() == {"a.py", "ask.py"}
    assert found.differences == [f"{name} is an additional file" for name in found.extra]


def test_links_to_weights_and_none_at_all_are_no_difference(made: HandMade) -> None:
    shutil.copy(made.tree / "tiny/modeling.py", made.tree / "kept")
    (made.tree / "tiny/model.bin").unlink()
    (made.tree / "tiny/model.bin").symlink_to("/data/models/tiny/model.bin")
    (made.tree / "tiny/config.json").unlink()
    found = made.inspect()
    assert found.is_equal and found.missing_weights == ("tiny/config.json",)
    assert found.real_weights == ()


@pytest.mark.parametrize(
    ("change", "differing", "missing"),
    [
        (lambda tree: (tree / "ask.py").write_text("# mine\n"), ("ask.py",), ()),
        (lambda tree: (tree / "tiny/modeling.py").write_text("import torch\n"), (0,), ()),
        (lambda tree: (tree / "tiny/model.bin").write_text("WEIGHTS"), (1,), ()),
        (lambda tree: (tree / "tiny/model.bin").write_text("cut"), (1,), ()),
        (lambda tree: (tree / "ask.py").unlink(), (), ("ask.py",)),
    ],
)
def test_what_differs_is_named(
    made: HandMade,
    change: Callable[[Path], object],
    differing: tuple[object, ...],
    missing: tuple[str, ...],
) -> None:
    change(made.tree)
    names = {0: "tiny/modeling.py", 1: "tiny/model.bin"}
    found = made.inspect()
    assert not found.is_equal
    assert found.differing == tuple(names.get(name, name) for name in differing)
    assert found.missing == missing


def test_weights_elsewhere_are_read_through_a_link(made: HandMade, tmp_path: Path) -> None:
    shutil.move(made.tree / "tiny/model.bin", tmp_path / "model.bin")
    (made.tree / "tiny/model.bin").symlink_to(tmp_path / "model.bin")
    found = made.inspect()
    assert found.is_equal and "tiny/model.bin" in found.real_weights
    (tmp_path / "model.bin").write_text("WEIGHTS")
    assert made.inspect().differing == ("tiny/model.bin",)


def test_nothing_is_written_not_even_a_time(made: HandMade) -> None:
    def state() -> set[tuple[str, int]]:
        return {(str(path), path.stat().st_ctime_ns) for path in made.tree.rglob("*")}

    before = state()
    made.inspect()
    assert state() == before
    assert not made.state.exists()


def adopting(target: ReleaseTarget, *lines: str) -> Plan:
    facts = probe(*BARE, *lines)
    decision = migration.STAGE.bind(target).decide(as_spec(target, HostOptions(adopt=True)), facts)
    assert isinstance(decision, Plan)
    return decision


THERE = "tree|/data/share/model_mlu|sig"


def commands(plan: Plan, found: TreeComparison) -> list[str]:
    """What an adoption does about a tree, once it has been compared."""

    def run() -> Iterator[HostCommand]:
        (action,) = plan.actions
        for command in action.commands(lambda: HostFacts()):
            if isinstance(command, CompareTree):
                command.comparison = found
            else:
                yield command

    return [render(command) for command in run()]


def test_an_equal_tree_is_taken_over_and_another_one_is_made_anew(made: HandMade) -> None:
    plan, patches = adopting(made.target, THERE), group_by_file(made.target)
    found = TreeComparison(HostTree("sig"), same=3, patched={"a.py": "1" * 64, "ask.py": "2" * 64})
    stamps = " ".join(
        f"{patch.stamp_name} {n * 64}" for n, patch in zip("12", patches, strict=False)
    )
    taken = commands(plan, found)
    assert taken[0].startswith("adopt-tree /data/share/model_mlu tree-model sig patch-")
    assert taken[0].count("patch-") == stamps.count("patch-") == 2
    assert [words.split()[0] for words in taken[1:]] == ["link-weights", "stamp-tree"]
    for other in (replace(found, differing=("a.py",)), TreeComparison(HostTree(), unproved="x")):
        assert commands(plan, other)[0].startswith("migrate ")


@pytest.mark.parametrize(
    ("lines", "compared", "compared_later"),
    [
        ((THERE,), True, False),
        # taken over: killed before it was stamped, its user has worked in it, another release
        ((THERE, "stamp|tree-model.adopted|old"), True, True),
        ((THERE, "stamp|tree-model.adopted|old", "stamp|tree-model|{tree} old"), True, True),
        ((THERE, "stamp|tree-model.adopted|old", "stamp|tree-model|0000 sig"), False, False),
        # of this tool: of an interrupted migration, edited, of another release
        ((THERE, "stamp|tree-model.running|1"), False, False),
        ((THERE, "stamp|tree-model|{tree} old"), False, False),
        ((THERE, "stamp|tree-model|0000 sig"), False, False),
        ((), False, False),
    ],
)
def test_only_trees_of_others_are_compared(
    made: HandMade, lines: tuple[str, ...], compared: bool, compared_later: bool
) -> None:
    digest = migration.input_digest(made.target, made.target.release.sources[0])
    lines = tuple(line.format(tree=digest) for line in lines)
    (words,) = adopting(made.target, *lines).words
    assert words.startswith("take over model_mlu if") == compared
    # in a run that does not adopt, only those that were taken over
    (words,) = plan_words(migration, made.target, probe(*BARE, *lines))
    assert words.startswith("take over model_mlu if") == compared_later


def inspected(target: ReleaseTarget, *lines: str) -> Finding:
    """What a survey says of the tree without asking the host about it."""
    facts = probe(*BARE, *lines)
    spec = as_spec(target)
    plan = HostPlan(spec.target, spec.options, facts, {})
    (finding,) = inspect_trees(UNASKED, plan)
    return finding


def test_a_survey_compares_only_what_is_there_and_not_recorded(made: HandMade) -> None:
    stamp = migration.input_digest(made.target, made.target.release.sources[0])
    assert inspected(made.target).relation is Relation.MISSING
    right = inspected(made.target, THERE, f"stamp|tree-model|{stamp} sig")
    assert right.relation is Relation.PRESENT and right.place == "/data/share/model_mlu"
    old = inspected(made.target, THERE, "stamp|tree-model|0000 sig")
    assert old.relation is Relation.DIFFERENT and old.action == "migrate model again"


def test_a_finding_says_what_differs_and_what_adoption_does(made: HandMade) -> None:
    (made.tree / "tiny/config.json").unlink()
    found = made.inspect()
    equal = describe_comparison("tree", str(made.tree), found)
    assert equal.relation is Relation.PRESENT and found.tree.owner
    assert equal.owner == found.tree.owner.replace("root", "")
    assert equal.evidence == "3 files equal by sha256, 1 file of weights in it"
    assert equal.action == "take it over as it is, and link 1 file of weights into it"
    (made.tree / "ask.py").write_text("# mine\n")
    other = describe_comparison("tree", str(made.tree), made.inspect())
    assert other.relation is Relation.DIFFERENT
    assert other.differences == ("ask.py differs",)
    assert other.action == "rename it, with everything in it, and migrate anew"


def test_a_tree_is_computed_once_in_a_run_or_the_reason_is_given(made: HandMade) -> None:
    trees, (source,) = ExpectedTrees(RunContext()), made.target.release.sources
    expected = trees.load(made.target, source)
    assert isinstance(expected, ExpectedTree) and "a.py" in expected.files
    assert trees.load(made.target, source) is expected
    (made.target.store / "model.bundle").write_text("cut")
    lock = made.target.lock.model_copy(update={"commits": {"model": "0" * 40}})
    reason = trees.load(replace(made.target, lock=lock), source)
    assert isinstance(reason, str) and "git clone" in reason


def test_git_runs_where_a_run_has_replaced_its_processes_by_those_of_gevent(made: HandMade) -> None:
    """In a thread it could not start there, which no other test would show."""
    program = (
        "import gevent.monkey; gevent.monkey.patch_all()\n"
        "import pickle, sys\n"
        "from operations.host.context import RunContext\n"
        "from operations.tree_inspection import ExpectedTrees\n"
        "target = pickle.load(sys.stdin.buffer)\n"
        "print(len(ExpectedTrees(RunContext()).load(target, target.release.sources[0]).files))\n"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(
        words, cwd=PROJECT, input=pickle.dumps(made.target), capture_output=True, check=True
    )
    assert done.stdout == b"4\n"


def cut_off(*_: object, **__: object) -> list[list[str]]:
    raise InspectionFailed(Failure("PROBE_FAILED", "inspect-tree: no output"))


@pytest.mark.parametrize(
    "answer",
    [
        cut_off,
        lambda *_, **__: [["file", "many", "a.py"]],
        lambda *_, **__: [["sum", "0"]],
        lambda *_, **__: [["shasum", "0", "a.py"]],
    ],
)
def test_a_host_that_does_not_say_what_a_tree_is_is_not_said_to_differ(
    made: HandMade, answer: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_inspection, "ask_host", answer)
    state, client = SimpleNamespace(), SimpleNamespace()
    host: Any = SimpleNamespace(state=state, connector=client, name="a", print_prefix="")
    (source,) = made.target.release.sources
    # in a run, the stage fails, and the tree stays where it is
    compare_tree = CompareTree(made.target, source)
    failure = compare_tree.run(host, {})
    assert failure and failure.code == "PROBE_FAILED" and compare_tree.comparison is None
    # a look says that it does not know
    spec = as_spec(made.target)
    plan = HostPlan(spec.target, spec.options, probe(*BARE, THERE), {})
    found = survey_host(host, plan, [inspect_trees])
    assert not isinstance(found, Failure)
    assert [finding.relation for finding in found] == [Relation.UNKNOWN]
    assert found[0].differences[0] == f"PROBE_FAILED: {failure.sentence}"


def test_a_failure_that_passes_is_no_reason_for_other_hosts(
    made: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees, (source,) = ExpectedTrees(RunContext()), made.target.release.sources

    def fill_disk(target: object, source: object, scratch: Path) -> None:
        (scratch / "model").mkdir()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(tree_inspection, "open_sources", fill_disk)
        reason = trees.load(made.target, source)
    assert isinstance(reason, str) and "No space left" in reason
    assert isinstance(trees.load(made.target, source), ExpectedTree)


def test_first_lines_of_differences_are_shown_without_secrets(
    made: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = "++count\nx = 'https://me:secret@host/x'\n" + "y\n" * 20
    (made.tree / "ask.py").write_text(mine)
    (made.tree / "a.py").write_bytes(b"\xff")
    trees, (source,) = ExpectedTrees(RunContext()), made.target.release.sources
    expected, found = trees.load(made.target, source), made.inspect()
    assert isinstance(expected, ExpectedTree)
    monkeypatch.setattr(tree_inspection.connection, "connector_arguments", lambda _: {})

    def refuse(*_: object) -> tuple[bool, SimpleNamespace]:
        return False, SimpleNamespace(stdout_lines=["no such file"])

    monkeypatch.setattr(tree_inspection.connection, "run_command", refuse)
    # of a file that cannot be read no line is said to be missing
    assert not [*tree_inspection._show_differences(UNASKED, str(made.tree), expected, found)]

    def read(_: object, command: StringCommand, __: object) -> tuple[bool, SimpleNamespace]:
        words = shlex.split(command.get_masked_value())
        text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        lines = [line for each in text.splitlines() for line in strip_tag(each)]
        return True, SimpleNamespace(stdout_lines=lines)

    monkeypatch.setattr(tree_inspection.connection, "run_command", read)
    shown = [*tree_inspection._show_differences(UNASKED, str(made.tree), expected, found)]
    assert shown == [
        "  ask.py: @@ -1 +1,22 @@",
        "  ask.py: -print(input('?'))",
        "  ask.py: +++count",
        "  ask.py: +x = 'https://…@host/x'",
        "  ask.py: +y",
        "  ask.py: +y",
        "  ask.py: and 18 more lines",
    ]

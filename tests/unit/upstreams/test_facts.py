"""The command that makes the facts of a repository."""

import json
import os
import subprocess

import pytest
from click.testing import CliRunner

from tests import upstreams
from tests.lab.vendor.upstreams import GIT
from tests.upstreams import Upstream
from tests.upstreams.__main__ import main
from tests.upstreams.scripts import ScriptFacts

SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--base", default="x")
model = AutoModel.from_pretrained("../weights", trust_remote_code=True)
# AutoModel.from_pretrained("elsewhere")
print("ready:", model)
print(f"rate {1}")
while True:
    input("User: ")
"""


def git(folder, *arguments):
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(
        command, env=environment | GIT, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def clone(tmp_path):
    """A repository with a script, a link and a folder."""
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "demo.py").write_text(SCRIPT)
    (folder / "sub/run.sh").write_text("echo\n")
    (folder / "sub/run.sh").chmod(0o755)
    (folder / "链接").symlink_to("demo.py")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "model")
    return folder


def run(repository, facts, *options, code=0):
    done = CliRunner().invoke(main, [str(repository), str(facts), *options])
    assert done.exit_code == code, done.output
    return done


NEW = ("--url", "https://example.com/model", "--commit", "HEAD")


def test_a_clone_a_bare_repository_and_a_bundle_give_the_same(clone, tmp_path):
    git(clone, "bundle", "create", "--quiet", str(tmp_path / "model.bundle"), "HEAD", "--all")
    git(tmp_path, "clone", "--quiet", "--bare", "model", "bare")
    options = (*NEW, "--anchor", "demo.py:from_pretrained", "--script", "demo.py")
    results = []
    for number, repository in enumerate(("model", "bare", "model.bundle")):
        facts = tmp_path / f"{number}.json"
        run(tmp_path / repository, facts, *options)
        results.append(facts.read_bytes())
    assert results[0] == results[1] == results[2]
    upstream = Upstream.load(tmp_path / "0.json")
    assert upstream.commit == git(clone, "rev-parse", "HEAD")
    assert {file: facts.mode for file, facts in upstream.files.items()} == {
        "demo.py": "100644",
        "sub/run.sh": "100755",
        "链接": "120000",
    }
    (anchor,) = upstream.anchors
    assert (anchor.count, anchor.lines) == (2, (5, 6))
    assert upstream.scripts["demo.py"] == ScriptFacts(
        options=("--base",),
        asks=("User: ",),
        loads=("../weights",),
        prints=("ready:", "<computed>", "rate "),
    )


def test_an_existing_file_is_counted_again_and_added_to(clone, tmp_path):
    facts = tmp_path / "model.json"
    run(clone, facts, *NEW, "--anchor", "demo.py:print")
    (clone / "demo.py").write_text(SCRIPT + "print()\n")
    git(clone, "commit", "--quiet", "--all", "--message", "more")
    run(clone, facts, "--commit", "HEAD", "--anchor", "demo.py:argparse")
    counts = {anchor.text: anchor.count for anchor in Upstream.load(facts).anchors}
    assert counts == {"print": 3, "argparse": 2}


def test_requirements_and_settings_are_described(clone, tmp_path):
    (clone / "requirements.txt").write_text("torch>=1.10\n\nnumpy\n")
    (clone / "limits.yml").write_text("%YAML 1.2\n---\ncustom:\n- pcie: {width: 16}\n")
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "--message", "more")
    facts = tmp_path / "model.json"
    run(clone, facts, *NEW, "--script", "requirements.txt", "--script", "limits.yml")
    assert Upstream.load(facts).scripts == {
        "requirements.txt": ScriptFacts(requires=("torch>=1.10", "numpy")),
        "limits.yml": ScriptFacts(keys=("custom.0.pcie.width=16",)),
    }


def test_an_archive_has_no_commit(clone, tmp_path):
    facts = tmp_path / "model.json"
    run(clone, facts, "--archive", *NEW[:2], "--tag", "v1", "--only", "*.py")
    run(clone, facts, "--archive")
    upstream = Upstream.load(facts)
    assert (upstream.commit, upstream.tag, list(upstream.files)) == ("", "v1", ["demo.py"])
    assert upstream.lists("demo.py") and not upstream.lists("sub/run.sh")


def test_what_is_not_there_is_an_error(clone, tmp_path):
    facts = tmp_path / "model.json"
    assert (
        "has no file absent.py" in run(clone, facts, *NEW, "--anchor", "absent.py:x", code=1).output
    )
    run(clone, facts, *NEW[:2], "--commit", "deadbeef", code=1)
    run(clone, facts, *NEW, "--anchor", "demo.py", code=2)
    run(clone, facts, code=2)
    assert not facts.exists()


def test_the_projects_own_files_are_as_the_command_writes_them():
    for path in sorted(upstreams.FOLDER.glob("*.json")):
        assert Upstream.load(path).format_json() == path.read_text(encoding="utf-8")
        assert json.loads(path.read_text(encoding="utf-8"))["files"]

"""The lab's migration tool does what the vendor's was measured to do, faults included."""

import hashlib
import os
import shutil
import subprocess
import sys

import pytest

from tests.lab.vendor import upstreams
from tests.unit import PROJECT

TOOL = PROJECT / "tests" / "lab/vendor/image/torch_gpu2mlu.py"
TREES = PROJECT / "tests" / "lab/vendor/trees"
HEADER_LINES = 3
# root without its capabilities is bound by file modes like everybody else
AS_ANYBODY = [] if os.geteuid() else ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
ORIGINAL = "b150888d6d2b8b929be269cbe479f63e70350f9e35198766f9fedcdc19ce240c"
MIGRATED = "eafcffdc53406d3d734f24c1e9bce15413c074a6956e9ad40ffccf74e5019d48"
PATCHED = "0a5bf632cbee5e1b8bcc6973b1647f0db96aab2cb6699f7fedf687c0cf8e3666"


@pytest.fixture
def migrate(tmp_path):
    """Runs the tool in a directory where torch and torch_mlu can be imported, but are empty."""
    for name in ("torch", "torch_mlu"):
        (tmp_path / "tools").mkdir(exist_ok=True)
        (tmp_path / "tools" / f"{name}.py").touch()
    tool = shutil.copy(TOOL, tmp_path / "tools")

    def run(*arguments):
        command = [*AS_ANYBODY, sys.executable, tool, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    return run


@pytest.fixture
def tree(tmp_path):
    """A tree with one file that the tool changes."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/a.py").write_text("import torch\nx.cuda()\n")
    return tmp_path / "model"


def output(tree):
    return tree.with_name(f"{tree.name}_mlu")


def rows(tree):
    return (output(tree) / "report.md").read_text().splitlines()[HEADER_LINES:]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_says_four_lines(migrate, tree):
    done = migrate("-i", "model")
    assert done.returncode == 0
    assert done.stdout == (
        "# Cambricon PyTorch Model Migration Report\n"
        f"Official PyTorch model scripts:  {tree}\n"
        f"Cambricon PyTorch model scripts:  {tree}_mlu\n"
        f"Migration Report:  {tree}_mlu/report.md\n"
    )


def test_transformers_becomes_what_the_real_tool_makes_of_it(migrate, tmp_path):
    if not upstreams.SOURCE.exists():
        pytest.skip("the source of transformers is not there: python -m tests.lab.artifacts")
    source = tmp_path / "transformers"
    shutil.copytree(upstreams.SOURCE, source)
    name = "src/transformers/modeling_utils.py"
    assert sha256((source / name).read_bytes()) == ORIGINAL
    assert migrate("-i", "transformers").returncode == 0
    migrated = (output(source) / name).read_bytes()
    assert sha256(migrated) == MIGRATED
    assert sha256(migrated.replace(b"torch>=1.10", b"torch>=1.9")) == PATCHED
    report = rows(source)
    assert len(report) == 779
    assert sum('add "import torch_mlu"' in row for row in report) == 464
    files = [file for file in source.rglob("*") if file.is_file()]
    assert len(files) == 1325
    pairs = ((file, output(source) / file.relative_to(source)) for file in files)
    assert sum(old.read_bytes() != new.read_bytes() for old, new in pairs) == 472


def test_baichuan_gets_nine_rows_in_four_files(migrate, tmp_path):
    shutil.copytree(TREES / "baichuan-7B", tmp_path / "baichuan-7B")
    migrate("-i", "baichuan-7B")
    report = rows(tmp_path / "baichuan-7B")
    assert len(report) == 9
    assert {row.split("|")[2].strip().split(":")[0] for row in report} == {
        "train.py",
        "evaluation/evaluate_zh.py",
        "evaluation/evaluate_mmlu.py",
        "models/modeling_baichuan.py",
    }


def test_needs_torch_and_leaves_nothing_without_it(migrate, tree, tmp_path):
    (tmp_path / "tools/torch.py").unlink()
    done = migrate("-i", "model")
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'torch'" in done.stderr
    assert not output(tree).exists()


def test_without_a_tree_is_a_usage_error(migrate):
    assert migrate().returncode == 2


def test_a_missing_tree_succeeds_with_an_empty_report(migrate, tmp_path):
    done = migrate("-i", "absent")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 4
    assert len((tmp_path / "absent_mlu/report.md").read_text().splitlines()) == HEADER_LINES


def test_a_file_as_the_tree_succeeds_too(migrate, tree):
    assert migrate("-i", tree / "a.py").returncode == 0
    assert rows(tree / "a.py") == []


def test_only_the_exact_import_is_followed_once(migrate, tree):
    (tree / "a.py").write_text(
        "import torch, os\nimport torch.nn as nn\nfrom torch import nn\n"
        "if nn:\n    import torch\nimport torch\n"
    )
    migrate("-i", "model")
    assert (output(tree) / "a.py").read_text().splitlines()[4:] == [
        "    import torch",
        "    import torch_mlu",
        "import torch",
    ]


def test_strict_replaces_more(migrate, tree):
    (tree / "a.py").write_text("CUDA gpu GPU cuda nccl\n")
    migrate("-i", "model")
    assert (output(tree) / "a.py").read_text() == "CUDA gpu GPU mlu cncl\n"
    migrate("-s", "-i", "model")
    assert (output(tree) / "a.py").read_text() == "MLU mlu MLU mlu cncl\n"


def test_an_older_output_is_written_over_and_keeps_stale_files(migrate, tree):
    migrate("-i", "model")
    (output(tree) / "a.py").write_text("patched by hand\n")
    (output(tree) / "stale.py").touch()
    assert migrate("-i", "model").returncode == 0
    assert "patched" not in (output(tree) / "a.py").read_text()
    assert (output(tree) / "stale.py").exists()
    assert len(rows(tree)) == 2


def test_migrating_twice_in_a_row_imports_twice(migrate, tree):
    migrate("-i", "model")
    migrate("-i", "model_mlu/")
    assert (output(output(tree)) / "a.py").read_text().count("import torch_mlu") == 2


def test_python_files_lose_mode_and_line_ends_and_others_do_not(migrate, tree):
    (tree / "a.py").write_bytes(b"x.cuda()\r\n")
    (tree / "run.sh").write_bytes(b"export CUDA=cuda\r\n")
    for name in ("a.py", "run.sh"):
        (tree / name).chmod(0o755)
    migrate("-i", "model")
    assert (output(tree) / "a.py").read_bytes() == b"x.mlu()\n"
    assert not os.access(output(tree) / "a.py", os.X_OK)
    assert (output(tree) / "run.sh").read_bytes() == b"export CUDA=cuda\r\n"
    assert os.access(output(tree) / "run.sh", os.X_OK)


def test_links_and_empty_directories(migrate, tree):
    (tree / "link.py").symlink_to("a.py")
    (tree / "sub").mkdir()
    (tree / "directory").symlink_to("sub")
    (tree / "broken").symlink_to("nowhere")
    done = migrate("-i", "model")
    assert done.returncode == 0
    assert f"copy error:  {tree}/broken\n" in done.stdout
    assert not (output(tree) / "link.py").is_symlink()
    assert "mlu" in (output(tree) / "link.py").read_text()
    for name in ("sub", "directory", "broken"):
        assert not (output(tree) / name).exists()


def test_the_git_directory_is_copied(migrate, tree):
    (tree / ".git").mkdir()
    (tree / ".git/HEAD").write_text("ref: refs/heads/main\n")
    migrate("-i", "model")
    assert (output(tree) / ".git/HEAD").exists()


def test_a_report_of_the_source_is_lost(migrate, tree):
    (tree / "report.md").write_text("mine\n")
    migrate("-i", "model")
    assert "mine" not in (output(tree) / "report.md").read_text()


def test_a_file_that_is_not_utf8_stops_it_in_the_middle(migrate, tree):
    (tree / "a.py").write_bytes(b"# \xff\n")
    done = migrate("-i", "model")
    assert done.returncode == 1
    assert "UnicodeDecodeError" in done.stderr
    assert "Migration Report:" not in done.stdout
    assert (output(tree) / "a.py").stat().st_size == 0
    assert rows(tree) == []


def test_a_source_that_cannot_be_written_fails_although_it_is_only_read(migrate, tree):
    (tree / "a.py").chmod(0o444)
    assert "PermissionError" in migrate("-i", "model").stderr


def test_a_second_run_cannot_replace_read_only_files_and_succeeds(migrate, tree):
    (tree / "pack").write_text("data")
    (tree / "pack").chmod(0o444)
    migrate("-i", "model")
    done = migrate("-i", "model")
    assert done.returncode == 0
    assert f"copy error:  {tree}/pack" in done.stdout

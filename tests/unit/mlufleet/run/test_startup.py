"""The cheaper start changes nothing for what is imported, or afterwards."""

from __future__ import annotations

import gc
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from mlufleet.run import startup

GROUP = "console_scripts"


def test_plugins_are_found_and_all_is_as_before_also_after_an_error() -> None:
    read, found = metadata.entry_points, set(metadata.entry_points(group=GROUP))
    assert found and gc.isenabled()
    with pytest.raises(ImportError), startup.cheap_imports():
        assert set(metadata.entry_points(group=GROUP)) == found
        assert not gc.isenabled()
        raise ImportError
    assert metadata.entry_points is read and gc.isenabled()
    gc.unfreeze()


def test_packages_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0

    def distributions() -> object:
        nonlocal reads
        reads += 1
        return metadata.Distribution.discover()

    monkeypatch.setattr(metadata, "distributions", distributions)
    with startup.cheap_imports():
        for _ in range(3):
            metadata.entry_points(group="gevent.plugins.monkey.will_patch_all")
    assert reads == 1
    gc.unfreeze()


#: starts a run whose process is replaced by a list of what has been imported until then
WAITING = """
import subprocess, sys
from mlufleet.run import launcher

def started(*words, **options):
    sys.exit("imported: " + " ".join(sorted({"pydantic", "pyinfra", "rich"} & set(sys.modules))))

subprocess.Popen = started
launcher.run_deploy("fleet.yml", ())
"""


def test_a_process_that_waits_for_a_run_imports_nothing_of_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WAITING], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stderr.strip() == "imported:"

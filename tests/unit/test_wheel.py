"""The tool as a wheel in an environment of its own, away from the clone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import paramiko
import pytest
import yaml
from click.testing import CliRunner

from mlufleet.cli.main import main
from tests.unit import PROJECT, sshd
from tests.unit.conftest import RELEASE
from tests.waiting import PATIENCE_S

IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.lock.json")


def run(*words: object, cwd: Path) -> str:
    """Run a command without the clone on its path, and return its output."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**clean, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel; its dependencies are those of this one."""
    root = tmp_path_factory.mktemp("wheel")
    source = root / "source"
    source.mkdir()
    for path in PROJECT.iterdir():
        if path.name in ("fleet", "operations", "mlufleet", "files", "docs", "inventories"):
            shutil.copytree(path, source / path.name, ignore=IGNORED)
        elif path.is_file():
            shutil.copy(path, source)
    pip = (sys.executable, "-m", "pip")
    run(*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", root, source, cwd=root)
    run(sys.executable, "-m", "venv", "--without-pip", root / "env", cwd=root)
    (packages,) = (root / "env/lib").glob("python3.*/site-packages")
    # a .pth is not read in a folder that a .pth names: the clone itself is not found through it
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    (wheel,) = root.glob("mlu_fleet-*.whl")
    python = root / "env/bin/python"
    run(*pip, "--python", python, "install", "-q", "--no-deps", wheel, cwd=root)
    shutil.rmtree(source)
    return root / "env/bin"


@pytest.fixture
def site(commands: Path, template: Path, tmp_path: Path) -> Path:
    """A site folder with a release and a store of its own."""
    folder = tmp_path / "my fleet"
    run(commands / "mlufleet", "init", folder, cwd=tmp_path)
    shutil.copytree(template / "store", folder / "store")
    (folder / "files/releases/small.yml").write_text(RELEASE)
    return folder


def test_a_site_folder_of_an_installed_wheel_works_as_a_clone(commands: Path, site: Path) -> None:
    mlufleet = commands / "mlufleet"
    assert "release chatglm-6b:" in run(mlufleet, "show", "chatglm-6b", cwd=site)
    # the catalogs are compiled where the wheel is made, and lie in it: ours, and that of click
    shown = run(mlufleet, "--lang", "zh_CN", "--help", cwd=site)
    assert "用法：mlufleet" in shown and "\n选项：\n" in shown
    run(mlufleet, "lock", "small", "--store", "store", cwd=site)
    assert (site / "files/releases/small.lock.json").is_file()
    (site / "bin").mkdir()
    paramiko.ECDSAKey.generate().write_private_key_file(str(site / "key"))
    with sshd.listening(sshd.ssh("good", site / "bin")) as port:
        data = {
            "release": "small",
            "store": "store",
            "ssh_hostname": "127.0.0.1",
            "ssh_port": port,
            "ssh_user": sshd.USER,
            "_sudo": False,
            "ssh_key": "key",
            "ssh_known_hosts_file": str(sshd.known(site / "known", [port])),
        }
        (site / "inventories/own.py").write_text(f"fleet = [('mlu01', {data!r})]\n")
        run(mlufleet, "check", "inventories/own.py", cwd=site)
        run(
            commands / "python",
            "-m",
            "pyinfra",
            "--dry",
            "inventories/own.py",
            "deploy.py",
            cwd=site,
        )
    (report,) = site.glob("runs/2*/report.json")
    host = json.loads(report.read_text())["hosts"]["mlu01"]
    assert host["versions"]["kernel"] == os.uname().release, host


def test_what_a_site_has_comes_before_what_the_wheel_has(commands: Path, site: Path) -> None:
    row = yaml.safe_load((PROJECT / "files/systems.yml").read_text())["systems"][0]
    row |= {"name": "own1", "title": "Own 1", "id": "own", "version": "1"}
    (site / "files/systems.yml").write_text(yaml.safe_dump({"systems": [row]}))
    (site / "deploy.py").write_text("own = True\n")
    code = (
        "from fleet.release import files, lockfile, operating_systems;"
        "from mlufleet.bundle import contents;"
        "names = [system.name for system in operating_systems.load_table()];"
        "tool = contents.find_tool_files();"
        "print(json.dumps({'first': names[0], 'systems': len(names),"
        " 'lock': str(lockfile.lock_path(files.find_release('chatglm-6b'))),"
        " 'deploy': tool['deploy.py'].read_text(), 'tool': list(tool)}))"
    )
    found = json.loads(run(commands / "python", "-c", f"import json;{code}", cwd=site))
    assert found["first"] == "own1" and found["systems"] > 5
    # a wheel is replaced as a whole: what is made from its releases stays with the site
    assert found["lock"] == "files/releases/chatglm-6b.lock.json"
    # a bundle is a clone again, with the site's own
    assert found["deploy"] == "own = True\n"
    assert {
        "files/scripts/probe.sh",
        "files/releases/small.yml",
        "fleet/paths.py",
        "setup.py",
        "fleet/py.typed",
        "requirements.lock",
        "docs/failures.md",
    } <= set(found["tool"])
    assert not any("packaged" in name or "__pycache__" in name for name in found["tool"])


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "inventories").mkdir()
    (tmp_path / "inventories/fleet.py").write_text("mine")
    (tmp_path / "deploy.py").symlink_to("nowhere")
    done = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert done.exit_code == 0 and done.output.count("kept as it is") == 2
    assert (tmp_path / "inventories/fleet.py").read_text() == "mine"
    assert (tmp_path / "deploy.py").readlink() == Path("nowhere")
    assert (tmp_path / "config.py").read_bytes() == (PROJECT / "config.py").read_bytes()

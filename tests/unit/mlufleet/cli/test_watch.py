"""`mlufleet watch`: what it refuses before it does anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from fleet.release.target import ReleaseTarget
from mlufleet.cli import watch_install
from mlufleet.cli.listen_address import parse_address
from mlufleet.cli.main import main
from mlufleet.watch import unit_install
from tests.unit import PROJECT


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["watch", *words])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--every", "5"), "--every '5': not a duration; "),
        (("--every", "1s"), "--every '1s': too short; remedy: from 10s to 1d"),
        (("--every", "2d"), "--every '2d': too long; "),
        (("--every", "-5m"), "--every '-5m'"),
        (("--listen", "9840"), "--listen '9840': not an IP address and a port"),
        (("--listen", "host.example:9840"), "not an IP address"),
        (("--listen", "127.0.0.1:99999"), "not an IP address and a port"),
        (("--listen", "0.0.0.0:9840"), "other machines could see the fleet"),
        (("--listen", "[::]:9840"), "other machines could see the fleet"),
        (("--token-file", "nothing"), "--token-file: nothing: No such file"),
        (("--repair-storm", "101%"), "--repair-storm: '101%' is more than 100%"),
        (("--repair-hours", "22-6"), "--repair-hours: '22-6' is not a time of day"),
        (("--print",), "--print: only with --install"),
        (("--install",), "hosts.py: no such file"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_do(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, output = run("hosts.py", *words)
    assert status == 3 and said in output, output
    assert not (tmp_path / "watch").exists()


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("x" * 32, 0o640, "chmod 600"),
        ("short", 0o600, "at least 16 characters"),
        ("two words of a token, long enough", 0o600, "not one word"),
        ("é" * 20, 0o600, "not ASCII"),
    ],
)
def test_a_token_that_is_none_is_refused(text: str, mode: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(text)
    (tmp_path / "token").chmod(mode)
    status, output = run("hosts.py", "--token-file", str(tmp_path / "token"))
    assert status == 3 and said in output


def test_addresses() -> None:
    assert parse_address("127.0.0.1:9840") == ("127.0.0.1", 9840)
    assert parse_address("[::1]:80") == ("::1", 80)
    assert parse_address("localhost:80") == ("localhost", 80)
    assert parse_address("off") == ("", 0)


@pytest.fixture
def clone(
    site: Path, wanted: ReleaseTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The present folder, with an inventory of one host, and a folder for units beside it."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("deploy.py", "files", "config.py"):
        (folder / name).symlink_to(PROJECT / name)
    data = {"release": str(site / "small.yml"), "store": str(site / "store"), "remediate": "repair"}
    (folder / "hosts.py").write_text(f"hosts = [('a', {data!r})]\n")
    (folder / "some.yml").write_text(
        "receivers: [{name: a, type: webhook, url: 'http://a/', timeout: 1}]"
    )
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    units = tmp_path / "units"
    units.mkdir()
    monkeypatch.setattr(watch_install, "SYSTEMD_FOLDER", tmp_path / "none")
    monkeypatch.setattr(unit_install, "UNIT_FOLDER", units)
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--notify=none.yml",), "none.yml"),
        (("--listen=192.0.2.1:9840", "--token-file=token"), "--listen 192.0.2.1:9840: "),
        (("--limit=b",), "error: --limit b: no such host or group"),
    ],
)
def test_a_unit_that_could_not_start_is_not_made(
    clone: Path, words: tuple[str, ...], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (clone / "token").write_text("t" * 32)
    (clone / "token").chmod(0o600)
    status, output = run("hosts.py", *words, "--install")
    errors = output + capfd.readouterr().err  # the look process has standard error
    assert status == 3 and said in errors, errors
    assert not (clone / "watch").exists() and list((clone.parent / "units").iterdir()) == []


def test_units_are_printed_or_written(clone: Path) -> None:
    before = sorted(clone.iterdir())
    words = ("--every=1m", "--limit=a", "--notify=some.yml", "--install")
    status, output = run("hosts.py", *words, "--print")
    assert status == 0 and f"watch {clone}/hosts.py --state={clone}/watch" in output
    assert "--every=1m" in output and "--repair-tries=3" in output
    assert f"--notify={clone}/some.yml" in output and "--limit=a" in output
    assert f"ReadWritePaths={clone}/watch" in output and f" {clone}\n" in output  # it mends
    assert sorted(clone.iterdir()) == before

    status, output = run("hosts.py", *words, "--once")
    units = {path.name: path.read_text() for path in (clone.parent / "units").iterdir()}
    assert status == 0 and units.keys() == {"mlufleet-watch.service", "mlufleet-watch.timer"}
    assert "OnUnitInactiveSec=60" in units["mlufleet-watch.timer"]
    assert "Type=oneshot" in units["mlufleet-watch.service"]
    assert "disable --now mlufleet-watch.timer" in output and (clone / "watch").is_dir()

"""`mlufleet watch`: what it refuses before it does anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mlufleet.cli.listen_address import parse_address
from mlufleet.cli.main import main


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["watch", *words])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--every", "5"), "--every '5': not a duration from 10 s to 24 h"),
        (("--every", "1s"), "--every '1s'"),
        (("--every", "2d"), "--every '2d'"),
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


def test_a_unit_that_could_not_start_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.py").write_text('hosts = ["a"]\n')
    status, output = run("hosts.py", "--notify", "none.yml", "--install", "--print")
    assert status == 3 and "none.yml" in output and "ExecStart" not in output
    (tmp_path / "some.yml").write_text("receivers: [{name: a, type: webhook, url: 'http://a/'}]")
    for words in ((), ("--once",)):
        status, output = run("hosts.py", *words, "--notify=some.yml", "--install", "--print")
        assert status == 0 and f"--notify={tmp_path}/some.yml" in output


def test_the_unit_is_printed_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.py").write_text('hosts = ["a"]\n')
    status, output = run("hosts.py", "--every", "1m", "--install", "--print")
    assert status == 0 and f"watch {tmp_path}/hosts.py --state={tmp_path}/watch" in output
    assert "--every=1m" in output and "--repair-tries=3" in output
    status, output = run("hosts.py", "--once", "--every", "1m", "--install", "--print")
    assert status == 0 and "OnUnitInactiveSec=60" in output and "Type=oneshot" in output
    assert [path.name for path in tmp_path.iterdir()] == ["hosts.py"]

"""Logins of hardened hosts: any shell, any language, a sudo that wants a terminal."""

from __future__ import annotations

import base64
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from fleet.errors import SYMPTOM_CODES
from operations.host.scripts import SCRIPTS_DIR, read_script, script_command, script_text
from operations.host.wire import (
    MAX_LOGGED_BYTES,
    keep_from_log,
    quote_for_any_shell,
    run_in_terminal,
)
from tests.waiting import PATIENCE_S

#: what each of them is special to in some shell, and what is no text at all
NASTY = "it's; \"$HOME\" `id` \\n \\041 !! 100% {a,b} ~ * # é 登鹳雀楼 \t$'x'"
SHELLS = ["sh", "bash", "rbash", "dash", "fish", "tcsh", "csh", "zsh", "ksh", "mksh"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_gives_the_same_text_to_a_posix_shell(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell} here; the lab's hosts have some")
    command = f"# a note\nprintf '%s|' {shlex.quote(NASTY)} 'two\nlines'\ncat\nexit 7"
    done = subprocess.run(
        [shell, "-c", quote_for_any_shell(command)], input=b"\xff in\n", capture_output=True
    )
    assert done.stdout == f"{NASTY}|two\nlines|".encode() + b"\xff in\n"
    assert (done.returncode, done.stderr) == (7, b"")


@pytest.mark.parametrize("lines", [1, 2000, 20_000])
@pytest.mark.parametrize("shell", ["sh", "bash", "tcsh", "fish"])
def test_no_command_is_longer_than_an_argument_may_be(shell: str, lines: int) -> None:
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell} here; the lab's hosts have some")
    command = run_in_terminal(": 'it''s \"one\"'\n" * lines + "cat; echo é; exit 7")
    assert len(quote_for_any_shell(command)) < 128 << 10
    # what is unpacked is one argument again, of the terminal's shell
    told = quote_for_any_shell(f": {shlex.quote(command)}\ncat; echo é; exit 7")
    done = subprocess.run([shell, "-c", told], input=b"in\n", capture_output=True)
    assert (done.stdout, done.returncode) == ("in\né\n".encode(), 7)


def test_a_script_has_one_surrounding_whatever_the_login_says() -> None:
    odd = {
        "LC_ALL": "zh_CN.UTF-8",
        "LANGUAGE": "zh",
        "TMOUT": "1",
        "CDPATH": "/usr",
        "PATH": "/bin",
        "GREP_OPTIONS": "--color=always",
        "POSIXLY_CORRECT": "1",
    }
    asked = 'umask 077; printf "%s\\n" "$LC_ALL" "$PATH" "${TMOUT-}${CDPATH-}${GREP_OPTIONS-}"'
    login = subprocess.run(
        ["sh", "-c", f"umask 077; {quote_for_any_shell(asked)}"],
        env=odd,
        capture_output=True,
        text=True,
    )
    language, path, rest = login.stdout.splitlines()
    assert (language, rest) == ("C", "")
    assert path.split(":")[0] == "/bin"  # what the host's owner says comes first
    assert {"/usr/local/bin", "/usr/sbin", "/usr/local/neuware/bin"} < set(path.split(":"))


@pytest.mark.parametrize("name", ["job", "probe", "load-image", "container", "read-file", "lock"])
def test_every_script_begins_with_it(name: str) -> None:
    assert script_text(name, slot="a").startswith("SLOT=a\n" + read_script("lib/env"))


@pytest.mark.parametrize(
    ("release", "said"),
    [
        (
            'ID="centos"\nVERSION_ID="7"\nPRETTY_NAME="CentOS 7"\nPACKAGES=none\nT=x\n',
            "centos|7|CentOS 7|of us",
        ),
        ("echo a banner\nID=rocky\n", "rocky|||of us"),
        ("NAME=Kylin Linux (V10)\n", "unknown|||of us"),
        (None, "unknown|||of us"),
    ],
)
def test_no_file_of_a_system_ends_the_probe_or_sets_what_it_asks(
    tmp_path: Path, release: str | None, said: str
) -> None:
    if release is not None:
        (tmp_path / "os-release").write_text(release)
    whole = read_script("probe").replace("/etc/os-release", str(tmp_path / "os-release"))
    part = whole[: whole.index("# shellcheck disable=SC2046  # three words")]
    for shell in ("sh", "bash"):
        asked = f"PACKAGES='of us'\n{part}\nsay packages $PACKAGES"
        done = subprocess.run(
            [shell, "-c", asked], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith(("os", "pack"))]
        first, second = (line.partition("\t")[2].replace("\t", "|") for line in lines)
        assert f"{first}|{second.replace('|', ' ')}" == said, done.stderr


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_terminal_leaves_input_output_and_status_alone(tmp_path: Path) -> None:
    command = ": < /dev/tty && cat && echo wrong >&2; exit 9"
    given = bytes(range(256)) * 300
    done = subprocess.run(
        ["setsid", "-w", "sh", "-c", run_in_terminal(command)],
        input=given,
        capture_output=True,
        timeout=PATIENCE_S,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.stdout == given and (done.returncode, done.stderr) == (9, b"wrong\n")
    assert list(tmp_path.iterdir()) == []


def ask_root(command: object, *options: str) -> str:
    """The command as pyinfra writes it for a user of sudo."""
    return shlex.join(["sudo", "-H", *options, "sh", "-c", str(command)])


#: stands for sudo: logs its arguments, and passes neither variables nor files but the standard ones
LOGS = """printf '%s\\n' "$*" >> "$LOG"
while [ "${1#-}" != "$1" ]; do shift; done
exec 3<&- 4<&- 5<&- 6<&-; exec env -i PATH="$PATH" "$@\""""


@pytest.mark.parametrize("in_terminal", [False, True])
@pytest.mark.parametrize("given", [b"\xff in\n" * 20_000, b""])
@pytest.mark.parametrize("shell", ["dash", "bash", "fish", "tcsh"])
def test_sudo_logs_no_script_and_its_command_has_its_input(
    tmp_path: Path, shell: str, given: bytes, in_terminal: bool
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell} here; the lab's hosts have some")
    program(tmp_path, "sudo", LOGS)
    body = f": {'x' * 100_000}\nprintf '%s|' {shlex.quote(NASTY)} \"$1\"; cat; exit 7"
    command = keep_from_log(
        ask_root(shlex.join(["sh", "-c", body, "name", "two\nlines"]), "-n"), bool(given)
    )
    command = run_in_terminal(command) if in_terminal else command
    done = subprocess.run(
        ["setsid", "-w", shell, "-c", quote_for_any_shell(command)],
        input=given,
        capture_output=True,
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "LOG": f"{tmp_path}/log",
            "TMPDIR": str(tmp_path),
        },
    )
    assert done.stdout == f"{NASTY}|two\nlines|".encode() + given
    assert (done.returncode, done.stderr) == (7, b"")
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert len(line) < MAX_LOGGED_BYTES


@pytest.mark.parametrize("name", sorted(path.stem for path in SCRIPTS_DIR.glob("*.sh")))
def test_no_script_and_no_argument_of_one_is_logged(name: str) -> None:
    command = script_command(name, "/data/weights " * 200).get_raw_value()
    _, _, logged = keep_from_log(ask_root(command, "-n"), False).rpartition(" | ")
    assert logged.startswith("sudo -H -n sh -c ") and len(logged) < MAX_LOGGED_BYTES


@pytest.mark.parametrize("cut", [1, 2, 60, 400])
def test_a_script_of_which_a_part_arrives_is_not_run(cut: int) -> None:
    told = keep_from_log(ask_root("echo run\n" * 50), has_input=False)
    source, _, reader = told.rpartition(" | sudo -H ")
    whole = subprocess.run(["sh", "-c", source], capture_output=True, check=True).stdout
    command = shlex.split(reader)
    assert subprocess.run(command, input=whole, capture_output=True).stdout == b"run\n" * 50
    done = subprocess.run(command, input=whole[:-1][:-cut], capture_output=True)
    assert done.stdout == b"" and done.returncode != 0


def test_a_short_command_of_sudo_is_logged_as_it_is() -> None:
    command = ask_root("rm -f /tmp/file", "-n")
    assert keep_from_log(command, has_input=True) == command


#: stands for sudo: asks its program for the password with its prompt, as the real one does
ASKS = (
    '[ "$("$SUDO_ASKPASS" "$SUDO_PROMPT")" = right ] || { echo "Sorry, try again." >&2; exit 1; }'
)
MUST = "sudo: sorry, you must have a tty to run sudo"
TTY = f"(: < /dev/tty) 2>/dev/null || {{ echo '{MUST}' >&2; exit 1; }}"


@pytest.mark.parametrize(
    ("sudo", "script", "password", "how", "code", "why"),
    [
        (ASKS, "", "right", "plain", "-", ""),
        (ASKS, "", "wrong", "plain", "SUDO", "Sorry, try again."),
        (f"{TTY}\n{ASKS}", "", "right", "terminal", "-", ""),
        (f"{TTY}\n{ASKS}", "", "wrong", "terminal", "SUDO", "Sorry, try again."),
        (f"{TTY}\n{ASKS}", "exit 127", "right", "terminal", "REQUIRETTY", "script (util-linux)"),
        (
            "[ $LC_ALL = C ] || exit 0; echo 对不起 >&2; exit 1",
            "",
            "right",
            "plain",
            "SUDO",
            "对不起",
        ),
    ],
)
def test_sudo_is_answered_from_memory(
    tmp_path: Path, sudo: str, script: str, password: str, how: str, code: str, why: str
) -> None:
    program(tmp_path, "sudo", sudo)
    if script:
        program(tmp_path, "script", script)
    # no folder of its own runs programs, and nothing but memory is written to
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    login = subprocess.Popen(
        [
            "setsid",
            "-w",
            "sh",
            "-c",
            quote_for_any_shell(read_script("lib/terminal") + read_script("askpass")),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    assert login.stdin and login.stdout
    login.stdin.write(f"{password}\n")
    login.stdin.flush()
    _, place, *answer = login.stdout.readline().split(" ")
    folder = Path(place)
    assert folder.stat().st_mode & 0o77 == 0 and (folder / "cat").is_symlink()
    assert (folder / "answer").read_text() == f"{password}\n"
    assert answer[:2] == [how, code]
    assert why in base64.b64decode(answer[2]).decode()
    login.stdin.close()
    assert login.wait(PATIENCE_S) == 0 and not folder.exists()


@pytest.mark.parametrize("said", ["dd: error writing 'x': Disk quota exceeded", "设备上没有空间"])
def test_a_full_disk_is_known_by_what_is_said(said: str) -> None:
    assert {meaning for symptom, meaning in SYMPTOM_CODES.items() if symptom in said} == {
        "NO_SPACE"
    }

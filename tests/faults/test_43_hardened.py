"""43: hosts that are hardened: c7 has most of it at once, others one setting alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab import hosts as lab
from tests.lab.hardened import HOST, switched
from tests.runs import LAB, Done, mlufleet, refused

OTHER = "u1604"


def healthy(host: str) -> bool:
    return mlufleet("doctor", LAB, "--limit", host).status == 0


@contextmanager
def moved(host: str, what: str, to: str) -> Iterator[None]:
    lab.run(host, f"mv {what} {to}")
    try:
        yield
    finally:
        lab.run(host, f"mv {to} {what}")


@pytest.mark.parametrize(
    "shell",
    [
        "/bin/tcsh",
        pytest.param("/bin/rbash", marks=pytest.mark.long),
        pytest.param("/usr/bin/fish", marks=pytest.mark.long),
    ],
)
def test_a_login_shell_of_any_kind_runs_what_it_is_given(provisioned: Done, shell: str) -> None:
    user, before = lab.run(HOST, "getent passwd operator | cut -d: -f1,7").split(":")
    lab.run(HOST, f"usermod -s {shell} {user}")
    try:
        assert healthy(HOST)
    finally:
        lab.run(HOST, f"usermod -s {before} {user}")


def test_one_session_on_a_connection_is_enough(provisioned: Done) -> None:
    """For the lock's beat, a step and what the step says meanwhile, each of which has its own."""
    with switched(OTHER, "one-session"):
        done = mlufleet("deploy", LAB, "--limit", OTHER, "--data", "smoke=always")
    assert done.status == 0 and done.changed(OTHER) == ["smoke"]


@pytest.mark.long
def test_two_sessions_of_which_sudo_takes_one_are_enough(provisioned: Done) -> None:
    with switched(HOST, "two-sessions"):
        assert healthy(HOST)


@pytest.mark.parametrize(
    ("setting", "code", "word"),
    [
        ("no-session", "MAX_SESSIONS", "MaxSessions"),
        ("other-algorithms", "SSH_ALGORITHMS", "KexAlgorithms"),
    ],
)
def test_what_cannot_work_is_named_before_anything_is_done(
    provisioned: Done, setting: str, code: str, word: str
) -> None:
    before = lab.run(HOST, "cat /var/lib/mlufleet/audit.log")
    with switched(HOST, setting):
        assert word in refused(HOST, code)["remedy"]
    assert lab.run(HOST, "cat /var/lib/mlufleet/audit.log") == before
    assert healthy(HOST)


def test_a_sudo_that_wants_a_terminal_where_there_is_none_is_named(provisioned: Done) -> None:
    with moved(HOST, "/usr/bin/script", "/root/script"):
        assert "requiretty" in refused(HOST, "REQUIRETTY")["remedy"]
    assert healthy(HOST)


def test_docker_where_the_path_of_sudo_does_not_lead(provisioned: Done) -> None:
    with moved(HOST, "/usr/bin/docker", "/usr/local/bin/docker"):
        done = mlufleet("deploy", LAB, "--limit", HOST, "--data", "smoke=always")
    assert done.status == 0 and done.changed(HOST) == ["smoke"]
    assert "王之涣" in done.host(HOST)["answer"]

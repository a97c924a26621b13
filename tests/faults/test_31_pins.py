"""31: a pinned commit that its upstream no longer has, or an upstream that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import hosts as lab
from tests.runs import WORK, Done, ends_right, refused, with_more

HOST = "u1604"
UPSTREAM = "/root/upstream.git"
COMMIT = (
    "git -c user.name=a -c user.email=a@b commit-tree -m {} 'HEAD^{{tree}}' | "
    "xargs git update-ref refs/heads/main"
)
#: a repository on the host whose branch is at a commit of its own
MAKE = (
    f"git clone -q --bare {WORK}/baichuan-7B {UPSTREAM} && cd {UPSTREAM} && "
    f"{COMMIT.format('pinned')} && git symbolic-ref HEAD refs/heads/main"
)
FORCE = f"cd {UPSTREAM} && {COMMIT.format('other')} && git gc -q --prune=now"
#: all that is checked out, migrated and patched, without git's own books
LOOK = (
    f"cd {WORK} && git -C baichuan-7B rev-parse HEAD && git -C baichuan-7B status --porcelain && "
    "find . \\( -name .git -o -name __pycache__ \\) -prune -o -type f -printf '%p %s %C@\\n' | sort"
)


def locked(folder: Path, **fields: str) -> tuple[str, str]:
    """Options for the lab's release with another upstream of one source."""
    said = ", ".join(f"{name}: {value}" for name, value in fields.items())
    return "--data", with_more(folder, f"sources: [{{name: baichuan-7B, branch: null, {said}}}]\n")


@pytest.fixture
def pinned(provisioned: Done) -> Iterator[str]:
    """A commit that only the branch of an upstream on the host has."""
    yield lab.run(HOST, f"{MAKE} && git rev-parse main")
    lab.run(HOST, f"rm -rf {UPSTREAM}")


def test_31_a_commit_that_was_pushed_away_is_named_before_anything_is_touched(
    pinned: str, tmp_path: Path
) -> None:
    release = locked(tmp_path, bundle="null", url=f"file://{UPSTREAM}", commit=pinned)
    lab.run(HOST, FORCE)
    before = lab.run(HOST, LOOK)
    failure = refused(HOST, "SOURCE_PIN", *release)
    assert failure["sentence"].endswith(f"file://{UPSTREAM} has no commit {pinned}")
    assert lab.run(HOST, LOOK) == before
    assert ends_right(HOST).statuses() == {HOST: "ok"}


def test_31_an_upstream_that_swallows_packets_is_given_up_soon(pinned: str, tmp_path: Path) -> None:
    url = "https://192.0.2.1/upstream.git"
    release = locked(tmp_path, bundle="null", url=url, commit=pinned)
    rule = "INPUT -d 192.0.2.1 -j DROP"
    lab.run(HOST, f"ip address add 192.0.2.1/32 dev lo && iptables -I {rule}")
    before = lab.run(HOST, LOOK)
    try:
        failure = refused(HOST, "SOURCE_PIN", *release)
    finally:
        lab.run(HOST, f"iptables -D {rule}; ip address del 192.0.2.1/32 dev lo")
    assert failure["sentence"].endswith(f"{url} does not answer within 30 s")
    assert lab.run(HOST, LOOK) == before
    assert ends_right(HOST).statuses() == {HOST: "ok"}

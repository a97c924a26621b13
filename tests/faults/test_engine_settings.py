"""What a host's own people have set for docker and for git, for real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import hosts as lab
from tests.runs import WORK, Done, ends_right, refused

HOST = "u1604"
DAEMON = "/etc/docker/daemon.json"
TREE = f"{WORK}/baichuan-7B"
#: hooks, line ends, addresses, files, filters
GIT = """\
[core]
\thooksPath = /root/hooks
\tautocrlf = true
[protocol "file"]
\tallow = never
[url "/nowhere"]
\tinsteadOf = /var/lib/mlufleet
[filter "lfs"]
\trequired = true
\tsmudge = false
"""


@contextmanager
def daemon(**settings: object) -> Iterator[None]:
    lab.run(
        HOST,
        f"mkdir -p /etc/docker && cat > {DAEMON} && systemctl restart docker",
        given=json.dumps(settings),
    )
    try:
        yield
    finally:
        # one that fails to start may not be started again too soon
        lab.run(HOST, f"rm {DAEMON}; systemctl reset-failed docker; systemctl restart docker")


def test_userns_remap_is_named_before_anything_is_done(provisioned: Done) -> None:
    with daemon(**{"userns-remap": "default"}):
        before = lab.files(HOST)
        failure = refused(HOST, "USERNS_REMAP")
        assert lab.files(HOST) == before
    assert failure["stage"] == "preflight" and "userns-remap" in failure["remedy"]
    assert ends_right(HOST).statuses() == {HOST: "ok"}


def test_what_people_set_for_git_on_the_host_reaches_no_checkout(provisioned: Done) -> None:
    hook = "/root/hooks/post-checkout"
    lab.run(HOST, f"mkdir -p /root/hooks && cat > {hook} && chmod 755 {hook}", given="#!/bin/false")
    lab.run(HOST, "cat > /etc/gitconfig", given=GIT)
    try:
        head = lab.run(HOST, f"git -C {TREE} rev-parse HEAD")
        lab.run(HOST, f"rm -rf {TREE}")
        assert "sources" in ends_right(HOST).changed(HOST)
        assert lab.run(HOST, f"git -C {TREE} rev-parse HEAD") == head
        ended = f"grep -rIl $(printf '\\r') {TREE} --exclude-dir .git | head"
        assert lab.run(HOST, ended, check=False) == ""
    finally:
        lab.run(HOST, "rm -r /etc/gitconfig /root/hooks")

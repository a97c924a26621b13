"""A docker that does not answer for a container, and a container that stands still."""

from __future__ import annotations

from tests.lab import hosts as lab
from tests.runs import CONTAINER, LAB, Done, ends_right, mlufleet, refused

HOST = "u1604"
DOCKER = "/usr/local/bin/docker"
IDENTITY = f"docker inspect --format '{{{{.Id}}}} {{{{.Created}}}}' {CONTAINER}"
#: an engine one of whose containers is locked: it answers for all else
HANGS = """#!/bin/sh
case " $*" in *" inspect --type container "*) exec sleep 600 ;; esac
exec /usr/bin/docker "$@"
"""


def test_a_container_that_docker_does_not_answer_for_is_not_taken_for_missing(
    provisioned: Done,
) -> None:
    before = lab.run(HOST, IDENTITY)
    lab.run(HOST, f"cat > {DOCKER} && chmod 755 {DOCKER}", given=HANGS)
    try:
        failure = refused(HOST, "ENGINE")
    finally:
        lab.run(HOST, f"rm {DOCKER}")
    assert failure["sentence"].endswith(f"docker does not answer for container {CONTAINER}")
    assert ends_right(HOST).statuses() == {HOST: "ok"}
    assert lab.run(HOST, IDENTITY) == before


def test_a_container_that_was_paused_does_not_run_and_goes_on(provisioned: Done) -> None:
    before = lab.run(HOST, IDENTITY)
    lab.run(HOST, f"docker pause {CONTAINER}")
    looked = mlufleet("doctor", LAB, "--limit", HOST)
    assert looked.status == 2 and f"container: start container {CONTAINER}" in looked.output
    assert "container" in ends_right(HOST).changed(HOST)
    assert lab.run(HOST, IDENTITY) == before

"""What is somebody else's is kept, and a load that lies is not believed: on the small release."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.big import HOST, deploy_light
from tests.faults.drivers import told
from tests.lab import hosts as lab
from tests.runs import LAB, RELEASES, Done, mlufleet, refused, wait_for_rest

LIGHT = ("--data", f"release={RELEASES}/light.yml")
CONTAINER, REFERENCE = "light", "registry.lab/light:v1"


@pytest.fixture(scope="module", autouse=True)
def light() -> Iterator[None]:
    """The host is on the small release, and so it is afterwards."""
    deploy_light()
    yield
    deploy_light()


def deploy(*options: str) -> Done:
    return mlufleet("deploy", LAB, "--limit", HOST, *LIGHT, *options)


def test_20_21_a_load_that_lies_is_not_believed_and_somebodys_image_under_our_tag_is_kept() -> None:
    lab.run(HOST, f"docker rm -f {CONTAINER}; docker image rm -f $(docker image ls -q)")
    theirs = lab.run(HOST, f"tar -c -C /etc hostname | docker import - {REFERENCE}")
    with told(HOST, "image-load-lies"):
        assert refused(HOST, "IMAGE_LOAD", *LIGHT)["stage"] == "image"
    again = deploy()
    assert again.status == 0 and again.changed(HOST)[0] == "image"
    (kept,) = again.host(HOST)["kept"]
    tags = "docker image inspect -f '{{.Id}}'"
    name = kept.split()[-1]
    assert lab.run(HOST, f"{tags} {name}") == theirs
    assert lab.run(HOST, f"{tags} {REFERENCE}") != theirs
    lab.run(HOST, f"docker image rm {name}")


def test_somebodys_container_under_our_name_is_stopped_and_kept_where_that_is_permitted() -> None:
    lab.run(HOST, f"docker rm -f {CONTAINER}")
    started = f"docker run -d --restart always --name {CONTAINER} {REFERENCE} sleep infinity"
    theirs = lab.run(HOST, started)
    before = wait_for_rest(HOST)
    assert CONTAINER in refused(HOST, "CONTAINER_FOREIGN", *LIGHT)["sentence"]
    assert lab.listing(HOST) == before
    done = deploy("--data", "evict=true")
    assert done.status == 0 and done.changed(HOST)[0] == "container"
    (kept,) = done.host(HOST)["kept"]
    state = "docker inspect -f '{{.State.Running}} {{.HostConfig.RestartPolicy.Name}} {{.Name}}'"
    name = lab.run(HOST, f"{state} {theirs}").removeprefix("false no /")
    assert f" as {name}; " in kept
    # one command makes it what it was
    lab.run(HOST, f"docker rm -f {CONTAINER}; {kept.split('to undo it: ')[1]}")
    assert lab.run(HOST, f"{state} {theirs}") == f"true always /{CONTAINER}"
    lab.run(HOST, f"docker rm -f {theirs}")

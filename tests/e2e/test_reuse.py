"""What lies on a host is not sent: put there by hand, in other folders and under other names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.checksum import chunks
from fleet.store import layer_archive, layer_index
from operations.host.scripts import script_text
from tests.faults.big import FORGET, HOST, Big, deploy_light
from tests.lab import engine, paths
from tests.lab import hosts as lab
from tests.runs import LAB, mlufleet

OTHER = "u1804"
TARGET = "/data/models/tiny"
RELEASE = f"""\
container: {{mounts: [{{host: /data/models, container: /data/models}}]}}
weights: [{{name: tiny, folder: weights-tiny, target: {TARGET}}}]
"""
WEIGHTS = {"model.bin": os.urandom(3 << 20), "config.json": b'{"hidden": 4096}'}
#: above 64 MiB, from which a swarm is worth its client
PADDING = 60 << 20
#: bytes of the smoke test's own files, and of what else is small
OTHERS = 1 << 16
#: where somebody has them: archive and weights, in folders of the tutorials
ARCHIVE = "/data/ftp/docker/an image.tar"
DOWNLOADS = "/data/baidudisk/tiny"
CLEAN = f"{FORGET}; rm -rf {TARGET} {TARGET}.kept-* /data/ftp /data/baidudisk"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Big]:
    deploy_light()
    files = {f"weights-tiny/{name}": content for name, content in WEIGHTS.items()}
    yield Big.made(tmp_path_factory.mktemp("reuse"), PADDING, RELEASE, files)
    lab.run(HOST, CLEAN, check=False)


@pytest.fixture
def big(release: Big) -> Big:
    """On a host that lacks its image and its weights, but has their bytes elsewhere."""
    lab.run(HOST, CLEAN, check=False)
    lab.run(HOST, f"mkdir -p {DOWNLOADS} $(dirname '{ARCHIVE}')")
    copy(release.archive, ARCHIVE)
    for name in WEIGHTS:
        copy(release.archive.parent / "weights-tiny" / name, f"{DOWNLOADS}/{name}")
    return release


def copy(file: Path, to: str) -> None:
    """Put a file on the host without the tool."""
    engine.docker("cp", str(file), f"{lab.PREFIX}{HOST}:{to}")


def state_of(*paths: str) -> str:
    """Content, owner, mode and time of files of the host, not how many names they have."""
    script = 'for f; do stat -c "%n %u %a %s %Y" "$f"; sha256sum "$f"; done'
    quoted = " ".join(f"'{path}'" for path in paths)
    return lab.run(HOST, f"set -- {quoted}; {script}")


THEIRS = (ARCHIVE, *(f"{DOWNLOADS}/{name}" for name in WEIGHTS))


def test_image_and_weights_that_lie_on_a_host_are_not_sent(big: Big) -> None:
    theirs, size = state_of(*THEIRS), sum(map(len, WEIGHTS.values()))
    done = big.deploy()
    host = done.host(HOST)
    assert done.status == 0 and host["status"] == "changed"
    assert host["reused"] == big.size + size and host["sent"] < OTHERS
    assert any(ARCHIVE in note for note in host["notes"])
    assert any(DOWNLOADS in note for note in host["notes"])
    # what was root's is a link, what is small a copy, and theirs is as it was
    names = lab.run(HOST, f"stat -c %h {TARGET}/model.bin {TARGET}/config.json '{ARCHIVE}'")
    assert names.split() == ["2", "1", "1"], "the archive was loaded, and its link is gone"
    assert state_of(*THEIRS) == theirs
    again = big.deploy()
    assert again.status == 0 and again.statuses()[HOST] == "ok"


def test_a_look_counts_them_without_writing_anything(big: Big) -> None:
    lab.run(HOST, "rm -f /var/lib/mlufleet/sums")
    before = lab.files(HOST)
    done = mlufleet("adopt", LAB, "--limit", HOST, *big.options, "--json")
    assert lab.files(HOST) == before
    (start,) = [i for i, line in enumerate(done.output.splitlines()) if line == "{"]
    look, _ = json.JSONDecoder().raw_decode("\n".join(done.output.splitlines()[start:]))
    findings = {finding["item"]: finding for finding in look["hosts"][HOST]["findings"]}
    for item, place, size in (
        ("image archive", ARCHIVE, big.size),
        ("weights tiny", DOWNLOADS, sum(map(len, WEIGHTS.values()))),
    ):
        found = findings[item]
        assert (found["relation"], found["place"]) == ("reusable", place)
        assert (found["sent_bytes"], found["reused_bytes"]) == (0, size)


def test_what_somebody_can_change_is_copied_and_what_was_patched_stays_theirs(big: Big) -> None:
    model = f"{DOWNLOADS}/model.bin"
    lab.run(HOST, f"chown 4711 {model}; chmod 600 {model}")
    theirs = state_of(*THEIRS)
    done = big.deploy()
    assert done.status == 0 and done.host(HOST)["sent"] < OTHERS
    said = lab.run(HOST, f"stat -c '%h %u %a' {TARGET}/model.bin")
    assert said == "1 0 644" and state_of(*THEIRS) == theirs
    # they use their file on; the release has its own
    lab.run(HOST, f"echo more >> {model}")
    again = big.deploy()
    assert again.status == 0 and again.statuses()[HOST] == "ok"


def test_a_host_that_has_a_file_seeds_it_for_the_others(big: Big) -> None:
    lab.run(OTHER, CLEAN, check=False)
    try:
        # at this rate of the controller it would take most of a minute
        done = mlufleet(
            *("deploy", LAB, "--limit", HOST, "--limit", OTHER, *big.options),
            *("--data", "distribution=swarm", "--data", "swarm_seed_rate=1"),
        )
        assert done.status == 0
        assert done.host(HOST)["reused"] > big.size and done.host(HOST)["swarmed"] == 0
        assert done.host(OTHER)["swarmed"] == big.size
        assert done.report["seeded"] < big.size // 2, "most of it came from the other host"
        assert "serves " in done.output
        left = lab.run(HOST, "pgrep -x aria2c; ls /data/ftp/docker /var/lib/mlufleet/artifacts")
        assert "aria2" not in left
    finally:
        lab.run(OTHER, CLEAN, check=False)


def test_docker_does_not_take_an_image_without_layers_that_it_lacks(release: Big) -> None:
    lab.run(HOST, CLEAN, check=False)
    archive = paths.STORE / "light-v2.tar"
    sha, _ = chunks.hash_file(archive, lambda _: None)
    index = layer_index.find_index(archive, sha)
    assert index
    layers, _ = layer_archive.write_archive(archive, sha, index, 1)
    copy(layers, "/tmp/image.tar.layers")
    script = script_text("load-image").replace("/var/lib/mlufleet", "/tmp/state")
    words = ("/tmp/image.tar.layers", index.image_id, "1", "registry.lab/light:v2")
    said = lab.run(HOST, f"sh -s {' '.join(words)}; echo status $?", given=script)
    assert said.endswith("status 1") and "no such file" in said
    left = "ls -d /tmp/image.tar*; docker image ls -q 'registry.lab/*'; rm -rf /tmp/state"
    assert lab.run(HOST, f"{{ {left}; }} 2>/dev/null", check=False) == ""

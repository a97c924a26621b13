"""3: a file of the store that is not the lock's stops the run before the first connection."""

from __future__ import annotations

from tests.lab import hosts as lab
from tests.lab import paths
from tests.runs import LAB, SITE, Done, ends_right, mlufleet, pyinfra

HOST = "u1604"


def test_3_a_flipped_bit_in_the_store_is_named_and_no_host_is_asked(provisioned: Done) -> None:
    artifact = paths.STORE / "transformers-v4.29.1.bundle"
    before, runs = lab.files(HOST), set((SITE / "runs").iterdir())
    # other labs may share the file by a hard link
    kept = artifact.rename(artifact.with_suffix(".kept"))
    right = kept.read_bytes()
    artifact.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    try:
        done = mlufleet("deploy", LAB, "--limit", HOST)
        plain = pyinfra("-y", "--limit", HOST)
    finally:
        kept.replace(artifact)
    assert done.status == 3 and plain.status != 0
    for output in (done.output, plain.output):
        assert f"{artifact.name}: its SHA-256 is not" in output
        assert "Connected" not in output
    assert set((SITE / "runs").iterdir()) == runs
    assert lab.files(HOST) == before
    ends_right(HOST)

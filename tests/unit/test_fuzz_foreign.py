"""Every parser of foreign text meets text of any kind; here those that have no other test."""

from __future__ import annotations

import ipaddress
import json
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from gevent.event import Event
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.checksum import cache
from fleet.errors import Failure, InvalidInput
from fleet.release import snapshot
from mlufleet.bundle import manifest
from mlufleet.cli import health
from mlufleet.report.model import parse_report
from mlufleet.rollout import hooks
from operations.host import sudo
from operations.host.output import TAG
from operations.transfer.aria2 import Aria2Peer, LeftSwarm
from operations.transfer.tracker import TrackedPeer, Tracker
from tests.unit.fuzz import ANY_TEXT, FOREIGN, VALUES, mutated

UNIT = Path(__file__).parent
WORDS = st.sampled_from(
    [
        "address",
        "10.0.0.1",
        "999.9.9.9",
        "1",
        "[#ab 5B/9B",
        "SEED(",
        "x" * 90,
        f"[#ab {'9' * 30}B/1B",
        "[Checksum:",
        "FILE:",
        "-1",
    ]
)


@pytest.mark.parametrize("module", FOREIGN)
def test_each_parser_of_foreign_text_is_in_a_test_that_makes_it_up(module: str) -> None:
    path = UNIT.parents[1] / f"{module.replace('.', '/')}.py"
    assert path.is_file() or path.with_suffix("").is_dir()
    text = (UNIT / f"{FOREIGN[module]}.py").read_text(encoding="utf-8")
    package, _, name = module.rpartition(".")
    assert "@given" in text
    assert f"from {module} import" in text or any(
        line.startswith(f"from {package} import") and name in line for line in text.splitlines()
    )


class Channel:
    """Says something, then nothing."""

    def __init__(self, said: bytes) -> None:
        self.said = [said, b""]

    def settimeout(self, seconds: float) -> None:
        """As paramiko's."""

    def recv(self, size: int) -> bytes:
        return self.said.pop(0)


@given(st.lists(st.one_of(ANY_TEXT, st.sampled_from(["OK", "SUDO", "!", "eA==", "/tmp/x"]))))
def test_what_a_host_answers_to_sudos_password_is_understood_or_its_failure(
    words: list[str],
) -> None:
    said = f"banner\n@@askpass.{TAG.value} {' '.join(words)}".encode(errors="replace") + b"\n"
    _, _, failure = sudo._read_answer(Channel(said))  # type: ignore[arg-type]
    assert failure is None or isinstance(failure, Failure)


@given(st.lists(st.one_of(ANY_TEXT, st.lists(WORDS, max_size=4).map(" ".join)), max_size=8))
def test_what_a_hosts_aria2_prints_gives_addresses_or_strands_it(lines: list[str]) -> None:
    peer = object.__new__(Aria2Peer)
    peer.is_complete, peer._received_bytes, peer._messages, peer._changed = (
        False,
        0,
        deque(maxlen=5),
        Event(),
    )
    peer._has_ended, peer._is_checking, peer._addresses = True, False, None
    for line in lines:
        peer._parse_line(line)
    assert 0 <= peer._received_bytes < 10**18
    try:
        for address in peer.wait_for_addresses():
            ipaddress.IPv4Address(address)
    except LeftSwarm:
        pass


@given(
    st.one_of(
        ANY_TEXT,
        st.lists(
            st.sampled_from(
                [
                    "info_hash=",
                    "%01" * 20,
                    "&port=",
                    "6881",
                    "٣",
                    "9" * 5000,
                    "&event=stopped",
                    "%ff",
                    "=",
                    "&",
                ]
            )
        ).map("".join),
    )
)
def test_any_question_at_the_meeting_point_is_answered(query: str) -> None:
    meeting = object.__new__(Tracker)
    meeting.peers = {address: TrackedPeer(address) for address in ("10.0.0.1", "10.0.0.2")}
    meeting.connect = {b"\1" * 20: lambda *_: None}
    assert isinstance(meeting.announce("10.0.0.1", query), bytes)
    assert meeting.announce("192.0.2.1", query) == b""


@given(st.one_of(ANY_TEXT, VALUES.map(repr)))
def test_any_document_of_a_host_is_a_release_or_refused(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.raises(InvalidInput):
        snapshot.restore_snapshot(text, Path(folder), "a")


@given(VALUES)
def test_whatever_is_in_the_cache_of_sums_is_read_or_nothing(data: Any) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", folder)
        (Path(folder) / "mlufleet").mkdir()
        cache.index_path().write_text(json.dumps(data, default=str, skipkeys=True))
        local = Path(folder) / "file"
        local.write_text("x")
        assert cache.compute_checksums([local], lambda path: "sum") == {local: "sum"}


@given(
    st.fixed_dictionaries(
        {
            "run": ANY_TEXT,
            "operator": ANY_TEXT,
            "since": ANY_TEXT,
            "why": ANY_TEXT,
            "age": st.integers(0, 10**12),
            "lease": st.integers(0, 10**9),
        }
    )
)
def test_a_lock_of_any_words_is_one_line(lock: dict[str, Any]) -> None:
    host = {"status": "ok", "versions": {"os": "x"}, "lock": lock, "failure": None}
    assert len(health.describe_locks(parse_report({"hosts": {"a": host}}))) == 1


MANIFEST = manifest.render_entries([manifest.BundleEntry("a/b.bin", 3, "ab" * 32)])


@given(st.one_of(mutated(MANIFEST), st.binary(max_size=200)))
def test_any_manifest_of_a_bundle_names_what_stays_inside_or_is_refused(content: bytes) -> None:
    try:
        for entry in manifest.parse_entries(content):
            assert not entry.name.startswith("/") and ".." not in entry.name.split("/")
    except manifest.CodedInputError as error:
        assert error.failure.code == "BUNDLE_MEMBER"


@settings(max_examples=20)
@given(st.binary(max_size=200))
def test_a_hooks_output_of_any_bytes_is_lines_of_text(said: bytes) -> None:
    octal = "".join(f"\\{byte:03o}" for byte in said)
    failure = hooks.run_hook(f"printf '{octal}'; exit 1", {}, 60)
    assert failure is not None and len(failure.tail) <= 20

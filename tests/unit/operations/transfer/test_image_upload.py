"""An image to a host that has some of its layers: what is sent, and what is said."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from fleet.store import layer_archive
from operations.host.context import run_context
from operations.host.events import NoteAdded, TransferDone
from operations.transfer import reuse
from operations.transfer.image_upload import ImageUpload
from operations.transfer.reuse import FoundFile, NeededFile, Search
from operations.transfer.swarm import Swarms, swarms
from tests.unit.fleet.store.test_layer_archive import DIFF_IDS, IDENTITY, put, save_old
from tests.waiting import PATIENCE_S

DEST = "/state/artifacts/image.tar"
ALL_BUT_TOP, BASE, OTHER = tuple(DIFF_IDS[:2]), (DIFF_IDS[0], "sha256:other"), ("sha256:other",)


class Host:
    """A host; what was asked of it, in order, with the endings of the paths on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.local, self.sha = put(tmp_path / "image.tar", save_old())
        self.state, self.monkeypatch = SimpleNamespace(), monkeypatch
        self.did: list[Any] = []
        self.events: list[Any] = []
        self.lies_there, self.bytes_there = False, 0
        self.host: Any = self.named("h")
        run_context(self.host).events.listeners.append(self.events.append)
        monkeypatch.setattr(reuse, "search_host", self._search)
        monkeypatch.setattr("operations.transfer.upload.audit_identity", lambda *_: "")

    def named(self, name: str) -> Any:
        return SimpleNamespace(name=name, print_prefix="", state=self.state, data=SimpleNamespace())

    def upload(self, *chains: tuple[str, ...], image: str = f"sha256:{IDENTITY}") -> ImageUpload:
        upload = ImageUpload("image", (self.local, DEST, self.sha), image, frozenset(chains))

        def place(_host: Any, _arguments: Any, phase: str, parts: Any = None) -> Any:
            ((part, (_, dest, _)),) = upload.files.items()
            self.did.append((phase, dest.removeprefix(DEST)))
            there = self.bytes_there if dest == DEST else 0
            return True, [f"want {part} {there}"] if phase == "begin" else []

        def send(_host: Any, _arguments: Any, parts: dict[str, int], **_: Any) -> list[str]:
            self.did.append(("send", sum(map(upload._part_bytes, parts))))
            upload.completed_parts |= parts.keys()
            return []

        self.monkeypatch.setattr(upload, "_run_place_files", place)
        self.monkeypatch.setattr(upload, "_send_missing", send)
        return upload

    def _search(self, _host: Any, _arguments: Any, needed: list[NeededFile], *_: str) -> Search:
        self.did.append("search")
        found = FoundFile("link", "root", "/data/image.tar")
        return Search({file.part: found for file in needed if self.lies_there})

    def said(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    return Host(monkeypatch, tmp_path)


def test_a_host_without_a_layer_of_it_gets_the_whole_archive(host: Host) -> None:
    for chains in ((), (OTHER,)):
        host.did.clear()
        upload = host.upload(*chains)
        assert upload._transfer(host.host, {}) == [] and not upload.has_layers_only
        whole = host.local.stat().st_size
        assert host.did == [("begin", ""), "search", ("send", whole), ("end", "")]
        upload.report_left_out(host.host)
    assert not host.events


def test_a_host_that_lacks_a_layer_gets_that_and_it_is_said(host: Host) -> None:
    swarms(host.host).register_demand("h", [host.sha])
    upload = host.upload(OTHER, BASE, ALL_BUT_TOP)
    assert upload._transfer(host.host, {}) == []
    # a file of 80,000 bytes, in an archive of its own
    assert upload.has_layers_only and 80_000 < upload.total_bytes < 100_000
    sent = ("send", upload.total_bytes)
    host.did.remove("search")  # more than half of it is sent: the whole one could lie there
    assert host.did == [("begin", ""), ("begin", ".layers"), sent, ("end", ".layers")]
    assert not host.said(TransferDone), "docker may not take it"
    upload.report_left_out(host.host)
    (event,) = host.said(TransferDone)
    assert (event.sent, event.reused) == (0, host.local.stat().st_size - upload.total_bytes)
    assert event.found == ["2 of 3 layers in docker"]
    (_, _, sha) = next(iter(upload.files.values()))
    assert host.sha not in swarms(host.host).by_checksum
    assert swarms(host.host).by_checksum[sha].pending_hosts == {"h"}


def test_a_little_is_sent_without_a_search(host: Host) -> None:
    upload = host.upload(tuple(DIFF_IDS))  # only configuration and manifest
    assert upload._transfer(host.host, {}) == []
    assert "search" not in host.did and upload.total_bytes < 10_000


def test_an_archive_that_lies_on_the_host_is_not_sent(host: Host) -> None:
    host.lies_there = True
    upload = host.upload(ALL_BUT_TOP)
    assert upload._transfer(host.host, {}) == [] and not upload.has_layers_only
    assert host.did == [("begin", ""), "search", ("send", 0), ("end", "")]


def test_what_is_nearly_there_is_completed(host: Host) -> None:
    host.bytes_there = host.local.stat().st_size - 1000
    upload = host.upload(ALL_BUT_TOP)
    assert upload._transfer(host.host, {}) == [] and not upload.has_layers_only


def test_what_was_prefetched_is_the_same(host: Host) -> None:
    ahead = host.upload(ALL_BUT_TOP)
    assert ahead.fill_parts(host.host, {}) == []
    host.did.clear()
    upload = host.upload(ALL_BUT_TOP)
    assert upload._transfer(host.host, {}, ahead.completed_parts) == []
    assert upload.files == ahead.files
    assert "search" not in host.did and ("begin", "") not in host.did


def test_an_archive_that_is_not_dockers_is_sent_whole_and_it_is_said(host: Host) -> None:
    upload = host.upload(ALL_BUT_TOP, image="sha256:another")
    assert upload._transfer(host.host, {}) == [] and not upload.has_layers_only
    (note,) = host.said(NoteAdded)
    assert "the whole archive is sent" in note.text


def test_without_room_on_the_controller_it_is_sent_whole(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(layer_archive, "write_archive", fail)
    upload = host.upload(ALL_BUT_TOP)
    assert upload._transfer(host.host, {}) == [] and not upload.has_layers_only
    assert "no room" in host.said(NoteAdded)[0].text


def test_hosts_that_wait_for_the_same_layers_share_a_swarm_from_the_first_on(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending: list[set[str]] = []
    register = Swarms.register_demand

    def note(self: Swarms, name: str, checksums: list[str]) -> None:
        register(self, name, checksums)
        pending.append(set(self.by_checksum[checksums[0]].pending_hosts))

    monkeypatch.setattr(Swarms, "register_demand", note)
    hosts = [host.named(name) for name in "abc"]
    greenlets = [gevent.spawn(host.upload(ALL_BUT_TOP)._transfer, each, {}) for each in hosts]
    gevent.joinall(greenlets, timeout=PATIENCE_S, raise_error=True)
    assert max(pending, key=len) == {"a", "b", "c"}

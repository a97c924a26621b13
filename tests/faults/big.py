"""A small release whose image archive is big, and a host that has nothing of it."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.lab import paths
from tests.runs import LAB, RELEASES, SITE, Done, mlufleet

HOST = "u1604"
INCOMING = "/var/lib/mlufleet/incoming"
# of a next version, or of one with a server, the host would need a few layers only
FORGET = (
    "docker rm -f light; docker image rm -f $(docker image ls -q 'registry.lab/*' | sort -u); "
    f"rm -f {INCOMING}/*"
)


def deploy_light() -> None:
    """Put the host on the small release: it has a driver, whatever it was before."""
    done = mlufleet("deploy", LAB, "--limit", HOST, "--data", f"release={RELEASES}/light.yml")
    assert done.status == 0, done.output


@dataclass(frozen=True)
class Big:
    """:param options: of a run that wants it"""

    options: tuple[str, ...]
    size: int

    @classmethod
    def made(
        cls,
        root: Path,
        padding: int,
        release: str = "",
        files: Mapping[str, bytes] = MappingProxyType({}),
    ) -> Big:
        """Write release, lock and store into a folder.

        :param padding: bytes that the archive has more
        :param release: its text, as an extension of ``light``
        :param files: more files of the store
        """
        store = root / "store"
        store.mkdir()
        for found in paths.STORE.iterdir():
            (store / found.name).symlink_to(found)
        archive = store / "light-v1.tar"
        content = archive.read_bytes()
        archive.unlink()
        archive.write_bytes(content)
        (root / "padding").write_bytes(os.urandom(padding))
        with tarfile.open(archive, "a") as tar:
            tar.add(root / "padding", "padding")
        for name, content in files.items():
            (store / name).parent.mkdir(exist_ok=True)
            (store / name).write_bytes(content)
        (root / "light.yml").write_text((SITE / RELEASES / "light.yml").read_text())
        file = root / "big.yml"
        file.write_text(f"extends: light\n{release}")
        locked = mlufleet("lock", str(file), "--store", str(store), "--quiet")
        assert locked.status == 0
        return cls(
            ("--data", f"release={file}", "--data", f"store={store}"), archive.stat().st_size
        )

    @property
    def archive(self) -> Path:
        """Its image's archive, in its store."""
        return Path(self.options[-1].removeprefix("store=")) / "light-v1.tar"

    def deploy(self) -> Done:
        return mlufleet("deploy", LAB, "--limit", HOST, *self.options)

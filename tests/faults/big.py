"""A small release whose image archive is big: for what happens to it on its way."""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab import paths
from tests.runs import LAB, RELEASES, ROOT, Done, mlufleet

INCOMING = "/var/lib/mlufleet/incoming"
FORGET = f"docker rm -f light; docker image rm -f registry.lab/light:v1; rm -f {INCOMING}/*"


@dataclass(frozen=True)
class Big:
    """:param options: of a run that wants it"""

    options: tuple[str, ...]
    archive: Path

    @property
    def size(self) -> int:
        return self.archive.stat().st_size

    def deploy(self, hosts: str, *options: str) -> Done:
        return mlufleet("deploy", LAB, "--limit", hosts, *self.options, *options)


def made(root: Path, padding: int) -> Big:
    """The release `light`, its archive longer by random bytes that nothing looks at."""
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
    (root / "light.yml").write_text((ROOT / RELEASES / "light.yml").read_text())
    locked = mlufleet("lock", str(root / "light.yml"), "--store", str(store), "--quiet")
    assert locked.status == 0
    options = ("--data", f"release={root / 'light.yml'}", "--data", f"store={store}")
    return Big(options, archive)

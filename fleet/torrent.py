"""The torrent of one big file: its pieces are those of :mod:`fleet.pieces`.

So whatever a swarm leaves of a file that it did not end, SSH can go on from. Kept by the sha256 of
the whole; one that was damaged there can cost time, never bring a wrong file to a host.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleet import measured, pieces


def kept(sha: str) -> Path:
    """Where the torrent of a file stays."""
    return measured.cache().with_name("torrents") / f"{sha}.{pieces.SIZE}"


def decoded(data: bytes) -> Any:
    """:raises RuntimeError: it is not bencoded"""
    import libtorrent as lt

    return lt.bdecode(data)


def encoded(value: Any) -> bytes:
    import libtorrent as lt

    return bytes(lt.bencode(value))


def infohash(torrent: bytes) -> bytes:
    """What a swarm is known by."""
    return hashlib.sha1(encoded(decoded(torrent)[b"info"])).digest()


def of(path: Path, sha: str) -> bytes:
    """The torrent of a file; it is read, in a process of its own, only when nobody has it yet.

    The library holds the interpreter's lock while it reads: every connection would stand still.

    :raises OSError: the file cannot be read
    """
    with suppress(OSError):
        return kept(sha).read_bytes()
    words = [sys.executable, "-m", "fleet.torrent", str(path), sha]
    done = subprocess.run(words, capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise OSError(f"no torrent of {path}: {said[-1] if said else 'no reason'}")
    with suppress(OSError):  # a run that cannot keep it only costs the next one its time
        kept(sha).parent.mkdir(parents=True, exist_ok=True)
        part = kept(sha).with_suffix(".part")
        part.write_bytes(done.stdout)
        part.replace(kept(sha))
    return done.stdout


def make(path: Path, sha: str) -> bytes:
    """Read a file for its torrent; what it is called there is its sha256.

    :raises ValueError: it is not what the lock says
    """
    import libtorrent as lt

    summed = hashlib.sha256()
    with path.open("rb") as content:
        while block := content.read(pieces.BLOCK):
            summed.update(block)
    if summed.hexdigest() != sha:
        raise ValueError(f"{path} has changed since it was checked")
    files = [lt.create_file_entry(path.name, path.stat().st_size)]
    torrent = lt.create_torrent(files, pieces.SIZE, lt.create_torrent.v1_only)
    lt.set_piece_hashes(torrent, str(path.parent))
    made: Any = torrent.generate()
    made[b"info"][b"name"] = sha.encode()
    made.pop(b"creation date", None)
    return encoded(made)


if __name__ == "__main__":
    sys.stdout.buffer.write(make(Path(sys.argv[1]).absolute(), sys.argv[2]))

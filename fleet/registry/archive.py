"""An image of a registry as an archive that `docker load` takes, for hosts without the registry."""

from __future__ import annotations

import http.client
import io
import json
import shutil
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

from fleet.checksum import chunks
from fleet.errors import CodedInputError, InvalidInput
from fleet.language import _, text_of
from fleet.registry.client import RegistryClient
from fleet.registry.image import Blob, RegistryImage
from fleet.registry.reference import Reference

BLOCK_BYTES = 1 << 20
#: consecutive attempts that receive nothing, and the delay before the second one; it doubles
MAX_ATTEMPTS, FIRST_RETRY_DELAY_S = 5, 1.0


def _ignore(count: int) -> None:
    """Drop a number of bytes."""


def pull_image(
    registry: str,
    archive: Path,
    tag: str,
    architecture: str = "amd64",
    on_bytes: Callable[[int], object] = _ignore,
    retry_delay_s: float = FIRST_RETRY_DELAY_S,
) -> RegistryImage:
    """Download an image into an archive as `docker save` writes it.

    Layers keep their compression, which every docker unpacks, so the archive has the registry's
    size. They are collected beside the archive, in ARCHIVE.layers, and an interrupted call is
    continued there. The archive gets its name when it is complete; one that exists is left alone.
    `mlufleet gather` calls this with `image.registry`, `store / image.file` and `image.reference`
    of a release; :meth:`RegistryClient.read_image` gives the size beforehand.

    Args:
        registry: the image, such as ``harbor.example/team/torch@sha256:…``.
        archive: file to create.
        tag: reference that `docker load` gives the image.
        architecture: docker's name of the processor architecture, for an image that exists for
            several.
        on_bytes: called with the number of bytes of each block that is there.
        retry_delay_s: seconds before the second attempt; doubled before each further one.

    Returns:
        The image.

    Raises:
        CodedInputError: the registry cannot be reached, or refuses.
        InvalidInput: the archive cannot be written.
    """
    client = RegistryClient(Reference.parse(registry))
    image = client.read_image(architecture)
    if archive.exists():
        return image
    folder = archive.with_name(f"{archive.name}.layers")
    part = archive.with_name(f"{archive.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for blob in dict.fromkeys(image.layers):
            _download_blob(client, blob, folder / _hex(blob), on_bytes, retry_delay_s)
        _write_archive(image, folder, part, tag)
        part.replace(archive)
        shutil.rmtree(folder)
    except OSError as error:
        reason = error.strerror or error
        raise InvalidInput(
            _("{path}: cannot be written: {reason}", path=archive, reason=reason)
        ) from error
    return image


def _hex(blob: Blob) -> str:
    return blob.digest.removeprefix("sha256:")


def _download_blob(
    client: RegistryClient,
    blob: Blob,
    path: Path,
    on_bytes: Callable[[int], object],
    retry_delay_s: float,
) -> None:
    """Download a layer, or the rest of it; one that has other bytes than its digest is removed."""
    failed = 0
    if path.exists():
        on_bytes(min(path.stat().st_size, blob.size))
    while (there := path.stat().st_size if path.exists() else 0) != blob.size:
        try:
            _download_rest(client, blob, path, there, on_bytes)
        except CodedInputError as error:
            after = path.stat().st_size if path.exists() else 0
            failed = 1 if after > there else failed + 1
            if error.failure.code != "REGISTRY_UNREACHABLE" or failed >= MAX_ATTEMPTS:
                raise
            time.sleep(retry_delay_s * 2 ** (failed - 1))
    found, _chunks = chunks.hash_file(path, lambda _block: None)
    if found != _hex(blob):
        path.unlink()
        detail = _(
            "{reference}: layer {digest} arrived with sha256 {sha256}",
            reference=client.reference,
            digest=blob.digest,
            sha256=found,
        )
        raise CodedInputError("DOWNLOAD_MISMATCH", detail)


def _download_rest(
    client: RegistryClient, blob: Blob, path: Path, begin: int, on_bytes: Callable[[int], object]
) -> None:
    begin = begin if begin < blob.size else 0
    with client.open_blob(blob.digest, begin) as response:
        begin = begin if response.status == 206 else 0
        with path.open("r+b" if begin else "wb") as target:
            target.seek(begin)
            while target.tell() < blob.size:
                try:
                    block = response.read1(min(BLOCK_BYTES, blob.size - target.tell()))
                except (OSError, http.client.HTTPException) as error:
                    block, reason = b"", text_of(error)
                else:
                    reason = _("the connection ended")
                if not block:
                    detail = _(
                        "{reference}: interrupted after {count} bytes: {reason}",
                        reference=client.reference,
                        count=target.tell(),
                        reason=reason,
                    )
                    raise CodedInputError("REGISTRY_UNREACHABLE", detail)
                target.write(block)
                on_bytes(len(block))


def _write_archive(image: RegistryImage, folder: Path, part: Path, tag: str) -> None:
    """Write configuration, layers and docker's manifest.json as one tar archive."""
    config = f"{image.id.removeprefix('sha256:')}.json"
    layers = [f"{_hex(layer)}/layer.tar" for layer in image.layers]
    manifest = json.dumps([{"Config": config, "RepoTags": [tag], "Layers": layers}]).encode()
    with tarfile.open(part, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in ((config, image.config), ("manifest.json", manifest)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for layer in dict.fromkeys(image.layers):
            member = tarfile.TarInfo(f"{_hex(layer)}/layer.tar")
            member.size = layer.size
            with (folder / _hex(layer)).open("rb") as stream:
                tar.addfile(member, stream)

"""The image in an archive that `docker save` wrote.

The archive is read to its end: its name proves nothing, and neither does its beginning.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import re
import tarfile
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from fleet.language import _
from fleet.store import file_types
from fleet.store.image_files import MAX_FILES
from fleet.store.image_layers import (
    ARCHIVE_ERRORS,
    BLOCK_BYTES,
    ZSTD_MAGIC,
    ImageContents,
    LayerScanner,
    Stream,
    find_decompressor,
)
from fleet.store.layer_index import (
    MAX_DOCUMENT_BYTES,
    MAX_DOCUMENTS_BYTES,
    IndexBuilder,
    LayerIndex,
    find_link_target,
)
from fleet.text import word_lists
from fleet.text.word_lists import join_words

#: members that an archive may have
MAX_MEMBERS = 1_000_000
#: how much an archive may grow when it is unpacked; small ones may grow to the second value
MAX_COMPRESSION_RATIO, MIN_UNPACKED_LIMIT_BYTES = 100, 1 << 30
#: top folders of a container's own files
ROOT_FOLDERS = {"bin", "etc", "usr", "var", "lib", "opt"}


class ImageArchiveError(Exception):
    """The archive does not contain exactly one complete image; the message says what to do."""


@dataclass(kw_only=True)
class Image(ImageContents):
    """An image, as far as its archive shows it.

    Attributes:
        id: sha256 of its configuration, with the prefix ``sha256:``.
        tags: references that it is loaded under.
        labels: the vendor's labels, such as the driver that the image requires.
        architecture: docker's name of the processor architecture.
        layer_index: where its layers lie in the archive; None if that is not known.
    """

    id: str = ""
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    architecture: str = ""
    layer_index: LayerIndex | None = field(default=None, repr=False, compare=False)


class _LimitedStream:
    """An unpacked stream that must not exceed a number of bytes."""

    def __init__(self, stream: Stream, limit: int) -> None:
        self._stream, self._remaining = stream, limit

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self._remaining -= len(block)
        if self._remaining < 0:
            raise ImageArchiveError(
                _(
                    "it grows to more than {count} times its size when it "
                    "is unpacked, as no image does",
                    count=MAX_COMPRESSION_RATIO,
                )
            )
        return block


def read_image(stream: Stream, size: int, begin: bytes, python: str) -> Image:
    """Read an archive to its end and describe its image.

    Args:
        stream: the archive, from its beginning.
        size: bytes of the archive.
        begin: its first bytes.
        python: path of the Python program in the image.

    Returns:
        The image.

    Raises:
        ImageArchiveError: the archive does not contain exactly one complete image.
    """
    opened = _decompress(stream, begin)
    unpacked = _LimitedStream(opened, max(MIN_UNPACKED_LIMIT_BYTES, MAX_COMPRESSION_RATIO * size))
    source: Any = unpacked
    scanner, index = LayerScanner(), IndexBuilder()
    documents: dict[str, bytes] = {}
    names: list[str] = []
    try:
        with tarfile.open(fileobj=source, mode="r|", bufsize=BLOCK_BYTES) as tar:
            for member in tar:
                names.append(name := posixpath.normpath(member.name))
                _check_number(len(names), MAX_MEMBERS)
                index.add(member, name)
                _read_member(tar, member, name, documents, scanner)
                _check_number(scanner.file_count, MAX_FILES)
        while unpacked.read(BLOCK_BYTES):
            pass  # only at its end does a compressed stream show whether it is complete
    except ARCHIVE_ERRORS as error:
        raise ImageArchiveError(
            _("it is incomplete or damaged: {error}; fetch it again", error=error)
        ) from error
    image = _assemble_image(documents, set(names), scanner, python)
    return replace(image, layer_index=index.build(documents, is_compressed=opened is not stream))


def _check_number(count: int, limit: int) -> None:
    if count > limit:
        raise ImageArchiveError(_("it has more than {count} files, as no image has", count=limit))


def _decompress(stream: Stream, begin: bytes) -> Any:
    if decompress := find_decompressor(begin):
        return decompress(stream)
    if begin[257:262] != b"ustar" or file_types.is_lfs_pointer(begin):
        hint = _(", which old docker cannot load") if begin.startswith(ZSTD_MAGIC[:2]) else ""
        raise ImageArchiveError(
            _(
                "{content}{hint}; the output of `docker save` is expected",
                content=file_types.describe_content(begin),
                hint=hint,
            )
        )
    return stream


def _read_member(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    name: str,
    documents: dict[str, bytes],
    scanner: LayerScanner,
) -> None:
    """Scan a member that is a layer, and keep it if it is small enough for a document."""
    if target := find_link_target(member, name):  # a layer that images share
        scanner.add_link(name, target)
    content = tar.extractfile(member) if member.isfile() else None
    if content is None:
        return
    is_layer = name.endswith(".tar") or name.startswith("blobs/")
    if member.size >= MAX_DOCUMENT_BYTES:
        if is_layer:
            scanner.scan_layer(name, content)
        return
    text = content.read()
    if is_layer:
        scanner.scan_layer(name, io.BytesIO(text))
    if sum(map(len, documents.values())) + len(text) <= MAX_DOCUMENTS_BYTES:
        documents[name] = text


def _assemble_image(
    documents: dict[str, bytes], names: set[str], scanner: LayerScanner, python: str
) -> Image:
    image = Image()
    if "manifest.json" not in names:
        raise ImageArchiveError(_explain_other_archive(names))
    try:
        entry = _load_manifest_entry(documents.get("manifest.json", b""))
        config = posixpath.normpath(entry["Config"])
        layers = [posixpath.normpath(layer) for layer in entry["Layers"]]
        image.tags = tuple(map(str, entry.get("RepoTags") or ()))
        missing = [layer for layer in layers if layer not in names]
        image.id = PurePosixPath(config).name.removesuffix(".json")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ImageArchiveError(_("its manifest.json is not one of docker")) from error
    if missing:
        raise ImageArchiveError(
            _("{count} of its {total} layers are missing", count=len(missing), total=len(layers))
        )
    if config not in names:
        raise ImageArchiveError(_("its configuration {config!r:.100} is missing", config=config))
    for layer in layers:
        if layer not in scanner.valid_layers:
            raise ImageArchiveError(
                _(
                    "its layer {layer!r:.100} is not an archive, so it is incomplete or "
                    "damaged; fetch it again",
                    layer=layer,
                )
            )
    _add_configuration(image, documents.get(config, b""))
    return replace(image, **vars(scanner.describe_layers(layers, python)))


def _load_manifest_entry(manifest: bytes) -> Any:
    """Return docker's description of the only image in an archive."""
    entries = json.loads(manifest)
    if isinstance(entries, list) and len(entries) > 1:
        tags = join_words(str(tag) for entry in entries for tag in entry.get("RepoTags") or ["?"])
        raise ImageArchiveError(
            _("it has several images ({tags:.200}): `docker save` only one", tags=tags)
        )
    return entries[0]


def _add_configuration(image: Image, document: bytes) -> None:
    """Add the image's configuration, whose checksum is the image's id."""
    if hashlib.sha256(document).hexdigest() != image.id:
        raise ImageArchiveError(
            _(
                "its configuration does not match its id ({id:.80}), so it was damaged "
                "or changed: save it again",
                id=image.id,
            )
        )
    image.id = f"sha256:{image.id}"
    try:
        config = json.loads(document)
        image.architecture = str(config.get("architecture") or "")
        system = str(config.get("os") or "")
        labels = (config.get("config") or {}).get("Labels") or {}
        image.labels = {
            str(key): str(value)
            for key, value in labels.items()
            if str(key).startswith("com.cambricon.")
        }
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ImageArchiveError(_("its configuration is not one of docker")) from error
    if system not in ("", "linux"):
        raise ImageArchiveError(_("it is an image for {system}, not for linux", system=system))


def _explain_other_archive(names: set[str]) -> str:
    """Explain what an archive without manifest.json is, and what to do."""
    if {"oci-layout", "index.json"} & names:
        return _(
            "an OCI archive without docker's manifest.json, which old docker "
            "cannot load: convert it with `skopeo copy oci-archive:FILE "
            "docker-archive:NEW:REFERENCE`"
        )
    if len({name.partition("/")[0] for name in names} & ROOT_FOLDERS) > 2:
        return _(
            "the files of a container, as `docker export` writes them, not an "
            "image: use `docker save REFERENCE`"
        )
    if "repositories" in names:
        return _(
            "saved by docker before 1.10: load it into a newer docker and `docker save` it there"
        )
    inside = [name for name in names if re.search(r"\.(tar|tgz|tar\.\w+)$", name)]
    if len(names) < 5 and inside and not any(name.endswith("/layer.tar") for name in names):
        return _("an archive inside of an archive ({name!r:.100}): unpack it once", name=inside[0])
    deeper = next((name for name in names if name.endswith("/manifest.json")), "")
    if deeper:
        return _(
            "its manifest.json is in a folder ({name!r:.100}): pack what is in it", name=deeper
        )
    some = word_lists.join_words(sorted(names)[:4])
    return _(
        "a tar archive without manifest.json (it has {names!r:.120}): use `docker save`", names=some
    )


def check_tag(image: Image, reference: str) -> None:
    """Check that an image has the tag of its release.

    Args:
        image: the image.
        reference: tag in the release, such as ``cambricon/pytorch:v1.10.0``.

    Raises:
        ImageArchiveError: the image has another tag or none.
    """
    if reference in image.tags:
        return
    if not image.tags:
        raise ImageArchiveError(
            _(
                "it has no tag, because it was saved by its id: use `docker save {reference}`",
                reference=reference,
            )
        )
    raise ImageArchiveError(
        _(
            "it contains {tags:.200}, but the release has {reference}",
            tags=join_words(image.tags),
            reference=reference,
        )
    )

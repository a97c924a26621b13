"""Standard streams that survive a closed terminal or pipe.

Hosts must not be left in the middle of their work because nobody reads the output any more.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys

from typing_extensions import Buffer, override

#: What writing to a closed terminal, or to a pipe without reader, fails with.
CLOSED_STREAM_ERRNOS = {errno.EPIPE, errno.EIO, errno.EBADF, errno.ESHUTDOWN}
#: ASCII by another name: click writes UTF-8 to streams of the one that it knows, whoever reads it
ESCAPED_ASCII = "escaped_ascii"


class _DurableStream(io.FileIO):
    """A standard stream that discards its output once its reader is gone."""

    @override
    def write(self, data: Buffer) -> int:
        try:
            return super().write(data)
        except OSError as error:
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, self.fileno())
            os.close(devnull)
            if error.errno not in CLOSED_STREAM_ERRNOS and self.fileno() != 2:
                raise  # once only: flushing at the process's end now succeeds
            return memoryview(data).nbytes


def protect_standard_streams() -> None:
    """Make the standard streams of this process survive whoever reads them.

    A stream that was closed when the process began is opened on /dev/null: otherwise the journal
    would get its number, and warnings would be written into the journal.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays open
    for name, number in (("stdout", 1), ("stderr", 2)):
        _protect_stream(name, number)


def _protect_stream(name: str, number: int) -> None:
    stream = getattr(sys, name)
    if stream is not getattr(sys, f"__{name}__"):
        return  # replaced by somebody, for example a test
    if stream is not None:
        if isinstance(getattr(stream.buffer, "raw", None), _DurableStream):
            return
        stream.flush()
    durable = io.TextIOWrapper(
        io.BufferedWriter(_DurableStream(number, "w", closefd=False)),
        encoding=_find_encoding(stream.encoding) if stream else "utf-8",
        errors="backslashreplace",
        line_buffering=number == 2 or os.isatty(number),
    )
    setattr(sys, name, durable)
    setattr(sys, f"__{name}__", durable)


def _find_encoding(name: str) -> str:
    """Return the encoding of a stream; for ASCII one that all of its writers escape text for."""
    if codecs.lookup(name).name != "ascii":
        return name
    codecs.register(_look_up_escaped_ascii)
    return ESCAPED_ASCII


def _look_up_escaped_ascii(name: str) -> codecs.CodecInfo | None:
    if name != ESCAPED_ASCII:
        return None
    ascii_codec = codecs.lookup("ascii")
    return codecs.CodecInfo(
        ascii_codec.encode,
        ascii_codec.decode,
        incrementalencoder=ascii_codec.incrementalencoder,
        incrementaldecoder=ascii_codec.incrementaldecoder,
        name=ESCAPED_ASCII,
    )

"""What a file is by its first bytes, where it is not what it should be."""

from __future__ import annotations

import re

#: bytes that are enough to know
HEAD_BYTES = 1024

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"
TYPE_BY_MAGIC = {
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a rar archive",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ\x00": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"# v2 git bundle\n": "a git bundle",
    b"# v3 git bundle\n": "a git bundle",
    b"!<arch>\n": "a deb package",
    b"\xed\xab\xee\xdb": "an rpm package",
    b"\x7fELF": "a program",
    b"MZ": "a program for Windows",
    b"%PDF-": "a PDF",
    b"\x89PNG": "a picture",
    b"-----BEGIN PGP": "a signature",
}
WEB_PAGE = re.compile(
    rb"\s*(<!doctype html|<html|<head|<\?xml[^>]*>\s*<(error|html|!doctype html))", re.IGNORECASE
)
#: the same in one line: a hub's or a proxy's
WEB_ERROR = re.compile(
    rb"\s*(error\b|(4|5)\d\d[ :]|(entry|file|page|repository|model|revision) not found|"
    rb"invalid (user|credential|token|request)|access (denied|to (this )?(model|resource))|"
    rb"unauthorized|forbidden|too many requests|not found\b|bad gateway|service unavailable)"
    rb"[\x20-\x7e\s]*",
    re.IGNORECASE,
)


def is_lfs_pointer(head: bytes) -> bool:
    """Whether it is what Git LFS leaves where it was not asked for the file."""
    return head.startswith(LFS_POINTER)


def is_web_page(head: bytes) -> bool:
    """Whether it is what a site shows instead of a file: an error, or a login."""
    begin = head.removeprefix(b"\xef\xbb\xbf")
    return WEB_PAGE.match(begin) is not None or (
        len(begin) < HEAD_BYTES and WEB_ERROR.fullmatch(begin) is not None
    )


def describe_content(head: bytes) -> str:
    """What a file is, for people, by its beginning."""
    if not head:
        return "it is empty"
    if is_lfs_pointer(head):
        return "it is a pointer of Git LFS, not the file: `git lfs pull` where it was cloned"
    if is_web_page(head):
        return "it is a page of a web site, which came instead of the file: fetch it again"
    if head.startswith(b"{") and b"error" in head[:80].lower():
        return "it is the error message of a web site: fetch it again"
    known = next((name for magic, name in TYPE_BY_MAGIC.items() if head.startswith(magic)), "")
    if not known and head[257:262] == b"ustar":
        known = "a tar archive"
    if not known and not any(head):
        return "its first bytes are all zero, as a download that was cut leaves them"
    return f"it is {known}" if known else f"it begins with {head[:12]!r}"

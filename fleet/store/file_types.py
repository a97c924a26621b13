"""The type of a file by its first bytes, for messages about a file that is another one."""

from __future__ import annotations

import re

from fleet.language import N_, _

#: bytes that suffice to recognize a type
HEAD_BYTES = 1024

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"
TYPE_BY_MAGIC = {
    b"PK\x03\x04": N_("a zip archive"),
    b"7z\xbc\xaf\x27\x1c": N_("a 7z archive"),
    b"Rar!\x1a\x07": N_("a rar archive"),
    b"\x1f\x8b": N_("a gzip file"),
    b"BZh": N_("a bzip2 file"),
    b"\xfd7zXZ\x00": N_("an xz file"),
    b"\x28\xb5\x2f\xfd": N_("a zstd file"),
    b"# v2 git bundle\n": N_("a git bundle"),
    b"# v3 git bundle\n": N_("a git bundle"),
    b"!<arch>\n": N_("a deb package"),
    b"\xed\xab\xee\xdb": N_("an rpm package"),
    b"\x7fELF": N_("a program"),
    b"MZ": N_("a program for Windows"),
    b"%PDF-": N_("a PDF"),
    b"\x89PNG": N_("a picture"),
    b"-----BEGIN PGP": N_("a signature"),
}
WEB_PAGE = re.compile(
    rb"\s*(<!doctype html|<html|<head|<\?xml[^>]*>\s*<(error|html|!doctype html))", re.IGNORECASE
)
#: an error on one line, as a model hub or a proxy sends it
WEB_ERROR = re.compile(
    rb"\s*(error\b|(4|5)\d\d[ :]|(entry|file|page|repository|model|revision) not found|"
    rb"invalid (user|credential|token|request)|access (denied|to (this )?(model|resource))|"
    rb"unauthorized|forbidden|too many requests|not found\b|bad gateway|service unavailable)"
    rb"[\x20-\x7e\s]*",
    re.IGNORECASE,
)


def is_lfs_pointer(head: bytes) -> bool:
    """Tell whether a file is a Git LFS pointer instead of the file itself.

    Args:
        head: first bytes of the file.

    Returns:
        True for a pointer.
    """
    return head.startswith(LFS_POINTER)


def is_web_page(head: bytes) -> bool:
    """Tell whether a file is a web page or an error message that a server sent instead.

    Args:
        head: first bytes of the file.

    Returns:
        True for a page or a message.
    """
    text = head.removeprefix(b"\xef\xbb\xbf")
    return WEB_PAGE.match(text) is not None or (
        len(text) < HEAD_BYTES and WEB_ERROR.fullmatch(text) is not None
    )


def describe_content(head: bytes) -> str:
    """Describe what a file is, and what to do if it is the remains of a download.

    Args:
        head: first bytes of the file.

    Returns:
        A clause such as "it is a zip archive".
    """
    if not head:
        return _("it is empty")
    if is_lfs_pointer(head):
        return _("it is a Git LFS pointer, not the file: run `git lfs pull` in the clone")
    if is_web_page(head):
        return _("it is a web page that was downloaded instead of the file: fetch it again")
    if head.startswith(b"{") and b"error" in head[:80].lower():
        return _("it is an error message of a web site: fetch it again")
    type_name = next((name for magic, name in TYPE_BY_MAGIC.items() if head.startswith(magic)), "")
    if not type_name and head[257:262] == b"ustar":
        type_name = N_("a tar archive")
    if not type_name and not any(head):
        return _("it begins with zeros, like an interrupted download: fetch it again")
    if type_name:
        return _("it is {type}", type=_(type_name))
    return _("it begins with {bytes!r}", bytes=head[:12])

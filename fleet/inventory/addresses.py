"""Host addresses and names: one spelling for each, and none that programs interpret differently."""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from typing import NoReturn

from fleet.language import N_, _

IPV4_ADDRESS = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}")
DNS_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
#: some programs also read 0x7f and 017 as numbers
NUMERIC_LABEL = re.compile(r"[0-9]*|0[xX][0-9A-Fa-f]*")
ZONE_ID = re.compile(r"[A-Za-z0-9_.-]{1,15}")
#: name of a host in an inventory. pyinfra prints it in brackets and --limit separates names by
#: commas; anything that begins with another character was a comment, an option or a quote
HOST_NAME = re.compile(r"[^\W_](?:[\w.:%-]*[\w])?")
LOCALHOST_NAMES = {
    "localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost6",
    "ip6-localhost",
    "ip6-loopback",
    "::1",
}
OCTAL_HINT = N_("octets must not have leading zeros (use {1:d} to drop those of a range)")
MAX_NAME_CHARACTERS = 253


def normalize_address(text: str) -> str:
    """Check an address and write it in one spelling.

    Args:
        text: an IPv4 address, an IPv6 address without brackets, or a DNS name.

    Returns:
        The address; IPv6 in its shortest form, a name without a dot at its end.

    Raises:
        ValueError: it is not an address, or programs would interpret it differently.
    """
    if IPV4_ADDRESS.fullmatch(text):
        return _format_assignable(ipaddress.IPv4Address(text))
    check_legible(text)
    for mark, remedy in (
        ("://", _("write only the host name of this URL")),
        ("/", _("write the address of one host, without a network or a path")),
    ):
        if mark in text:
            raise ValueError(f"{text[:80]!r}: {remedy}")
    if "@" in text:
        _reject_at_sign(text)
    if text[:1] == "[":
        _reject_brackets(text)
    if ":" in text:
        return _normalize_ipv6(text)
    labels = text.split(".")
    if all(map(NUMERIC_LABEL.fullmatch, labels[:3])) and (
        len(labels) == 4 or all(map(NUMERIC_LABEL.fullmatch, labels))
    ):
        _reject_numeric(text, labels)
    return _normalize_name(text)


def comparison_key(address: str) -> str:
    """Reduce an address to a form that is equal for equal addresses.

    Args:
        address: a normalized address.

    Returns:
        The address in lower case; 127.0.0.1 for all names of the local machine.
    """
    folded = address.casefold()
    return "127.0.0.1" if folded in LOCALHOST_NAMES or folded.endswith(".localhost") else folded


def check_name(name: str) -> None:
    """Check the name of a host in an inventory.

    Args:
        name: the expanded name.

    Raises:
        ValueError: pyinfra, --limit or a shell would misread it.
    """
    if HOST_NAME.fullmatch(name) and name.isascii():
        return
    check_legible(name, ascii_only=False)
    if "@" in name:
        _reject_at_sign(name)
    if not HOST_NAME.fullmatch(name):
        raise ValueError(
            _(
                "{name!r} is not a host name: use letters, digits, '.', '_', '-' and "
                "':', starting and ending with a letter or digit",
                name=name[:80],
            )
        )


def check_login(user: str) -> str:
    """Check a login name.

    Args:
        user: the login name.

    Returns:
        The same name.

    Raises:
        ValueError: it cannot be a login name.
    """
    check_legible(user, ascii_only=False)
    if user[:1] == "-" or set(user) & set(":/,;\"'"):
        raise ValueError(
            _(
                "{user!r} is not a login name: it begins with -, or has one of : / , ; and quotes",
                user=user[:80],
            )
        )
    return user


def check_legible(text: str, *, ascii_only: bool = True) -> None:
    """Check that a text is what it looks like.

    Args:
        text: an address or a name.
        ascii_only: refuse all other letters (default: True).

    Raises:
        ValueError: it has blanks, invisible, look-alike or forbidden characters.
    """
    for character in text:
        if character == " " or unicodedata.category(character)[0] in "CZ":
            raise ValueError(
                _(
                    "{text!r} has a blank or an invisible character (U+{code:04X}): type it again",
                    text=text[:80],
                    code=ord(character),
                )
            )
    normal = unicodedata.normalize("NFKC", text)
    if normal != text and (normal.isascii() or not ascii_only):
        raise ValueError(
            _(
                "{text!r} has full-width or other look-alike characters: write {normal!r}",
                text=text[:80],
                normal=normal[:80],
            )
        )
    if ascii_only and not text.isascii():
        try:
            remedy = _("write {name}, or the IP address", name=text.encode("idna").decode())
        except UnicodeError:
            remedy = _("write the IP address")
        raise ValueError(
            _(
                "{text!r} has letters that addresses cannot have: {remedy}",
                text=text[:80],
                remedy=remedy,
            )
        )


def _reject_at_sign(text: str) -> None:
    if text[0] == "@":
        raise ValueError(
            _("{text!r} is a pyinfra connector, but a fleet is reached by SSH", text=text[:80])
        )
    user, _sign, host = text.rpartition("@")
    raise ValueError(
        _(
            "{text!r}: write {host}, and `ssh_user: {user}`",
            text=text[:80],
            host=host[:80],
            user=user[:80],
        )
    )


def _reject_brackets(text: str) -> NoReturn:
    inner, _bracket, rest = text[1:].partition("]")
    if rest:
        raise ValueError(
            _(
                "{text!r}: write {inner} without brackets, and `ssh_port: {port}`",
                text=text[:80],
                inner=inner,
                port=rest[1:],
            )
        )
    raise ValueError(_("{text!r}: write {inner} without brackets", text=text[:80], inner=inner))


def _normalize_ipv6(text: str) -> str:
    address, percent, zone = text.partition("%")
    try:
        ipv6 = ipaddress.IPv6Address(address)
    except ValueError:
        if match := re.fullmatch(r"([^:]+):([0-9]+)", text):
            raise ValueError(
                _(
                    "{text!r}: write {host}, and `ssh_port: {port}`",
                    text=text[:80],
                    host=match[1],
                    port=match[2],
                )
            ) from None
        raise ValueError(_("{text!r} is not an IPv6 address", text=text[:80])) from None
    if ipv6.ipv4_mapped:
        return _format_assignable(ipv6.ipv4_mapped)
    if ipv6.is_link_local != bool(ZONE_ID.fullmatch(zone)) or (percent and not zone):
        raise ValueError(
            _(
                "{text!r}: only link-local addresses (fe80::/10) have a zone, and they "
                "need it: fe80::1%eth0",
                text=text[:80],
            )
        )
    return _format_assignable(ipv6) + percent + zone


def _format_assignable(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if ip.is_unspecified or ip.is_multicast or (ip.version == 4 and ip.is_reserved):
        raise ValueError(_("{ip!r} is an address that no host can have", ip=str(ip)))
    return str(ip)


def _reject_numeric(text: str, labels: list[str]) -> None:
    """Explain why a text of numbers is not an IPv4 address."""
    if IPV4_ADDRESS.fullmatch(text.removesuffix(".")):
        raise ValueError(_("{text!r}: remove the dot at the end", text=text))
    octal = any(re.fullmatch("0[0-9]+", label) for label in labels)
    try:
        meaning = socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        meaning = ""
    if octal and len(labels) == 4:
        raise ValueError(f"{text[:80]}: {_(OCTAL_HINT)}")
    if meaning:
        raise ValueError(
            _(
                "{text!r} means {meaning} to most programs: write four decimal numbers",
                text=text,
                meaning=meaning,
            )
        )
    raise ValueError(
        _("{text!r} is not an address: write four numbers from 0 to 255", text=text[:80])
    )


def _normalize_name(text: str) -> str:
    bare = text.removesuffix(".")
    if len(bare) > MAX_NAME_CHARACTERS:
        raise ValueError(
            _(
                "{text!r}… is longer than {limit} characters, the limit of DNS",
                text=text[:80],
                limit=MAX_NAME_CHARACTERS,
            )
        )
    for label in bare.split("."):
        if not DNS_LABEL.fullmatch(label):
            raise ValueError(
                _(
                    "{text!r} is not an address: {label!r} must have 1 to 63 letters, "
                    "digits, '-' and '_', and no '-' at its beginning or end",
                    text=text[:80],
                    label=label[:80],
                )
            )
    return bare

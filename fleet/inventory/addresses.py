"""Host addresses and names: one spelling for each, and none that programs interpret differently."""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata

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
OCTAL_HINT = "octets must not have leading zeros (use {1:d} to drop those of a range)"
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
        ("://", "write only the host name of this URL"),
        ("/", "write the address of one host, without a network or a path"),
    ):
        if mark in text:
            raise ValueError(f"{text[:80]!r}: {remedy}")
    if "@" in text:
        _reject_at_sign(text)
    if text[:1] == "[":
        inner, _, rest = text[1:].partition("]")
        port = f", and `ssh_port: {rest[1:]}`" if rest else ""
        raise ValueError(f"{text[:80]!r}: write {inner} without brackets{port}")
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
            f"{name[:80]!r} is not a host name: use letters, digits, '.', '_', '-' and ':', "
            "starting and ending with a letter or digit"
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
            f"{user[:80]!r} is not a login name: it begins with -, or has one of : / , ; and quotes"
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
                f"{text[:80]!r} has a blank or an invisible character (U+{ord(character):04X}): "
                "type it again"
            )
    normal = unicodedata.normalize("NFKC", text)
    if normal != text and (normal.isascii() or not ascii_only):
        raise ValueError(
            f"{text[:80]!r} has full-width or other look-alike characters: write {normal[:80]!r}"
        )
    if ascii_only and not text.isascii():
        try:
            remedy = f"write {text.encode('idna').decode()}, or the IP address"
        except UnicodeError:
            remedy = "write the IP address"
        raise ValueError(f"{text[:80]!r} has letters that addresses cannot have: {remedy}")


def _reject_at_sign(text: str) -> None:
    if text[0] == "@":
        raise ValueError(f"{text[:80]!r} is a pyinfra connector, but a fleet is reached by SSH")
    user, _, host = text.rpartition("@")
    raise ValueError(f"{text[:80]!r}: write {host[:80]}, and `ssh_user: {user[:80]}`")


def _normalize_ipv6(text: str) -> str:
    address, percent, zone = text.partition("%")
    try:
        ipv6 = ipaddress.IPv6Address(address)
    except ValueError:
        if match := re.fullmatch(r"([^:]+):([0-9]+)", text):
            raise ValueError(
                f"{text[:80]!r}: write {match[1]}, and `ssh_port: {match[2]}`"
            ) from None
        raise ValueError(f"{text[:80]!r} is not an IPv6 address") from None
    if ipv6.ipv4_mapped:
        return _format_assignable(ipv6.ipv4_mapped)
    if ipv6.is_link_local != bool(ZONE_ID.fullmatch(zone)) or (percent and not zone):
        raise ValueError(
            f"{text[:80]!r}: only link-local addresses (fe80::/10) have a zone, and they need it: "
            "fe80::1%eth0"
        )
    return _format_assignable(ipv6) + percent + zone


def _format_assignable(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if ip.is_unspecified or ip.is_multicast or (ip.version == 4 and ip.is_reserved):
        raise ValueError(f"{str(ip)!r} is an address that no host can have")
    return str(ip)


def _reject_numeric(text: str, labels: list[str]) -> None:
    """Explain why a text of numbers is not an IPv4 address."""
    if IPV4_ADDRESS.fullmatch(text.removesuffix(".")):
        raise ValueError(f"{text!r}: remove the dot at the end")
    octal = any(re.fullmatch("0[0-9]+", label) for label in labels)
    try:
        meaning = socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        meaning = ""
    if octal and len(labels) == 4:
        raise ValueError(f"{text[:80]}: {OCTAL_HINT}")
    if meaning:
        raise ValueError(f"{text!r} means {meaning} to most programs: write four decimal numbers")
    raise ValueError(f"{text[:80]!r} is not an address: write four numbers from 0 to 255")


def _normalize_name(text: str) -> str:
    bare = text.removesuffix(".")
    if len(bare) > MAX_NAME_CHARACTERS:
        raise ValueError(
            f"{text[:80]!r}… is longer than {MAX_NAME_CHARACTERS} characters, the limit of DNS"
        )
    for label in bare.split("."):
        if not DNS_LABEL.fullmatch(label):
            raise ValueError(
                f"{text[:80]!r} is not an address: {label[:80]!r} must have 1 to 63 letters, "
                "digits, '-' and '_', and no '-' at its beginning or end"
            )
    return bare

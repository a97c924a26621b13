"""Addresses as they are meant: in one spelling, and none that programs read differently."""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata

IPV4_ADDRESS = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}")
DNS_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
#: 0x7f and 017 are numbers to some programs
NUMERIC_LABEL = re.compile(r"[0-9]*|0[xX][0-9A-Fa-f]*")
ZONE_ID = re.compile(r"[A-Za-z0-9_.-]{1,15}")
#: a name by which the inventory calls a host: pyinfra prints it between brackets, --limit has
#: commas, and what begins otherwise was a comment, an option or a quote
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
OCTAL_HINT = (
    "a number of an address with a zero before it is octal; {1:d} is what a bracket stood "
    "for, without zeros"
)
MAX_NAME_CHARACTERS = 253


def normalize_address(text: str) -> str:
    """An address in the spelling that is kept: without a dot at its end, IPv6 as short as it goes.

    :raises ValueError: it is none, or not the same to all programs
    """
    if IPV4_ADDRESS.fullmatch(text):
        return _format_assignable(ipaddress.IPv4Address(text))
    check_legible(text)
    for mark, remedy in (
        ("://", "write the host of this URL alone"),
        ("/", "write one host's address, no network and no path"),
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
    """What two spellings of one address have in common."""
    plain = address.casefold()
    return "127.0.0.1" if plain in LOCALHOST_NAMES or plain.endswith(".localhost") else plain


def check_name(name: str) -> None:
    """:raises ValueError: the inventory cannot call a host so"""
    if HOST_NAME.fullmatch(name) and name.isascii():
        return
    check_legible(name, ascii_only=False)
    if "@" in name:
        _reject_at_sign(name)
    if not HOST_NAME.fullmatch(name):
        raise ValueError(
            f"{name[:80]!r} is not a host name: it begins with a letter or digit; "
            "then also . _ - and : and no blanks"
        )


def check_login(user: str) -> str:
    """:raises ValueError: nobody logs in under such a name"""
    check_legible(user, ascii_only=False)
    if user[:1] == "-" or set(user) & set(":/,;\"'"):
        raise ValueError(f"{user[:80]!r} is no name to log in with")
    return user


def check_legible(text: str, *, ascii_only: bool = True) -> None:
    """:raises ValueError: what is seen is not what stands there"""
    for character in text:
        if character == " " or unicodedata.category(character)[0] in "CZ":
            raise ValueError(
                f"{text[:80]!r} has a blank, or a character that cannot be seen "
                f"(U+{ord(character):04X}): write it anew"
            )
    plain = unicodedata.normalize("NFKC", text)
    if plain != text and (plain.isascii() or not ascii_only):
        raise ValueError(
            f"{text[:80]!r} has full-width or other look-alike characters: write {plain[:80]!r}"
        )
    if ascii_only and not text.isascii():
        try:
            meant = f"write {text.encode('idna').decode()}, or its number"
        except UnicodeError:
            meant = "write its number"
        raise ValueError(f"{text[:80]!r} has letters that addresses do not have: {meant}")


def _reject_at_sign(text: str) -> None:
    if text[0] == "@":
        raise ValueError(f"{text[:80]!r} is a connector of pyinfra: hosts here are reached by ssh")
    user, _, host = text.rpartition("@")
    raise ValueError(f"{text[:80]!r}: write {host[:80]}, and `ssh_user: {user[:80]}`")


def _normalize_ipv6(text: str) -> str:
    address, percent, zone = text.partition("%")
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        if match := re.fullmatch(r"([^:]+):([0-9]+)", text):
            raise ValueError(
                f"{text[:80]!r}: write {match[1]}, and `ssh_port: {match[2]}`"
            ) from None
        raise ValueError(f"{text[:80]!r} is no IPv6 address") from None
    if found.ipv4_mapped:
        return _format_assignable(found.ipv4_mapped)
    if found.is_link_local != bool(ZONE_ID.fullmatch(zone)) or (percent and not zone):
        raise ValueError(
            f"{text[:80]!r}: an address in fe80::/10, and none else, has a zone: fe80::1%eth0"
        )
    return _format_assignable(found) + percent + zone


def _format_assignable(found: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if found.is_unspecified or found.is_multicast or (found.version == 4 and found.is_reserved):
        raise ValueError(f"{str(found)!r} is an address that no host has")
    return str(found)


def _reject_numeric(text: str, labels: list[str]) -> None:
    """What looks like numbers and is no IPv4 address of four."""
    if IPV4_ADDRESS.fullmatch(text.removesuffix(".")):
        raise ValueError(f"{text!r}: an address has no dot at its end")
    octal = any(re.fullmatch("0[0-9]+", label) for label in labels)
    try:
        read = socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        read = ""
    if octal and len(labels) == 4:
        raise ValueError(f"{text[:80]}: {OCTAL_HINT}")
    if read:
        raise ValueError(f"{text!r} is {read} to most programs: write all four numbers, in decimal")
    raise ValueError(f"{text[:80]!r} is no address: four numbers from 0 to 255")


def _normalize_name(text: str) -> str:
    bare = text.removesuffix(".")
    if len(bare) > MAX_NAME_CHARACTERS:
        raise ValueError(
            f"{text[:80]!r}… is longer than the {MAX_NAME_CHARACTERS} characters of a name"
        )
    for label in bare.split("."):
        if not DNS_LABEL.fullmatch(label):
            raise ValueError(
                f"{text[:80]!r} is no address: {label[:80]!r} is not 1 to 63 letters, "
                "digits, - and _, of which - stands inside"
            )
    return bare

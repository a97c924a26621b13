"""Reads what the probe prints of servers and of the host's ports; none of it is trusted."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from fleet import error_codes
from operations.host.facts import EndpointFacts

#: characters of a supervisor's reason that are kept
MAX_REASON_LENGTH = 300
#: fields of the line that a supervisor writes
_STATE_FIELDS = 9
#: address of a published port for which none was given: docker binds all of them
_ANY_ADDRESSES = ("0.0.0.0", "::")
#: digits of a word of an address, which the kernel prints as a number of the processor
_WORD_DIGITS = 8


def _parse_number(text: str, maximum: int = 1 << 40) -> int:
    if not re.fullmatch(r"[0-9]{0,19}", text) or int(text or "0") > maximum:
        raise ValueError(f"{text[:40]!r} is not a number up to {maximum}")
    return int(text or "0")


def parse_endpoint(fields: Sequence[str], *, listens: bool) -> EndpointFacts:
    """Return what a supervisor in a container says of an instance.

    Args:
        fields: the instance's number, and the fields of the supervisor's line
        listens: whether something in the container listens on its port

    Raises:
        ValueError: a field that must be a number is none
    """
    name, *told = ["" if field == "-" else field for field in fields]
    told = [*told, *[""] * _STATE_FIELDS][:_STATE_FIELDS]
    definition, state, pid, started, ready_s, restarts, answered, code, reason = told
    return EndpointFacts(
        name=name,
        definition=definition,
        state=state,
        listens=listens,
        pid=_parse_number(pid),
        started=_parse_number(started),
        ready_s=float(ready_s) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", ready_s) else -1,
        restarts=_parse_number(restarts),
        answered=_parse_number(answered),
        code=code if code in error_codes.FAILURE_TABLE else "",
        reason=reason[:MAX_REASON_LENGTH],
    )


def parse_listener(address: str, port: str) -> tuple[str, int]:
    """Return address and port of a line of /proc/net/tcp or /proc/net/tcp6.

    Args:
        address: as the kernel prints it: 0100007F for 127.0.0.1
        port: in hexadecimal digits

    Raises:
        ValueError: it is something else
    """
    if not re.fullmatch(r"([0-9A-F]{8}|[0-9A-F]{32}) [0-9A-F]{4}", f"{address} {port}"):
        raise ValueError(f"{address[:40]}:{port[:40]} is not a place in /proc/net")
    words = [address[at : at + _WORD_DIGITS] for at in range(0, len(address), _WORD_DIGITS)]
    found = ipaddress.ip_address(b"".join(bytes.fromhex(word)[::-1] for word in words))
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found), int(port, 16)


def parse_published(text: str) -> frozenset[tuple[str, int]]:
    """Return the addresses and ports of the host that lead into a container.

    Args:
        text: "ADDRESS:PORT" words; without an address, all of the host's are meant

    Raises:
        ValueError: a port is none
    """
    places = [word.rpartition(":") for word in text.split()]
    return frozenset(
        (each, _parse_number(port, maximum=65535))
        for address, _, port in places
        if port  # none was chosen, so nobody else can want it
        # a proxy of an older docker for 0.0.0.0 listens on ::
        for each in (_ANY_ADDRESSES if address in ("", *_ANY_ADDRESSES) else (address,))
    )

"""Where a command answers over HTTP: the value of `--listen`."""

from __future__ import annotations

import ipaddress

from fleet.errors import InvalidInput
from fleet.language import _

#: value that switches the pages off
NO_PAGES = "off"


def parse_address(text: str) -> tuple[str, int]:
    """Return address and port of `--listen`.

    Args:
        text: "ADDRESS:PORT", or "off".

    Returns:
        Both; an empty address for none.

    Raises:
        InvalidInput: It is something else.
    """
    if text == NO_PAGES:
        return "", 0
    address, _colon, port = text.rpartition(":")
    address = address.removeprefix("[").removesuffix("]")
    try:
        if address != "localhost":
            ipaddress.ip_address(address)
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError(port)
    except ValueError:
        raise InvalidInput(
            _(
                "--listen {text!r}: not an IP address and a port; remedy: such as "
                "127.0.0.1:9840, [::1]:9840, or `off`",
                text=text,
            )
        ) from None
    return address, int(port)


def check_exposure(address: str, token: str) -> None:
    """Check that only this machine reaches the pages, or that they need a token.

    Args:
        address: What is listened on.
        token: What clients have to send.

    Raises:
        InvalidInput: Everybody could see the fleet.
    """
    from mlufleet.watch.http_server import is_loopback

    if address and not is_loopback(address) and not token:
        raise InvalidInput(
            _(
                "--listen {address}: other machines could see the fleet; remedy: give "
                "--token-file, or listen on 127.0.0.1",
                address=address,
            )
        )

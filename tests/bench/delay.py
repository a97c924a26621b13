"""A wire of a given length: a TCP proxy that passes each byte on half a round trip later, in order.

python -m tests.bench.delay SECONDS PORT:ADDRESS:PORT…
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import PIPE, Popen

READY = "ready"


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late: float) -> None:
    """Each block leaves ``late`` after it came; a later one does not wait for an earlier one."""
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while block := await reader.read(1 << 16):
            loop.call_later(late, writer.write, block)
    # after all that is under way: of equal times the earlier call comes first
    loop.call_later(late, writer.close)


async def serve(late: float, listen: int, where: str, target: int) -> asyncio.Server:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # the handshake of TCP itself is a round trip, too
        await asyncio.sleep(2 * late)
        there, to = await asyncio.open_connection(where, target)
        for one in (writer, to):
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(carry(reader, to, late), carry(there, writer, late))

    return await asyncio.start_server(accept, "127.0.0.1", listen, backlog=1024)


async def main(seconds: str, *wires: str) -> None:
    for wire in wires:
        listen, where, target = wire.split(":")
        await serve(float(seconds) / 2, int(listen), where, int(target))
    print(READY, flush=True)
    await asyncio.Event().wait()


@contextmanager
def wires(seconds: float, ports: dict[int, tuple[str, int]]) -> Iterator[None]:
    """Such proxies while the body runs.

    :param seconds: of a round trip
    :param ports: listening port of 127.0.0.1 -> where it leads to
    """
    words = [f"{listen}:{where}:{port}" for listen, (where, port) in ports.items()]
    command = [sys.executable, "-m", "tests.bench.delay", str(seconds), *words]
    process = Popen(command, stdout=PIPE, text=True)
    assert process.stdout
    try:
        assert process.stdout.readline().strip() == READY
        yield
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

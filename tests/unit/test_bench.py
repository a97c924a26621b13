"""What the benches stand on: a wire that is as long as it says, a chart that shows the figures."""

from __future__ import annotations

import socket
import threading
import time
import xml.etree.ElementTree as ET

from tests.bench import chart, delay


def test_a_wire_takes_a_round_trip_for_an_answer_and_keeps_the_order() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_server(("127.0.0.1", 0)) as free,
    ):
        listen = free.getsockname()[1]
        free.close()

        def echo() -> None:
            with server.accept()[0] as there:
                while said := there.recv(65536):
                    there.sendall(said)

        threading.Thread(target=echo, daemon=True).start()
        with (
            delay.wires(0.2, {listen: server.getsockname()[:2]}),
            socket.create_connection(("127.0.0.1", listen)) as sock,
        ):
            sock.sendall(b"hello")
            assert sock.recv(5) == b"hello"  # TCP's own handshake is paid for here
            began = time.monotonic()
            sock.sendall(b"again")
            assert sock.recv(5) == b"again"
            assert 0.2 <= time.monotonic() - began < 0.6
            many = b"".join(b"%06d" % n for n in range(50_000))
            threading.Thread(target=sock.sendall, args=(many,), daemon=True).start()
            got = b""
            while len(got) < len(many):
                got += sock.recv(65536)
            assert got == many


def test_a_chart_draws_each_way_through_all_counts_and_slower_is_higher() -> None:
    costs = {"wall": 1.0, "cpu": 0.5}
    slower = {"wall": 20.0, "cpu": 5.0}
    drawn = chart.draw({str(n): {"product": slower, "bare": costs} for n in (1, 20, 300)})
    lines = ET.fromstring(drawn).findall("{http://www.w3.org/2000/svg}polyline")
    heights = [[float(point.split(",")[1]) for point in line.attrib["points"].split()]
               for line in lines]  # fmt: skip
    assert [len(points) for points in heights] == [3] * 4
    assert heights[0][0] < heights[1][0] < heights[2][0] < heights[3][0]

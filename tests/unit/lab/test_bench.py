"""What the benches stand on: a wire that is as long as it says, a chart that shows the figures."""

from __future__ import annotations

import json
import socket
import threading
import time
import xml.etree.ElementTree as ET

from tests.bench import chart, delay, first, larger


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
            durations_s = []
            for _ in range(3):  # the quickest: a busy machine makes the others longer
                began = time.monotonic()
                sock.sendall(b"again")
                assert sock.recv(5) == b"again"
                durations_s.append(time.monotonic() - began)
            assert 0.2 <= min(durations_s) < 0.6
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
    heights = [
        [float(point.split(",")[1]) for point in line.attrib["points"].split()] for line in lines
    ]
    assert [len(points) for points in heights] == [3] * 4
    assert heights[0][0] < heights[1][0] < heights[2][0] < heights[3][0]


def test_the_page_of_distribution_says_what_its_figures_come_to() -> None:
    figures = json.loads((chart.DOCS / "distribution.json").read_text())
    page = (chart.DOCS / "distribution.md").read_text()
    assert larger.table(figures) in page, "python -m tests.bench.larger"
    for run in [*figures["runs"], *figures["slower links"]]:
        assert f"{run['seconds']:.1f} s, {run['sent']:.2f} S" in page
    assert (chart.DOCS / "distribution.svg").read_text() == chart.spread(figures)


def test_a_larger_fleet_costs_the_controller_its_last_pieces_a_host() -> None:
    runs = [
        {"way": "swarm", "hosts": n, "seconds": 60.0 + n, "sent": 1 + 0.01 * (n - 1)}
        for n in (1, 5, 9)
    ]
    figures = {"bytes": 100 * larger.PIECE, "MiB/s": 2, "runs": runs, "SSH MiB a CPU second": 900}
    assert round(larger.twice(figures), 6) == 1
    # 50 s of the file and half a second a piece
    assert round(larger.start(figures), 6) == 13
    alone, many = (larger.swarm(n, 117e6, figures) for n in (1, 1001))
    assert round(many - alone, 3) == round(1000 * larger.PIECE / 117e6, 3)
    assert larger.one_by_one(10, 117e6, 1e9) == 10 * larger.FILES / 117e6


def test_first_provisionings_are_counted_and_failures_explained() -> None:
    stages = [{"stage": "driver", "began": 10.0, "seconds": 2.0, "changes": []}]
    stages += [{"stage": "smoke", "began": 20.0, "seconds": 5.5, "changes": []}]
    failure = {"stage": "image", "code": "NO_SPACE", "sentence": "no room", "tail": []}
    good, bad = {"failure": None, "stages": stages}, {"failure": failure, "stages": []}
    ended = [first.describe("c7", 2, one, "no report") for one in (good, good, bad, None)]
    assert ended[0]["seconds"] == 15.5 and ended[0]["stages"] == {"driver": 2.0, "smoke": 5.5}
    told = first.summarize(ended)
    assert (told["hosts"], told["at the first attempt"]) == (4, 0.5)
    assert (told["p50 s"], told["p99 s"]) == (15.5, 15.5)
    assert told["failures"] == {"NO_SPACE": 1, "NO_REPORT": 1}
    assert told["explained"][1]["sentence"] == "no report"

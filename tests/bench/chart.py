"""Draws docs/performance.svg and docs/distribution.svg from the figures in the JSON beside them.

python -m tests.bench.chart
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jinja2

DOCS = Path(__file__).resolve().parents[2] / "docs"
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 360, 60, 320, 40
#: way -> what it is called, and its colour
NOOP = {"product": ("mlu-fleet", "#0b6e4f"), "bare": ("bare paramiko client", "#b4562c")}
COLOURS = ("#b4562c", "#7a7a7a", "#0b6e4f")
TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{ width }} {{ height }}" \
font-family="sans-serif" font-size="12" role="img" aria-label="{{ title }}">
<rect width="100%" height="100%" fill="#fff"/>
<text x="{{ left }}" y="20" font-size="14">{{ title }}</text>
{% for y, label in rows -%}
<path d="M{{ left }} {{ y }}H{{ width - 20 }}" stroke="#ddd"/>\
<text x="{{ left - 6 }}" y="{{ y + 4 }}" text-anchor="end">{{ label }}</text>
{% endfor -%}
{% for x, label in columns -%}
<text x="{{ x }}" y="{{ bottom + 18 }}" text-anchor="middle">{{ label }}</text>
{% endfor -%}
{% for name, colour, dashed, points in lines -%}
<polyline points="{{ points }}" fill="none" stroke="{{ colour }}" stroke-width="2"\
{% if dashed %} stroke-dasharray="5 4"{% endif %}/>
<text x="{{ left + 10 }}" y="{{ 44 + 16 * loop.index }}" fill="{{ colour }}">{{ name }}</text>
{% endfor -%}
</svg>
"""
#: name, colour, whether it is dashed, (hosts, seconds)
Line = tuple[str, str, bool, list[tuple[int, float]]]
Scale = Callable[[float], float]


def picture(title: str, lines: Iterable[Line], x: Scale, y: Scale, labels: Iterable[float]) -> str:
    """Seconds by hosts.

    :param x: hosts -> where from the left edge, 0 to 1
    :param y: seconds -> where from the ground, 0 to 1
    :param labels: seconds that have a line of their own
    """
    given = list(lines)

    def across(hosts: float) -> float:
        return round(LEFT + (WIDTH - LEFT - 40) * x(hosts), 1)

    def up(seconds: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * y(seconds), 1)

    counts = sorted({hosts for *_, points in given for hosts, _ in points})
    drawn = [
        (name, colour, dashed, " ".join(f"{across(n)},{up(s)}" for n, s in points))
        for name, colour, dashed, points in given
    ]
    return jinja2.Template(TEMPLATE).render(
        title=title,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        bottom=BOTTOM,
        lines=drawn,
        columns=[(across(n), n) for n in counts],
        rows=[(up(s), f"{s:g} s") for s in labels],
    )


def draw(runs: dict[str, dict[str, dict[str, float]]]) -> str:
    """Wall time and controller CPU of a run that changes nothing, both axes logarithmic."""
    counts = sorted(map(int, runs))
    lines: list[Line] = [
        (f"{name}, {what}", colour, kind == "cpu", [(n, runs[str(n)][way][kind]) for n in counts])
        for way, (name, colour) in NOOP.items()
        for kind, what in (("wall", "wall"), ("cpu", "controller CPU"))
    ]
    values = [seconds for *_, points in lines for _, seconds in points]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    last = math.log10(max(counts[-1], 2))
    return picture(
        "Seconds of a run that changes nothing, by hosts",
        lines,
        lambda n: math.log10(n) / last,
        lambda s: (math.log10(s) - low) / (high - low),
        [10**p for p in range(low, high + 1)],
    )


def spread(figures: dict[str, Any]) -> str:
    """Time until all hosts have a file, by each way."""
    runs = figures["runs"]
    lines: list[Line] = [
        (way, colour, False, [(r["hosts"], r["seconds"]) for r in runs if r["way"] == way])
        for way, colour in zip(dict.fromkeys(r["way"] for r in runs), COLOURS, strict=True)
    ]
    most, longest = max(r["hosts"] for r in runs), max(r["seconds"] for r in runs)
    return picture(
        f"Seconds until all hosts have {figures['bytes'] >> 20} MiB, links of "
        f"{figures['MiB/s']} MiB/s, by hosts",
        lines,
        lambda n: n / most,
        lambda s: s / longest,
        [round(longest * part / 4) for part in range(5)],
    )


if __name__ == "__main__":
    noop = json.loads((DOCS / "performance.json").read_text())["noop"]["runs"]
    (DOCS / "performance.svg").write_text(draw(noop))
    (DOCS / "distribution.svg").write_text(
        spread(json.loads((DOCS / "distribution.json").read_text()))
    )

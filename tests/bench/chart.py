"""Draws docs/performance.svg from the figures in docs/performance.json.

python -m tests.bench.chart
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import jinja2

DOCS = Path(__file__).resolve().parents[2] / "docs"
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 360, 60, 320, 40
WAYS = {"product": ("mlu-fleet", "#0b6e4f"), "bare": ("bare paramiko client", "#b4562c")}
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
{% for line in lines -%}
<polyline points="{{ line.points }}" fill="none" stroke="{{ line.colour }}" stroke-width="2"\
{% if line.dashed %} stroke-dasharray="5 4"{% endif %}/>
<text x="{{ left + 10 }}" y="{{ 44 + 16 * loop.index }}" fill="{{ line.colour }}">{{ line.name }}\
</text>
{% endfor -%}
</svg>
"""


def draw(runs: dict[str, dict[str, dict[str, float]]]) -> str:
    """Wall time and controller CPU by hosts, both axes logarithmic."""
    counts = sorted(map(int, runs))
    values = [runs[str(n)][way][kind] for n in counts for way in WAYS for kind in ("wall", "cpu")]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    last = math.log10(max(counts[-1], 2))

    def x(count: float) -> float:
        return round(LEFT + (WIDTH - LEFT - 40) * math.log10(count) / last, 1)

    def y(seconds: float) -> float:
        part = (math.log10(seconds) - low) / (high - low)
        return round(BOTTOM - (BOTTOM - TOP) * part, 1)

    lines = [
        {"name": f"{name}, {what}", "colour": colour, "dashed": kind == "cpu",
         "points": " ".join(f"{x(n)},{y(runs[str(n)][way][kind])}" for n in counts)}
        for way, (name, colour) in WAYS.items()
        for kind, what in (("wall", "wall"), ("cpu", "controller CPU"))
    ]  # fmt: skip
    return jinja2.Template(TEMPLATE).render(
        title="Seconds of a run that changes nothing, by hosts", width=WIDTH, height=HEIGHT,
        left=LEFT, bottom=BOTTOM, lines=lines, columns=[(x(n), n) for n in counts],
        rows=[(y(10**power), f"{10**power:g} s") for power in range(low, high + 1)],
    )  # fmt: skip


if __name__ == "__main__":
    figures = json.loads((DOCS / "performance.json").read_text())
    (DOCS / "performance.svg").write_text(draw(figures["noop"]["runs"]))

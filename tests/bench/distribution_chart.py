"""python -m tests.bench.distribution_chart < docs/distribution.json > docs/distribution.svg"""

import json
import sys

from jinja2 import Template

WIDTH, HEIGHT, EDGE = 640, 360, 50
COLOURS = ("#b3541e", "#7a7a7a", "#1f6f8b")
PICTURE = Template(
    """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{ w }} {{ h }}" font-family="sans-serif"
 font-size="13"><rect width="{{ w }}" height="{{ h }}" fill="#fff"/>
<text x="{{ edge }}" y="20">{{ title }}</text>
{% for y, text in ys %}<path d="M{{ edge }} {{ y }}H{{ w - edge }}" stroke="#ddd"/>
<text x="{{ edge - 6 }}" y="{{ y + 4 }}" text-anchor="end">{{ text }}</text>
{% endfor %}{% for x, text in xs %}
<text x="{{ x }}" y="{{ h - edge + 20 }}" text-anchor="middle">{{ text }}</text>
{% endfor %}{% for name, colour, points in lines %}
<polyline points="{{ points }}" fill="none" stroke="{{ colour }}" stroke-width="2.5"/>
<text x="{{ edge + 12 }}" y="{{ 44 + 18 * loop.index0 }}" fill="{{ colour }}">{{ name }}</text>
{% endfor %}<text x="{{ w / 2 }}" y="{{ h - 10 }}" text-anchor="middle">hosts</text></svg>
"""
)


def drawn(found: dict[str, object], size: int, rate: int) -> str:
    runs = found["runs"]
    assert isinstance(runs, list)
    most = max(run["hosts"] for run in runs)
    top = max(run["seconds"] for run in runs)

    def x(hosts: float) -> float:
        return round(EDGE + (WIDTH - 2 * EDGE) * hosts / most, 1)

    def y(seconds: float) -> float:
        return round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * seconds / top, 1)

    lines = []
    for way, colour in zip(dict.fromkeys(run["way"] for run in runs), COLOURS, strict=True):
        points = [f"{x(r['hosts'])},{y(r['seconds'])}" for r in runs if r["way"] == way]
        lines.append((way, colour, " ".join(points)))
    return PICTURE.render(
        w=WIDTH, h=HEIGHT, edge=EDGE, lines=lines,
        title=f"seconds until all hosts have {size >> 20} MiB, every link {rate} MiB/s",
        ys=[(y(top * part / 4), f"{top * part / 4:.0f}") for part in range(5)],
        xs=[(x(hosts), hosts) for hosts in sorted({run["hosts"] for run in runs})],
    )  # fmt: skip


if __name__ == "__main__":
    read = json.load(sys.stdin)
    print(drawn(read, read["bytes"], read["MiB/s"]), end="")

"""A histogram with its errors, and curves, as SVG files; columns and bars as SVG within a page: no library,
no script, nothing from elsewhere.

What stands within a page takes its colours from there: a part of class ``s-NAME`` for each series, and
``grid``, ``soft`` and text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from masquerade.compute.questions import Figure  # loads NumPy

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 16, 44, 52
_PANEL = 150
"""The height of one curve."""
_STYLE = (
    "svg{background:#fff}text{font:12px sans-serif;fill:#333}.title{font-size:15px}"
    ".bar{fill:#4878a8}.error{stroke:#222;stroke-width:1.5}.grid{stroke:#ddd}.axis{stroke:#333}"
    ".curve{fill:none;stroke:#4878a8;stroke-width:1.5}"
)


def histogram(edges: Sequence[float], figures: Sequence[Figure], column: str) -> str:
    """An SVG document: a bar for each of ``figures`` between two ``edges``, and a line over its error.

    The first and the last of ``figures`` count what lies outside the edges, and are written beneath. Heights
    are counts (by interval, not by length). A count below 0, which noise can make, has no bar.
    """
    below, *bins, above = figures
    column = "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in column
    )  # XML holds not all
    top = _nice(max([1.0, *(figure.high for figure in bins)]))
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(value: float) -> float:
        return _LEFT + width * (value - edges[0]) / (edges[-1] - edges[0])

    def y(count: float) -> float:
        return _TOP + height * (1 - min(max(count, 0.0), top) / top)

    def drawn() -> Iterator[str]:
        yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        yield f"<title>Histogram of {escape(column)}</title><style>{_STYLE}</style>"
        title = f"{escape(column)}: noisy counts; lines hold the true ones in 95 of 100 runs"
        yield f'<text class="title" x="{_LEFT}" y="24">{title}</text>'
        for i in range(6):
            at = y(top * i / 5)
            yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            yield f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{top * i / 5:,.10g}</text>'
        for (low, high), figure in zip(pairwise(edges), bins, strict=True):
            left, right, up = x(low), x(high), y(figure.value)
            box = f'x="{left + 0.5:.1f}" y="{up:.1f}" width="{max(right - left - 1, 0.5):.1f}"'
            name = f"<title>{escape(figure.name)}</title>"
            yield f'<rect class="bar" {box} height="{y(0) - up:.1f}">{name}</rect>'
            middle, cap = (left + right) / 2, min((right - left) / 4, 6)
            ends = f"M{middle:.1f} {y(figure.low):.1f}V{y(figure.high):.1f}"
            caps = "".join(f"M{middle - cap:.1f} {y(end):.1f}h{2 * cap:.1f}" for end in figure[2:])
            yield f'<path class="error" d="{ends}{caps}"/>'
        yield f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(0):.1f}" y2="{y(0):.1f}"/>'
        for edge in edges[:: max(1, math.ceil((len(edges) - 1) / 12))]:
            yield f'<text x="{x(edge):.1f}" y="{y(0) + 18:.1f}" text-anchor="middle">{edge:.10g}</text>'
        for at, anchor, figure in ((_LEFT, "start", below), (_WIDTH - _RIGHT, "end", above)):
            error = f"{round(figure.value):,} ± {(figure.high - figure.low) / 2:,.0f}"
            text = f"{escape(figure.name)}: {error}"
            yield f'<text x="{at}" y="{y(0) + 40:.1f}" text-anchor="{anchor}">{text}</text>'
        yield "</svg>"

    return "\n".join(drawn()) + "\n"


def curves(panels: Mapping[str, Sequence[tuple[float, float]]], title: str, across: str) -> str:
    """An SVG document: a panel for each named curve, one under the other, all over the same axis ``across``.

    Points that are no numbers interrupt a curve, and are not drawn. A panel without a point is left out.
    """
    drawn = {name: [p for p in points if all(map(math.isfinite, p))] for name, points in panels.items()}
    drawn = {name: points for name, points in drawn.items() if points}
    last = max((x for points in drawn.values() for x, _ in points), default=1.0) or 1.0
    height = _TOP + _PANEL * len(drawn) + _BOTTOM

    def lines() -> Iterator[str]:
        yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
        yield f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        yield f'<text class="title" x="{_LEFT}" y="24">{escape(title)}</text>'
        for i, (name, points) in enumerate(drawn.items()):
            yield from _panel(name, points, last, _TOP + _PANEL * i)
        for step in range(6):
            x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * step / 5
            label = f"{last * step / 5:.6g}"
            yield f'<text x="{x:.1f}" y="{height - _BOTTOM + 8}" text-anchor="middle">{label}</text>'
        middle = (_WIDTH + _LEFT - _RIGHT) / 2
        yield f'<text x="{middle}" y="{height - 16}" text-anchor="middle">{escape(across)}</text>'
        yield "</svg>"

    return "\n".join(lines()) + "\n"


def _panel(name: str, points: Sequence[tuple[float, float]], last: float, top: float) -> Iterator[str]:
    most = _nice(max([1e-12, *(y for _, y in points)]))
    width, height = _WIDTH - _LEFT - _RIGHT, _PANEL - 36
    for i in range(3):
        at = top + 12 + height * (1 - i / 2)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{most * i / 2:.6g}</text>'
    places = (
        f"{_LEFT + width * x / last:.1f},{top + 12 + height * (1 - max(y, 0) / most):.1f}" for x, y in points
    )
    yield f'<polyline class="curve" points="{" ".join(places)}"><title>{escape(name)}</title></polyline>'
    yield f'<text x="{_LEFT + 4}" y="{top + 4:.1f}">{escape(name)}: {points[-1][1]:.4g}</text>'


def columns(
    labels: Sequence[str],
    series: Mapping[str, Sequence[float]],
    title: str,
    words: Mapping[str, str] | None = None,
) -> str:
    """SVG for a page: a column for each label, made of one part for each named series, from below.

    ``words``: what the names of series are to readers.
    """
    words = words or {}
    totals = [sum(parts) for parts in zip(*series.values(), strict=True)]
    top = _nice(max([1.0, *totals]))
    left, right, height = 56, 8, 150
    width = _WIDTH - left - right
    step = width / max(len(labels), 1)
    every = max(1, math.ceil(len(labels) / 8))
    gap = min(step * 0.2, 4)

    def drawn() -> Iterator[str]:
        yield _opened(_WIDTH, height + 40, title)
        for i in range(3):
            at = 10 + height * (1 - i / 2)
            yield f'<line class="grid" x1="{left}" x2="{_WIDTH - right}" y1="{at:.1f}" y2="{at:.1f}"/>'
            yield f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{_short(top * i / 2)}</text>'
        for i, label in enumerate(labels):
            below = 0.0
            for name, values in series.items():
                if values[i]:
                    low, high = height * below / top, height * (below + values[i]) / top
                    place = f'x="{left + i * step + gap / 2:.1f}" y="{10 + height - high:.1f}"'
                    size = f'width="{max(min(step - gap, 40), 0.5):.1f}" height="{high - low:.1f}"'
                    said = f"<title>{escape(label)}: {values[i]:,} {escape(words.get(name, name))}</title>"
                    yield f'<rect class="s-{name}" {place} {size}>{said}</rect>'
                    below += values[i]
            if i % every == 0:
                anchor = "start" if step < 60 else "middle"
                at = left + i * step + (gap / 2 if anchor == "start" else min(step, 40 + gap) / 2)
                yield f'<text x="{at:.1f}" y="{height + 28}" text-anchor="{anchor}">{escape(label)}</text>'
        yield "</svg>"

    return "".join(drawn())


def bars(
    rows: Sequence[tuple[str, Mapping[str, float]]], title: str, words: Mapping[str, str] | None = None
) -> str:
    """SVG for a page: a bar for each row, made of one part for each named value, with their sum behind it.

    ``words`` as for :func:`columns`.
    """
    words, left = words or {}, 190
    top = max([1.0, *(sum(parts.values()) for _, parts in rows)])
    width, line = _WIDTH - left - 80, 24

    def drawn() -> Iterator[str]:
        yield _opened(_WIDTH, line * len(rows) + 8, title)
        for i, (label, parts) in enumerate(rows):
            at, x, total = 4 + line * i, float(left), sum(parts.values())
            yield f'<text x="{left - 10}" y="{at + 16}" text-anchor="end">{escape(label)}</text>'
            for name, value in parts.items():
                if value:
                    wide = max(width * value / top, 1.0)
                    said = f"<title>{escape(label)}: {value:,} {escape(words.get(name, name))}</title>"
                    place = f'x="{x:.1f}" y="{at + 3}" width="{wide:.1f}" height="{line - 6}"'
                    yield f'<rect class="s-{name}" {place}>{said}</rect>'
                    x += wide
            yield f'<text class="soft" x="{x + 8:.1f}" y="{at + 16}">{total:,}</text>'
        yield "</svg>"

    return "".join(drawn())


def _opened(width: float, height: float, title: str) -> str:
    box = f'viewBox="0 0 {width:g} {height:g}" role="img"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {box}><title>{escape(title)}</title>'


def _short(value: float) -> str:
    """A number of few signs for an axis: 1.5k, 20M."""
    for unit, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{sign}"
    return f"{value:g}"


def _nice(most: float) -> float:
    """The next of a few round numbers times a power of ten."""
    unit = 10.0 ** math.floor(math.log10(most))
    return next(unit * step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if unit * step >= most)

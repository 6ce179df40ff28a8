"""What a classifier tells right and wrong, as one page of HTML that needs nothing else.

    measured = Measured.of(scores, labels, classes)     # confusion matrix, recall, precision
    page(measured, images, scores, labels, facts)       # -> HTML

The page shows pictures and counts of them. Neither is private data any less for standing on it: for a page
that leaves its owner, measure on public pictures.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masquerade.errors import BadInput

Scores = NDArray[np.floating[Any]]
"""(n, k): the probability of each class, for each picture."""

_EXAMPLES = 5
_MISTAKES = 24


@dataclass(frozen=True)
class Measured:
    """How often each class was taken for each."""

    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    """(k, k): by true class, then by the class that was told."""

    @classmethod
    def of(cls, scores: Scores, labels: NDArray[np.integer[Any]], classes: Sequence[str]) -> Measured:
        """Count what ``scores`` tell of pictures with these ``labels``.

        Raises:
            BadInput: there are not as many of one as of the other, or a label is of no class.
        """
        k = len(classes)
        if scores.shape != (len(labels), k) or not len(labels):
            raise BadInput("a report needs a picture at least, one score a class, and one label a picture")
        if labels.min() < 0 or labels.max() >= k:
            raise BadInput("a label is of no class that has a name")
        told = scores.argmax(1)
        counts = np.bincount(labels.astype(np.int64) * k + told, minlength=k * k)
        return cls(tuple(classes), counts.reshape(k, k))

    @property
    def count(self) -> int:
        """How many pictures there were."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """The share of pictures whose class was told right."""
        return float(np.trace(self.confusion) / self.count)

    @property
    def recall(self) -> NDArray[np.float64]:
        """By class: of its pictures, the share that was told; NaN for one without pictures."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(1))

    @property
    def precision(self) -> NDArray[np.float64]:
        """By class: of the pictures that were told to be of it, the share that is; NaN where none was."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(0))

    @property
    def error(self) -> float:
        """Half the width of the accuracy's 95 % interval (Wilson's, near enough for 100 pictures or more)."""
        z, n, p = 1.96, self.count, self.accuracy
        return z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    ratio = np.full(len(part), np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def page(
    measured: Measured,
    images: NDArray[np.uint8],
    scores: Scores,
    labels: NDArray[np.integer[Any]],
    facts: Mapping[str, str] | None = None,
    title: str = "Image recognition",
) -> str:
    """A page with accuracy, confusion matrix, classes, examples and the surest mistakes.

    ``images`` are (n, height, width), of bytes; ``facts`` are shown beside the figures, such as what the
    training cost. Names and facts are shown as text, whatever they hold.
    """
    if images.dtype != np.uint8 or images.shape[:1] != labels.shape:
        raise BadInput("a report shows pictures of bytes, one a label")
    body = "\n".join(
        (
            f"<h1>{_text(title)}</h1>",
            _figures(measured, facts or {}),
            _matrix(measured),
            _by_class(measured),
            _examples(measured, images, scores, labels),
            _mistakes(measured, images, scores, labels),
        )
    )
    return _PAGE.format(title=_text(title), style=_STYLE, body=body)


def _text(value: object) -> str:
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
    return escape(shown)


def _percent(share: float) -> str:
    if math.isnan(share):
        return "none"
    return "> 99.9 %" if 0.9995 <= share < 1 else f"{100 * share:.1f} %"


def _figures(measured: Measured, facts: Mapping[str, str]) -> str:
    told = {
        "accuracy": f"{100 * measured.accuracy:.2f} %",
        "95 % interval": f"± {100 * measured.error:.2f}",
        "pictures": f"{measured.count:,}",
        **facts,
    }
    items = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(fact)}</dd></div>" for name, fact in told.items())
    return f'<dl class="facts">{items}</dl>'


def _matrix(measured: Measured) -> str:
    names = [_text(name) for name in measured.classes]
    head = "".join(f'<th scope="col"><span>{name}</span></th>' for name in names)
    totals = measured.confusion.sum(1)

    def rows() -> Iterator[str]:
        for i, name in enumerate(names):
            cells = "".join(
                _cell(int(n), n / max(totals[i], 1), i == j) for j, n in enumerate(measured.confusion[i])
            )
            yield f'<tr><th scope="row">{name}</th>{cells}</tr>'

    how = (
        "Rows: what a picture shows. Columns: what was told. "
        "The stronger the colour, the larger the share of its row."
    )
    return (
        f'<h2>Confusion matrix</h2><p id="how">{how}</p>'
        '<div class="wide" tabindex="0" role="region" aria-label="Confusion matrix">'
        '<table class="matrix" aria-describedby="how">'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows())}</tbody></table></div>"
    )


def _cell(count: int, share: float, right: bool) -> str:
    kind = "right" if right else "wrong"
    depth = 0.0 if not count else 0.08 + 0.92 * math.sqrt(share)  # few mistakes are to be seen too
    deep = " deep" if depth > 0.92 else " half" if depth > 0.7 else ""  # where the text's colour must change
    return f'<td class="{kind}{deep}" style="--d:{depth:.2f}">{count or "·"}</td>'


def _by_class(measured: Measured) -> str:
    def rows() -> Iterator[str]:
        for i in np.argsort(-np.nan_to_num(measured.recall, nan=-1), kind="stable"):
            recall, precision = float(measured.recall[i]), float(measured.precision[i])
            others = measured.confusion[i].copy()
            others[i] = 0
            worst = f"{_text(measured.classes[others.argmax()])} ({others.max():,})" if others.any() else "–"
            width = 0 if math.isnan(recall) else 100 * recall
            yield (
                f'<tr><th scope="row">{_text(measured.classes[i])}</th>'
                f"<td>{int(measured.confusion[i].sum()):,}</td>"
                f'<td><span class="bar" aria-hidden="true"><i style="width:{width:.1f}%"></i></span>'
                f"{_percent(recall)}</td><td>{_percent(precision)}</td><td>{worst}</td></tr>"
            )

    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in (
            "class",
            "pictures",
            "told right (recall)",
            "right when told (precision)",
            "taken for most",
        )
    )
    return (
        '<h2>Classes, best first</h2><div class="wide" tabindex="0" role="region" aria-label="Classes">'
        f'<table class="classes"><thead><tr>{head}</tr></thead><tbody>{"".join(rows())}</tbody></table></div>'
    )


def _examples(
    measured: Measured, images: NDArray[np.uint8], scores: Scores, labels: NDArray[np.integer[Any]]
) -> str:
    def rows() -> Iterator[str]:
        for i, name in enumerate(measured.classes):
            some = np.flatnonzero(labels == i)[:_EXAMPLES]
            if len(some):
                cards = "".join(_card(measured, images, scores, labels, int(at)) for at in some)
                yield f'<h3>{_text(name)}</h3><div class="cards">{cards}</div>'

    return f'<h2>Examples: the first of each class</h2><div class="examples">{_sections(rows())}</div>'


def _sections(rows: Iterator[str]) -> str:
    return "".join(f"<section>{row}</section>" for row in rows)


def _mistakes(
    measured: Measured, images: NDArray[np.uint8], scores: Scores, labels: NDArray[np.integer[Any]]
) -> str:
    wrong = np.flatnonzero(scores.argmax(1) != labels)
    surest = wrong[np.argsort(-scores[wrong].max(1), kind="stable")][:_MISTAKES]
    if not len(surest):
        return "<h2>Mistakes</h2><p>There is none.</p>"
    cards = "".join(_card(measured, images, scores, labels, int(at), truth=True) for at in surest)
    words = f"the surest {len(surest)} of {len(wrong):,}"
    return f'<h2>Mistakes: {words}</h2><div class="cards">{cards}</div>'


def _card(
    measured: Measured,
    images: NDArray[np.uint8],
    scores: Scores,
    labels: NDArray[np.integer[Any]],
    at: int,
    *,
    truth: bool = False,
) -> str:
    told, true = int(scores[at].argmax()), int(labels[at])
    name, share = _text(measured.classes[told]), _percent(float(scores[at, told]))
    kind, mark = ("right", "✓") if told == true else ("wrong", "✗")
    shows = f"<span>is {_text(measured.classes[true])}</span>" if truth else ""
    source = base64.b64encode(png(images[at])).decode()
    return (
        f'<figure class="{kind}"><img src="data:image/png;base64,{source}" alt="a picture of class '
        f'{_text(measured.classes[true])}"><figcaption><b>{mark} {name}</b>{shows}<span>{share}</span>'
        "</figcaption></figure>"
    )


def png(image: NDArray[np.uint8]) -> bytes:
    """A grey picture, (height, width), as a PNG file that holds its pixels and nothing else.

    Source: W3C, "Portable Network Graphics (PNG) Specification", sections 5 and 11.
    """
    height, width = image.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = np.zeros((height, width + 1), np.uint8)  # each begins with 0: unfiltered
    lines[:, 1:] = image
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2530;--soft:#5a6673;--paper:#fff;--line:#d9dfe6;--card:#f5f7f9;
--good:31,111,178;--bad:192,72,32;--goodink:#17568c;--badink:#9c3812;--low:#000;--middle:#000;--high:#fff}
@media (prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#a3afbb;--paper:#12171c;--line:#323c46;
--card:#1b2229;--good:92,168,232;--bad:240,128,84;--goodink:#8cc4f2;--badink:#f5a582;--low:#fff;--middle:#000;--high:#000}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:66rem;padding:2rem 1.25rem 4rem;font:16px/1.5 system-ui,sans-serif;
color:var(--ink);background:var(--paper)}
h1{font-size:1.8rem;line-height:1.2;margin:0 0 1rem}h2{font-size:1.2rem;margin:2.5rem 0 .75rem}
h3{font-size:.95rem;margin:0 0 .4rem;overflow-wrap:anywhere}
.facts{display:flex;flex-wrap:wrap;gap:.75rem;margin:0}
.facts div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.5rem .9rem;
max-width:100%}
.facts dt{color:var(--soft);font-size:.82rem}.facts dd{margin:0;font-weight:600;font-size:1.05rem;
overflow-wrap:anywhere}
.wide{overflow-x:auto}.wide:focus-visible{outline:2px solid rgb(var(--good))}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.88rem}
p{color:var(--soft);margin:0 0 .75rem}
th{font-weight:500;text-align:left}tbody th{min-width:5.5rem;max-width:12rem;overflow-wrap:break-word}
.matrix td{text-align:right;min-width:3rem;height:2rem;padding:0 .5rem;border:1px solid var(--paper)}
.matrix tbody th{padding-right:.75rem}.matrix thead th{vertical-align:bottom;text-align:center;
padding:0 .2rem .4rem;font-size:.8rem}
.matrix thead span{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap}
.matrix .right{background:rgba(var(--good),var(--d))}.matrix .wrong{background:rgba(var(--bad),var(--d))}
.matrix td{color:var(--low)}.matrix .deep{color:var(--high);font-weight:600}.matrix .half{color:var(--middle)}
.classes th,.classes td{padding:.35rem 1rem .35rem 0;border-bottom:1px solid var(--line)}
td,thead th{white-space:nowrap}.classes thead th{color:var(--soft);vertical-align:bottom}
.bar{display:inline-block;width:7rem;height:.6rem;margin-right:.6rem;background:var(--line);border-radius:3px;
overflow:hidden}.bar i{display:block;height:100%;background:rgb(var(--good))}
.examples{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(30rem,100%),1fr));gap:1.25rem 2rem}
.cards{display:flex;flex-wrap:wrap;gap:.6rem}
figure{margin:0;width:5.4rem}figure img{display:block;width:100%;height:auto;image-rendering:pixelated;
border-radius:6px 6px 0 0;background:#000}
figcaption{font-size:.74rem;line-height:1.3;padding:.3rem .35rem;background:var(--card);
overflow-wrap:anywhere;border-top:3px solid;border-radius:0 0 6px 6px}
figcaption b,figcaption span{display:block}figcaption span{color:var(--soft)}
figure.right figcaption{border-color:rgb(var(--good))}figure.right b{color:var(--goodink)}
figure.wrong figcaption{border-color:rgb(var(--bad))}figure.wrong b{color:var(--badink)}
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""

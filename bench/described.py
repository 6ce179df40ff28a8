"""Zero-shot by description on Fashion-MNIST: classes that were never seen, told from what is said of them.

``described.json`` beside this file says what a person knows about the ten classes; it was written before
anything was measured, and not changed since. Some classes are left out as never seen: all 45 pairs, and every
fourth of the 120 triples, in the order of the labels; with privacy every third of these. For each such split:

    unseen      accuracy on test pictures of the unseen classes, told apart from each other
    all, seen   accuracy on test pictures of the seen classes, told apart from all ten
    all, unseen the same of the unseen classes
    harmonic    the harmonic mean of these two

Public rows are fitted in closed form, private ones trained at a price. Both strengths of ridge are looked at
on the last 10,000 training pictures (``--search``), on every fifth pair. The data is found as in
``fashion.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import torch

import common
from fashion import CHOSEN, DELTA, cut, pictures
from masquerade.dp.ledger import Budget, Ledger
from masquerade.transfer import described
from masquerade.transfer.features import Features
from masquerade.transfer.handover import Handover, Pictures
from masquerade.transfer.recipes import Owning

TOLD = described.parse((Path(__file__).parent / "described.json").read_bytes())
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
PAIRS = list(combinations(range(10), 2))
TRIPLES = list(combinations(range(10), 3))[::4]
BY: tuple[described.By, ...] = ("attributes", "words")
Split = tuple[int, ...]


def seen(pictures: Pictures, unseen: Split) -> tuple[Pictures, tuple[str, ...]]:
    """The pictures of all other classes, numbered anew, and the names of these."""
    kept = [i for i in range(10) if i not in unseen]
    at = np.isin(pictures.labels, kept)
    told = np.searchsorted(kept, pictures.labels[at])
    return Pictures(pictures.images[at], told), tuple(CLASSES[i] for i in kept)


def trained(pictures: Pictures, unseen: Split, epsilon: float | None) -> tuple[Handover, Pictures | None]:
    """What the owner hands over, and the public pictures if these are needed."""
    some, names = seen(pictures, unseen)
    known = {name: TOLD[name] for name in names}
    if epsilon is None:
        how = Owning(1.0, DELTA, len(some.images), names)
        return described.owner(lambda: some, how, known).handover, some
    bound, rate, steps, batch = CHOSEN["hog", epsilon]
    how = Owning(
        epsilon, DELTA, len(some.images), names, batch=batch, steps=steps, l2_clip_norm=bound, rate=rate
    )
    ledger = Ledger(Budget(epsilon, DELTA), ("fashion",))
    return described.owner(lambda: some, how, known, ledger).handover, None


def measured(full: Handover, x: torch.Tensor, y: np.ndarray[Any, Any], unseen: Split) -> dict[str, float]:
    """Of a classifier whose last classes are the unseen ones."""
    order = np.array([CLASSES.index(name) for name in full.classes])
    with torch.no_grad():
        scores = full.module()(x).numpy()
    new = np.isin(y, unseen)
    apart = order[-len(unseen) :][scores[new, -len(unseen) :].argmax(1)]
    right = order[scores.argmax(1)] == y
    all_seen, all_new = float(right[~new].mean()), float(right[new].mean())
    both = 2 * all_seen * all_new / (all_seen + all_new) if all_new else 0.0
    return {"unseen": float((apart == y[new]).mean()), "seen": all_seen, "new": all_new, "harmonic": both}


def rows(
    train: Pictures,
    test: Pictures,
    splits: list[Split],
    epsilon: float | None,
    ridges: list[tuple[float, float]],
) -> Iterator[dict[str, Any]]:
    """A row for each way to describe and strength of ridge: what was measured, by split."""
    x, y = torch.from_numpy(Features()(test.images)), test.labels
    found: dict[tuple[str, float, float], dict[Split, dict[str, float]]] = {}
    for unseen in splits:
        came, public = trained(train, unseen, epsilon)
        fits = {fit: came if public is None else described.fitted(came, public, fit) for fit, _ in ridges}
        for fit, ridge in ridges:
            for by in BY:
                full = described.named(fits[fit], TOLD, by, ridge)
                found.setdefault((by, fit, ridge), {})[unseen] = measured(full, x, y, unseen)
    for (by, fit, ridge), each in found.items():
        yield {"by": by, "epsilon": epsilon, "fit": fit, "ridge": ridge, "each": each}


def summed(row: dict[str, Any], splits: list[Split]) -> dict[str, Any]:
    """The means of a row over some of its splits."""
    each = [row["each"][split] for split in splits]
    alone, chance = [one["unseen"] for one in each], 1 / len(splits[0])
    means = {name: float(np.mean([one[name] for one in each])) for name in each[0]}
    return {
        **{name: row[name] for name in ("by", "epsilon", "fit", "ridge")},
        **means,
        "classes": f"{10 - len(splits[0])} / {len(splits[0])}",
        "splits": len(splits),
        "chance": chance,
        "median": float(np.median(alone)),
        "least": min(alone),
        "at_chance": sum(one <= chance + 0.02 for one in alone),
    }


def main() -> None:
    parser = common.options(__doc__ or "")
    parser.add_argument(
        "--search", action="store_true", help="show the choice on validation pictures instead"
    )
    parser.add_argument("--epsilon", type=float, nargs="*", default=[3.0, 1.0], help="of the private rows")
    told = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)  # of the accountant, about orders that it leaves out
    whole, test = pictures("train"), pictures("t10k")
    if told.search:
        train, test = cut(whole, 0, 50_000), cut(whole, 50_000)
        ridges = list(product((0.4, 4.0, 40.0), (0.1, 1.0, 10.0)))
        found = list(rows(train, test, PAIRS[::5], None, ridges))
        common.dump({"rows": [summed(row, PAIRS[::5]) for row in found]})
        return
    means: list[dict[str, Any]] = []
    for splits in (PAIRS[::9], TRIPLES[::10]) if told.quick else (PAIRS, TRIPLES):
        public = list(rows(whole, test, splits, None, [(4.0, 1.0)]))
        means += [summed(row, some) for some in (splits, splits[::3]) for row in public]
        for epsilon in told.epsilon:
            means += [
                summed(row, splits[::3]) for row in rows(whole, test, splits[::3], epsilon, [(0.0, 1.0)])
            ]
    if told.json:
        common.dump({"machine": common.machine(), "rows": means})
        return
    percent = ("chance", "unseen", "median", "least", "seen", "new", "harmonic")
    common.table(
        "Fashion-MNIST: classes never seen, by their descriptions",
        ("by", "epsilon", "seen / unseen", "splits", "at chance", "chance %", "unseen %", "median %",
         "least %", "all: seen %", "all: unseen %", "harmonic %"),
        [
            (row["by"], row["epsilon"] or "public", row["classes"], row["splits"], row["at_chance"],
             *(f"{100 * row[name]:.1f}" for name in percent)) for row in means
        ],
        "means over splits, on the 10,000 test pictures; at chance: splits at most 2 points above it.",
    )  # fmt: skip


if __name__ == "__main__":
    main()

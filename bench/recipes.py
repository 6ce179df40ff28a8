"""What the three recipes reach on Fashion-MNIST, where the owner's data are private at epsilon 1.

50,000 pictures are the owner's, 10,000 are public, the test set is used once. What is varied is chosen with
40,000 private, 10,000 public, and the last 10,000 training pictures to measure on (``--search``). The data
(four ``idx.gz`` files) is looked for in ``fashion-mnist`` in the folder that MASQUERADE_DATA names.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

import common
import fashion
from masquerade.dp.ledger import Budget, Ledger
from masquerade.transfer import light, one_stage, zero_shot
from masquerade.transfer.features import Features
from masquerade.transfer.handover import Handover, Pictures
from masquerade.transfer.recipes import Owning, Receiving, head_stage

CLASSES = tuple("t-shirt trouser pullover dress coat sandal shirt sneaker bag boot".split())
SEARCHED = [
    Receiving(features, rate=rate)
    for features in (Features("hog"), Features("scattering"), Features("all"))
    for rate in (5e-4, 1e-3)
]
HEADS = [(near, steps) for near in (0.03, 0.3, 3.0) for steps in (40, 80, 160)]


class Split(NamedTuple):
    private: Pictures
    public: Pictures
    measured: Pictures


def split(private: int, test: bool) -> Split:
    whole, end = fashion.pictures("train"), private + 10_000
    measured = fashion.pictures("t10k") if test else fashion.cut(whole, end)
    return Split(fashion.cut(whole, 0, private), fashion.cut(whole, private, end), measured)


def known(public: Pictures, labels: int) -> Pictures:
    """The first ``labels`` of them with their labels."""
    return replace(public, labels=np.where(np.arange(len(public.labels)) < labels, public.labels, -1))


def owned(parts: Split, epsilon: float, features: str) -> tuple[Handover, float]:
    """The light model, and the owner's CPU seconds."""
    bound, rate, steps, batch = fashion.CHOSEN[features, epsilon]
    how = Owning(
        epsilon, fashion.DELTA, len(parts.private.labels), CLASSES, Features(features), batch=batch,
        steps=steps, l2_clip_norm=bound, rate=rate,
    )  # fmt: skip
    start = time.process_time()
    handover = light.owner(lambda: parts.private, how, Ledger(Budget(epsilon, fashion.DELTA), ("fashion",)))
    return handover, time.process_time() - start


def recipes(came: Handover, parts: Split, how: Receiving) -> Iterator[tuple[str, float]]:
    """The name of each way, and its accuracy."""
    yield "what came", came.accuracy(parts.measured)
    one = replace(came, recipe="one-stage")
    definition = replace(came, recipe="zero-shot", stage="definition", weights={})
    rows = {
        "light, then full": (light, came, 0),
        "one-stage, 1,000 labels": (one_stage, one, 1000),
        "zero-shot, 1,000 labels": (zero_shot, definition, 1000),
        "zero-shot, 10,000 labels": (zero_shot, definition, 10_000),
    }
    for name, (recipe, sent, labels) in rows.items():
        full = recipe.receiver(sent, known(parts.public, labels), how)
        yield name, full.accuracy(parts.measured)


def search(epsilon: float, features: str) -> None:
    parts = split(40_000, test=False)
    came, _ = owned(parts, epsilon, features)
    for how in SEARCHED:
        row: dict[str, Any] = dict(recipes(came, parts, how))
        seen = how.features.kind if how.features else features
        print({"features": seen, "rate": how.rate, **row}, flush=True)
    for near, steps in HEADS:
        how = Receiving(near=near, head_steps=steps)
        sent, public = replace(came, recipe="one-stage"), known(parts.public, 1000)
        found = head_stage(sent, public, how).accuracy(parts.measured)
        full = one_stage.receiver(sent, public, how).accuracy(parts.measured)
        print({"near": near, "head_steps": steps, "head": found, "full": full}, flush=True)


def main() -> None:
    parser = common.options(__doc__ or "")
    parser.add_argument(
        "--search", action="store_true", help="show the choice on the validation pictures instead"
    )
    parser.add_argument("--epsilon", type=float, default=1.0)
    parser.add_argument("--features", default="hog", choices=("hog", "scattering"))
    told = parser.parse_args()
    torch.set_num_threads(1)
    if told.search:
        search(told.epsilon, told.features)
        return
    parts = split(50_000, test=True)
    found: dict[str, list[float]] = {}
    gained: dict[str, list[float]] = {}
    seconds = []
    for seed in range(1 if told.quick else 3):
        came, spent = owned(parts, told.epsilon, told.features)
        seconds.append(spent)
        reached = dict(recipes(came, parts, Receiving(seed=seed)))
        for name, accuracy in reached.items():
            found.setdefault(name, []).append(accuracy)
            gained.setdefault(name, []).append(accuracy - reached["what came"])
    rows = [
        {"recipe": name, "accuracy": float(np.mean(each)), "each": each, "gain": float(np.mean(gained[name])),
         "least_gain": min(gained[name])} for name, each in found.items()
    ]  # fmt: skip
    if told.json:
        common.dump({"machine": common.machine(), "owner_cpu_s": common.middle(seconds), "rows": rows})
        return
    common.table(
        f"Fashion-MNIST, 50,000 private pictures at ({told.epsilon:g}, 1e-5), 10,000 public, {told.features}",
        ("recipe", "test accuracy %", "over what came", "least of the runs"),
        [
            (row["recipe"], f"{100 * row['accuracy']:.2f}", f"{100 * row['gain']:+.2f}",
             f"{100 * row['least_gain']:+.2f}") for row in rows
        ],
        f"mean over {len(seconds)} runs, each with its own draws and noise; the owner's side takes "
        f"{common.number(common.middle(seconds))} CPU s on one thread.",
    )  # fmt: skip


if __name__ == "__main__":
    main()

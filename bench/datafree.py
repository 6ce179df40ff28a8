"""Data-free distillation on Fashion-MNIST: from a private model to a student of another shape.

The teacher is the linear classifier on HOG of the recipe light, trained on the 60,000 pictures at a price.
The student is taught on drawn pictures only. Accuracy is on the 10,000 test pictures; ``--search`` has a
teacher of the first 50,000 training pictures, and shows what was looked at on the other 10,000. The data is
found as in ``fashion.py``.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import torch

import common
from fashion import CHOSEN, DELTA, cut, pictures
from masquerade.dp.ledger import Budget, Ledger
from masquerade.transfer import light
from masquerade.transfer.datafree import Distilling, distilled
from masquerade.transfer.handover import Handover, Pictures
from masquerade.transfer.recipes import Owning

SEARCHED = [
    Distilling(rounds=3), Distilling(rounds=6), Distilling(), Distilling(rate=1e-3),
    Distilling("mlp", rounds=3), Distilling("mlp"),
]  # fmt: skip


def owned(private: Pictures, epsilon: float) -> Handover:
    bound, rate, steps, batch = CHOSEN["hog", epsilon]
    how = Owning(
        epsilon, DELTA, len(private.images), tuple(map(str, range(10))),
        batch=batch, steps=steps, l2_clip_norm=bound, rate=rate,
    )  # fmt: skip
    return light.owner(lambda: private, how, Ledger(Budget(epsilon, DELTA), ("fashion",)))


def row(teacher: Handover, test: Pictures, how: Distilling) -> dict[str, Any]:
    start = time.process_time()
    student = distilled(teacher, how)
    spent = time.process_time() - start
    scores, taught = student.logits(test.images).argmax(1), teacher.logits(test.images).argmax(1)
    recall = [float((scores.numpy()[test.labels == i] == i).mean()) for i in range(10)]
    return {
        "student": how.student, "rounds": how.rounds, "rate": how.rate, "epsilon": teacher.privacy["epsilon"],
        "teacher": teacher.accuracy(test), "accuracy": student.accuracy(test),
        "agreement": float((scores == taught).float().mean()), "recall": recall, "cpu_s": spent,
    }  # fmt: skip


def main() -> None:
    parser = common.options(__doc__ or "")
    parser.add_argument("--search", action="store_true", help="show the choice on validation pictures")
    parser.add_argument("--epsilon", type=float, nargs="+", default=[3.0, 1.0])
    told = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)  # of the accountant, about orders that it leaves out
    whole, test = pictures("train"), pictures("t10k")
    if told.search:
        train, test = cut(whole, 0, 50_000), cut(whole, 50_000)
        teacher = owned(train, 3.0)
        common.dump({"rows": [row(teacher, test, how) for how in SEARCHED]})
        return
    ways = [Distilling(rounds=2)] if told.quick else [Distilling(), Distilling("mlp")]
    rows = [
        row(teacher, test, how)
        for epsilon in told.epsilon
        for teacher in [owned(whole, epsilon)]
        for how in ways
    ]
    if told.json:
        common.dump({"machine": common.machine(), "rows": rows})
        return
    common.table(
        "Fashion-MNIST: students of a private model, without any picture",
        ("student", "epsilon", "teacher %", "student %", "agree %", "least recall %", "CPU s"),
        [
            (each["student"], f"{each['epsilon']:.3g}", *(f"{100 * each[name]:.1f}" for name in
             ("teacher", "accuracy", "agreement")), f"{100 * min(each['recall']):.0f}",
             common.number(each["cpu_s"])) for each in rows
        ],
        "one run each; one thread.",
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""Private image recognition on Fashion-MNIST: accuracy at a price, and what the owner's machine pays for it.

A linear classifier on features of each picture by itself. What is varied is chosen on the last 10,000
training pictures, with the other 50,000 as private data (``--search``); the test set is used once, with all
60,000. The data (four ``idx.gz`` files) is looked for in ``fashion-mnist`` in the folder that MASQUERADE_DATA
names.
"""

from __future__ import annotations

import gzip
import os
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import common
from masquerade.dp.ledger import Budget, Ledger
from masquerade.transfer.features import Features
from masquerade.transfer.handover import Pictures
from masquerade.transfer.train import Plan, accuracy, train

SEARCHED = {
    "scattering": [(0.1, rate, 280, 8192) for rate in (8.0, 16.0, 24.0, 32.0, 64.0)],
    "hog": [(0.1, rate, 280, 8192) for rate in (16.0, 32.0, 64.0, 128.0)],
}
"""l2_clip_norm, learning rate, steps, expected batch."""

CHOSEN = {
    ("scattering", 3.0): (0.1, 24.0, 280, 8192),
    ("scattering", 1.0): (0.1, 8.0, 280, 8192),
    ("hog", 3.0): (0.1, 64.0, 280, 8192),
    ("hog", 1.0): (0.1, 32.0, 280, 8192),
}
DELTA = 1e-5


def load(name: str) -> np.ndarray[Any, Any]:
    folder = Path(os.environ.get("MASQUERADE_DATA", "data")) / "fashion-mnist"
    raw = gzip.decompress((folder / f"{name}-ubyte.gz").read_bytes())
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def labels(name: str) -> torch.Tensor:
    return torch.from_numpy(load(name).astype(np.int64))


def pictures(part: str) -> Pictures:
    """Those to train on (``train``), or the test set (``t10k``)."""
    return Pictures(load(f"{part}-images-idx3"), load(f"{part}-labels-idx1").astype(np.int64))


def cut(whole: Pictures, begin: int, end: int | None = None) -> Pictures:
    return Pictures(whole.images[begin:end], whole.labels[begin:end])


def once(
    x: torch.Tensor,
    y: torch.Tensor,
    epsilon: float,
    chosen: tuple[float, float, int, int],
    average: float = 0.5,
) -> torch.nn.Linear:
    bound, rate, steps, batch = chosen
    model = torch.nn.Linear(x.shape[1], 10)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    size = sum(value.numel() for value in model.parameters())
    plan = Plan.calibrate(
        epsilon, DELTA, examples=len(x), batch=batch, steps=steps, l2_clip_norm=bound, parameters=size
    )
    train(
        model, (x, y), plan, ledger=Ledger(Budget(epsilon, DELTA), ("fashion",)), average=average,
        optimizer=torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9), microbatch=4096,
    )  # fmt: skip
    return model


def main() -> None:
    parser = common.options(__doc__ or "")
    parser.add_argument(
        "--search", action="store_true", help="show the choice on the validation pictures instead"
    )
    parser.add_argument("--epsilon", type=float, nargs="+", default=[3.0, 1.0])
    parser.add_argument("--features", nargs="+", default=["scattering", "hog"], choices=sorted(SEARCHED))
    told = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for kind in told.features:
        start = time.process_time()
        x = torch.from_numpy(Features(kind)(load("train-images-idx3"), dtype=np.float16))
        y, spent = labels("train-labels-idx1"), time.process_time() - start
        for epsilon in told.epsilon:
            if told.search:
                for chosen in SEARCHED[kind]:
                    model = once(x[:50_000], y[:50_000], epsilon, chosen)
                    found = accuracy(model, x[50_000:].float(), y[50_000:])
                    rows.append({"features": kind, "epsilon": epsilon, "chosen": chosen, "validation": found})
                    print(rows[-1], flush=True)
                continue
            start = time.process_time()
            models = [once(x, y, epsilon, CHOSEN[kind, epsilon]) for _ in range(1 if told.quick else 3)]
            training = (time.process_time() - start) / len(models)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            test = torch.from_numpy(Features(kind)(load("t10k-images-idx3")))
            found = [accuracy(model, test, labels("t10k-labels-idx1")) for model in models]
            rows.append({
                "features": kind, "epsilon": epsilon, "accuracy": float(np.mean(found)), "each": found,
                "cpu_s": spent + training, "memory_gb": memory / 1e9,
            })  # fmt: skip
    if told.json or told.search:
        common.dump({"machine": common.machine(), "rows": rows})
        return
    common.table(
        "Fashion-MNIST, 60,000 private pictures, delta 1e-5",
        ("features", "epsilon", "test accuracy %", "CPU s of the owner", "memory GB"),
        [
            (row["features"], row["epsilon"], f"{100 * row['accuracy']:.2f}", common.number(row["cpu_s"]),
             common.number(row["memory_gb"])) for row in rows
        ],
        "mean over three runs; CPU seconds of features and one training, one thread.",
    )  # fmt: skip


if __name__ == "__main__":
    main()

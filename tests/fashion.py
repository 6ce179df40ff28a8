"""Fashion-MNIST, where it lies: its licence lets us test with it, its size keeps it out of the repository."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = (
    Path(os.environ.get("MASQUERADE_DATA") or Path(__file__).parents[2] / "shared" / "data") / "fashion-mnist"
)
needed = pytest.mark.skipif(
    not (FOLDER / "train-images-idx3-ubyte.gz").exists(),
    reason="needs Fashion-MNIST, in the folder fashion-mnist of the one that MASQUERADE_DATA names",
)


def pictures(part: str, folder: Path = FOLDER) -> tuple[Any, Any]:
    """``train`` or ``t10k``: pictures, uint8 of shape (n, 28, 28), and classes, int64 of shape (n,)."""
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images, labels.astype(np.int64)

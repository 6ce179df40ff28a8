"""Real pictures: mean image and histograms of 60,000 over 8 nodes, of which none shows its own, against
NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masquerade.compute import LocalEngine, Noise, split_data, total
from masquerade.dp.ledger import Budget, Ledger
from tests import fashion

NODES = 8
BINS = 16
pytestmark = fashion.needed


def read(folder: str) -> tuple[Any, Any]:
    return fashion.pictures("train", Path(folder))


def statistics(images: Any, labels: Any) -> dict[str, Any]:
    """Sums over pictures: counts of pictures and of classes, brightness by pixel, and its histogram by
    class."""
    brightness = images.reshape(len(images), -1) / 255
    bins = (images.reshape(len(images), -1) // (256 // BINS)).astype(np.intp)
    histogram = np.zeros((10, BINS), np.int64)
    for label in range(10):
        histogram[label] = np.bincount(bins[labels == label].ravel(), minlength=BINS)
    return {
        "count": len(images),
        "classes": np.bincount(labels, minlength=10),
        "image": brightness.sum(axis=0).reshape(28, 28),
        "histogram": histogram,
    }


def on_a_node(rows: range) -> dict[str, Any]:
    images, labels = read(str(fashion.FOLDER))
    return statistics(images[rows.start : rows.stop], labels[rows.start : rows.stop])


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    with LocalEngine(2) as started:
        yield started


def test_mean_image_and_histograms_equal_numpy_s(engine: LocalEngine) -> None:
    images, labels = read(str(fashion.FOLDER))
    assert images.shape == (60_000, 28, 28)
    expected = statistics(images, labels)
    found = total(on_a_node, split_data(range(60_000), NODES), engine=engine, reveal="sum")
    assert len(found.names) == NODES
    assert found.value["count"] == 60_000
    assert np.array_equal(found.value["classes"], np.bincount(labels))
    assert np.array_equal(found.value["histogram"], expected["histogram"])
    off = np.abs(found.value["image"] - expected["image"]).max()
    assert off <= NODES * 2.0**-25 + 1e-9  # rounding of each node to 24 bits, and of float64 sums
    mean = found.value["image"] / found.value["count"]
    assert np.allclose(mean, images.mean(axis=0) / 255, rtol=0, atol=1e-11)


def test_a_noisy_class_histogram_is_near(engine: LocalEngine) -> None:
    """One row for each picture, so that one picture is what the noise hides."""

    def rows(part: range) -> Any:
        return np.eye(10)[read(str(fashion.FOLDER))[1][part.start : part.stop]]

    ledger = Ledger(Budget(1.0, 1e-6), ("fashion-mnist",), unit="picture")
    noise = Noise(ledger, bound=1.0, epsilon=0.5, delta=1e-6, unit="record", note="classes")
    found = total(rows, split_data(range(60_000), NODES), engine=engine, reveal="noisy", noise=noise)
    assert found.noise is not None
    assert np.abs(found.value - 6000).max() < 7 * found.noise.std
    assert found.noise.std < 20
    assert np.ptp(found.value) > 0  # every class has 6,000 exactly: what differs is noise
    assert ledger.left < 0.51

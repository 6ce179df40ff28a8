"""Real pictures that come with scikit-learn: handwritten digits of 8 x 8, learned in private."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed to train with")
pytest.importorskip("dp_accounting", reason="dp-accounting is not installed to price noise with")
pytest.importorskip("sklearn", reason="scikit-learn is not installed, which has digits")

from sklearn.datasets import load_digits

from masquerade.dp.ledger import Budget, Ledger
from masquerade.errors import BadInput
from masquerade.transfer import light
from masquerade.transfer.features import Features
from masquerade.transfer.handover import Handover, Pictures
from masquerade.transfer.recipes import Owning
from masquerade.transfer.report import Measured, page


def digits() -> tuple[Pictures, Pictures]:
    """1,297 and 500 of them, from 0 to 255."""
    told = load_digits()
    images, labels = (told.images * 15.9375).astype(np.uint8), told.target.astype(np.int64)
    return Pictures(images[500:], labels[500:]), Pictures(images[:500], labels[:500])


def test_digits_are_told_apart_at_a_price() -> None:
    private, test = digits()
    how = Owning(
        4.0, 1e-4, 1300, tuple("0123456789"), Features("hog", pixels=3.0),
        batch=260, steps=60, rate=8.0, side=8,
    )  # fmt: skip
    ledger = Ledger(Budget(4.0, 1e-4), ("digits",))
    handover = Handover.of(light.owner(lambda: private, how, ledger).files())
    assert handover.privacy["epsilon"] <= 4
    scores = handover.logits(test.images).softmax(1).numpy()
    measured = Measured.of(scores, test.labels, handover.classes)
    assert measured.accuracy == handover.accuracy(test) > 0.8
    assert measured.count == 500 and page(measured, test.images, scores, test.labels).count("<img") > 50


def test_pictures_of_another_size_are_refused_before_they_cost() -> None:
    private, _ = digits()
    ledger = Ledger(Budget(4.0, 1e-4), ("digits",))
    with pytest.raises(BadInput, match="28 pixels"):
        light.owner(lambda: private, Owning(4.0, 1e-4, 1300, tuple("0123456789"), batch=260), ledger)
    assert ledger.left == 4

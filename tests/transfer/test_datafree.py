"""A student of another shape, taught by a private model on pictures that are drawn by rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed to train with")
pytest.importorskip("dp_accounting", reason="dp-accounting is not installed to price noise with")
pytest.importorskip("safetensors", reason="safetensors is not installed to hand weights over with")

from masquerade import crypto  # noqa: E402
from masquerade.dp.ledger import Budget, Ledger  # noqa: E402
from masquerade.errors import BadInput  # noqa: E402
from masquerade.transfer import light, zero_shot  # noqa: E402
from masquerade.transfer.datafree import Distilling, distilled, drawn  # noqa: E402
from masquerade.transfer.handover import Handover, Pictures  # noqa: E402
from masquerade.transfer.recipes import Fitting, Owning  # noqa: E402
from tests import fashion  # noqa: E402

CLASSES = ("tall", "wide", "small")
QUICK = Distilling(rounds=4, fresh=3000, kept=3000, seed=1)


def boxes(n: int, seed: int) -> Pictures:
    """Bright boxes on black, as no drawn picture has them alone: tall, wide, or small."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, n)
    images = np.zeros((n, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        high, wide = [(22, 8), (8, 22), (7, 7)][label] + generator.integers(-2, 3, 2)
        y, x = (28 - high) // 2 + generator.integers(-2, 3), (28 - wide) // 2 + generator.integers(-2, 3)
        image[y : y + high, x : x + wide] = generator.integers(100, 255)
    return Pictures(images, labels)


PRIVATE, TEST = boxes(2000, 1), boxes(600, 2)
OWNING = Owning(3.0, 1e-5, 2000, CLASSES, batch=300, steps=60, rate=8.0)


@pytest.fixture(scope="module")
def teacher() -> Handover:
    sent = light.owner(lambda: PRIVATE, OWNING, Ledger(Budget(3.0, 1e-5), ("boxes",)))
    return Handover.of(sent.files())


@pytest.mark.parametrize("student", ["cnn", "mlp"])
def test_the_student_tells_what_neither_of_them_was_shown(teacher: Handover, student: Any) -> None:
    told: list[Fitting] = []
    made = distilled(teacher, replace(QUICK, student=student), told.append)
    assert teacher.accuracy(TEST) > 0.9 and made.accuracy(TEST) > 0.75
    assert (made.stage, made.model.kind, made.privacy) == ("full", student, teacher.privacy)
    assert Handover.of(made.files()).accuracy(TEST) == made.accuracy(TEST)
    assert [each.step for each in told] == [1, 2, 3, 4]


def test_the_same_seed_gives_the_same_student(teacher: Handover) -> None:
    before = torch.get_rng_state()
    one, again, other = (
        distilled(teacher, replace(QUICK, rounds=1, fresh=400, kept=300, seed=seed)).files()
        for seed in (1, 1, 2)
    )
    assert one == again != other and torch.equal(before, torch.get_rng_state())


def test_what_cannot_teach_is_refused(teacher: Handover) -> None:
    definition = zero_shot.owner(lambda: PRIVATE, OWNING)
    broken = {name: value * float("nan") for name, value in teacher.weights.items()}
    cut = {name: value[:1] for name, value in teacher.weights.items()}
    for wrong, why in (
        (lambda: distilled(definition), "only a model with weights"),
        (lambda: distilled(teacher, replace(QUICK, side=32)), "of this size"),
        (lambda: distilled(replace(teacher, weights=broken), QUICK), "no number"),
        (lambda: distilled(replace(teacher, weights=cut), QUICK), "another model"),
        (lambda: Distilling("vit"), "a student is"),  # type: ignore[arg-type]
        (lambda: Distilling(rounds=0), "at least 1"),
        (lambda: Distilling(side=1 << 20), "8 to 64"),
        (lambda: Distilling(kept=1 << 30), "at most"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=why):
            wrong()


def test_drawn_pictures_are_of_a_public_seed_and_differ() -> None:
    images, again = (drawn(1500, 28, crypto.Keystream(bytes(16))) for _ in range(2))
    assert images.dtype == np.uint8 and images.shape == (1500, 28, 28) and (images == again).all()
    assert len(np.unique(images.reshape(1500, -1), axis=0)) > 1490
    assert 0.2 < (images > 0).mean() < 0.6 and images.max() > 200


@fashion.needed
def test_clothes_are_told_by_who_never_saw_any() -> None:
    images, labels = fashion.pictures("t10k")
    private, test = Pictures(images[:8000], labels[:8000]), Pictures(images[8000:], labels[8000:])
    how = Owning(3.0, 1e-5, 8000, tuple(map(str, range(10))), batch=1000, steps=100, rate=32.0)
    came = light.owner(lambda: private, how, Ledger(Budget(3.0, 1e-5), ("clothes",)))
    made = distilled(came, Distilling(rounds=2, fresh=16_000, kept=16_000))
    assert came.accuracy(test) > 0.75 and made.accuracy(test) > 0.4

"""The three recipes, each side by itself, with nothing between them but the files of a hand-over."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed to train with")
pytest.importorskip("dp_accounting", reason="dp-accounting is not installed to price noise with")
pytest.importorskip("safetensors", reason="safetensors is not installed to hand weights over with")

from masquerade.dp.ledger import Budget, Ledger  # noqa: E402
from masquerade.errors import BadInput, BudgetExceeded  # noqa: E402
from masquerade.transfer import light, one_stage, zero_shot  # noqa: E402
from masquerade.transfer.features import Features  # noqa: E402
from masquerade.transfer.handover import Handover, Pictures  # noqa: E402
from masquerade.transfer.models import Shape  # noqa: E402
from masquerade.transfer.recipes import Fitting, Owning, Receiving, head_stage  # noqa: E402
from tests.transfer.files import edited  # noqa: E402

CLASSES = ("cross", "bar", "square")
OWNING = Owning(2.0, 1e-5, 3000, CLASSES, Features("pixels"), batch=300, steps=60, l2_clip_norm=0.5, rate=4.0)
RECEIVING = Receiving(features=None, hidden=64, steps=60, rate=2e-3)


def drawn(n: int, seed: int) -> Pictures:
    """Pictures of three shapes, moved about, in noise."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, n)
    images = generator.normal(60, 45, (n, 28, 28))
    for image, label in zip(images, labels, strict=True):
        y, x = generator.integers(4, 12, 2)
        if label == 0:
            image[y : y + 12, x + 5 : x + 7] += 90
            image[y + 5 : y + 7, x : x + 12] += 90
        elif label == 1:
            image[y + 5 : y + 7, x : x + 12] += 90
        else:
            image[y : y + 12, x : x + 2] += 90
            image[y : y + 12, x + 10 : x + 12] += 90
            image[[y, y + 1, y + 10, y + 11], x : x + 12] += 90
    return Pictures(np.clip(images, 0, 255).astype(np.uint8), labels)


PRIVATE, TEST = drawn(3000, 1), drawn(1000, 2)
PUBLIC = drawn(1500, 3)
PARTLY = replace(PUBLIC, labels=np.where(np.arange(1500) < 300, PUBLIC.labels, -1))


def a_ledger(epsilon: float = 2.0) -> Ledger:
    return Ledger(Budget(epsilon, 1e-5), ("pictures",), unit="picture")


def through(handover: Handover) -> Handover:
    """As it is on the other side."""
    return Handover.of(dict(handover.files()))


@pytest.fixture(scope="module")
def owned() -> Handover:
    return light.owner(lambda: PRIVATE, OWNING, a_ledger())


def test_light(owned: Handover) -> None:
    came = through(owned)
    assert came.privacy["epsilon"] <= 2.0 and "post-processing" in came.privacy["why"]
    before = came.accuracy(TEST)
    told: list[Fitting] = []
    unlabelled = replace(PUBLIC, labels=np.full(1500, -1))
    full = light.receiver(came, unlabelled, RECEIVING, told.append)
    assert full.stage == "full" and full.model.kind == "mlp" and full.privacy == came.privacy
    assert full.accuracy(TEST) > before + 0.01 > 0.5, "the full model is better than its teacher"
    assert light.receiver(came, PUBLIC, RECEIVING).accuracy(TEST) > before, "labels help, where they are"
    assert [each.step for each in told] == list(range(1, 61))
    assert through(full).accuracy(TEST) == full.accuracy(TEST)


def test_the_full_model_sees_more_than_the_light_one(owned: Handover) -> None:
    full = light.receiver(owned, PARTLY, Receiving(hidden=64, steps=60, rate=2e-3))
    assert full.features.kind == "all" and full.model.inputs == 1225 + 3969
    assert through(full).accuracy(TEST) > owned.accuracy(TEST)


def test_one_stage(owned: Handover) -> None:
    came = replace(through(owned), recipe="one-stage")
    stages: list[str] = []
    full = one_stage.receiver(came, PARTLY, RECEIVING, lambda told: stages.append(told.stage))
    assert list(dict.fromkeys(stages)) == ["head", "full"]
    assert full.accuracy(TEST) > came.accuracy(TEST)
    with pytest.raises(BadInput, match="needs public examples with labels"):
        one_stage.receiver(came, replace(PUBLIC, labels=np.full(1500, -1)))
    owner = one_stage.owner(lambda: PRIVATE, OWNING, a_ledger())
    assert (owner.recipe, owner.stage) == ("one-stage", "trained")


def test_a_head_that_is_held_stays_near(owned: Handover) -> None:
    came = replace(through(owned), recipe="one-stage")

    def moved(near: float) -> float:
        moved = head_stage(came, PARTLY, replace(RECEIVING, near=near))
        return float((moved.weights["weight"] - came.weights["weight"]).norm())

    assert moved(100.0) < 0.3 * moved(0.0)


def test_zero_shot_never_opens_the_private_data() -> None:
    def tripwire() -> Pictures:
        raise AssertionError("the private reader was opened")

    def other() -> Pictures:
        return drawn(10, 9)

    sent = [zero_shot.owner(read, OWNING) for read in (tripwire, other, lambda: PRIVATE)]
    assert sent[0].files() == sent[1].files() == sent[2].files()
    assert not sent[0].weights and sent[0].privacy["epsilon"] == 0
    full = zero_shot.receiver(through(sent[0]), PUBLIC, RECEIVING)
    assert full.accuracy(TEST) > 0.7
    with pytest.raises(BadInput, match="needs public examples with labels"):
        zero_shot.receiver(sent[0], replace(PUBLIC, labels=np.full(1500, -1)))


def test_the_same_seed_gives_the_same_bytes(owned: Handover) -> None:
    def full(seed: int) -> dict[str, bytes]:
        return light.receiver(owned, PARTLY, replace(RECEIVING, seed=seed, steps=4)).files()

    before = torch.get_rng_state()
    assert full(1) == full(1) != full(2)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_ledger_is_asked_before_the_data_are() -> None:
    def tripwire() -> Pictures:
        raise AssertionError("the private reader was opened")

    poor = a_ledger(0.5)
    with pytest.raises(BudgetExceeded):
        light.owner(tripwire, OWNING, poor)
    assert poor.spent == 0
    with pytest.raises(BadInput, match="ledger"):
        light.owner(tripwire, OWNING)
    paying = a_ledger()
    light.owner(lambda: PRIVATE, replace(OWNING, steps=2), paying)
    assert 1.9 < paying.spent <= 2.0


def test_what_does_not_fit_is_refused(owned: Handover) -> None:
    beyond = replace(PRIVATE, labels=PRIVATE.labels + 1)
    for wrong, why in (
        (lambda: zero_shot.receiver(owned, PUBLIC), "for the recipe light"),
        (lambda: light.receiver(replace(owned, stage="definition"), PUBLIC), "is a definition"),
        (lambda: light.owner(lambda: beyond, OWNING, a_ledger()), "names no class"),
        (lambda: light.receiver(owned, beyond), "names no class"),
        (lambda: zero_shot.receiver(replace(owned, recipe="zero-shot"), beyond), "names no class"),
        (lambda: light.receiver(owned, Pictures(PUBLIC.images[:, :8, :8], PUBLIC.labels)), "of this size"),
        (lambda: Pictures(PRIVATE.images, PRIVATE.labels[:-1]), "one label each"),
        (lambda: replace(owned, classes=("a", "a", "b")), "by another name"),
        (lambda: replace(owned, weights={"weight": owned.weights["weight"]}).module(), "another model"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=why):
            wrong()


def test_files_that_are_no_hand_over(owned: Handover) -> None:
    files = owned.files()
    assert set(files) == {"configuration.json", "model.safetensors"}
    assert b"pickle" not in files["model.safetensors"]
    wrong = [
        {}, {"configuration.json": b"{}"}, {"configuration.json": b"[" * 9999},
        {**files, "model.safetensors": files["model.safetensors"][:-1]},
        {**files, "model.safetensors": b"\x80\x04."},
        {**files, "model.safetensors": b"\xff" * 64},
        edited(files, lambda told: {**told, "masquerade": 2}),
        edited(files, lambda told: {**told, "recipe": "soup"}),
        edited(files, lambda told: {**told, "model": {**told["model"], "inputs": 1 << 40}}),
        edited(files, lambda told: {**told, "model": {**told["model"], "kind": "code"}}),
        edited(files, lambda told: {**told, "model": {**told["model"], "more": 1}}),
        edited(files, lambda told: {**told, "features": {"kind": "hog", "run": "x"}}),
        edited(files, lambda told: {**told, "classes": 3}),
        edited(files, lambda told: {**told, "seed": 1 << 63}),
        edited(files, lambda told: {**told, "seed": -1}),
        edited(files, lambda told: {**told, "seed": math.inf}),
        *(
            edited(files, lambda told, price=price: {**told, "privacy": {**told["privacy"], **price}})
            for price in (
                {"epsilon": "\x1b[31m0"}, {"epsilon": math.nan}, {"epsilon": -1}, {"epsilon": None},
                {"epsilon": True}, {"delta": 1.0}, {"delta": "0"},
            )
        ),
        replace(owned, weights={**owned.weights, "bias": owned.weights["bias"] * math.nan}).files(),
    ]  # fmt: skip
    for each in wrong:
        with pytest.raises(BadInput):
            Handover.of(each)


@pytest.mark.parametrize("kind", ["linear", "mlp", "cnn", "vit"])
def test_models_are_rebuilt_from_their_description(kind: Any) -> None:
    shape = Shape(kind, 28, 10, hidden=16)
    told = json.loads(json.dumps(shape.told()))
    one, other = (Shape.of(told).build(7) for _ in range(2))
    x = torch.randn(3, 28, 28) if kind in ("cnn", "vit") else torch.randn(3, 28)
    assert torch.equal(one.eval()(x), other.eval()(x)) and one(x).shape == (3, 10)
    if kind != "linear":
        third = Shape.of(told).build(8)
        assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), third.parameters(), strict=True))


@pytest.mark.parametrize("kind", ["mlp", "cnn", "vit"])
def test_models_are_trained_privately(kind: Any) -> None:
    """Each of them by per-example gradients, whatever layers it has."""
    from masquerade.transfer.train import Plan, train

    model = Shape(kind, 28, 3, hidden=16, dropout=0.1).build()
    x = torch.from_numpy(PRIVATE.images[:200].astype(np.float32) / 255)
    x = x if kind != "mlp" else x[:, 14]
    plan = Plan(200, 0.2, 3, 1.0, 1.0)
    ledger = Ledger(Budget(1000.0, 1e-5), ("x",))
    train(
        model, (x, torch.from_numpy(PRIVATE.labels[:200])), plan, ledger=ledger,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1), microbatch=16,
    )  # fmt: skip
    assert all(torch.isfinite(value).all() for value in model.parameters())


def test_shapes_that_are_none() -> None:
    for wrong in (
        {"kind": "x"}, {"inputs": 0}, {"inputs": True}, {"classes": -1}, {"dropout": 1.0},
        {"kind": "cnn", "inputs": 29},
        {"kind": "vit", "hidden": 6, "inputs": 28}, {"hidden": 1 << 20, "depth": 64},
        {"inputs": 1 << 20, "classes": 1 << 15, "hidden": 1, "depth": 1},
    ):  # fmt: skip
        with pytest.raises(BadInput):
            Shape(**{"kind": "linear", "inputs": 28, "classes": 3, **wrong})


def test_the_card_is_that_of_the_model_it_comes_with(owned: Handover) -> None:
    """A full model is no longer the linear one on the owner's features; what it cost stays said."""
    for made in (
        light.receiver(owned, PARTLY, RECEIVING),
        light.receiver(owned, PARTLY, replace(RECEIVING, steps=1)),
    ):
        assert made.model.kind == "mlp" and "linear" not in made.card and "mlp" in made.card
        assert f"epsilon {owned.privacy['epsilon']:.4g}" in made.card
        assert made.privacy == owned.privacy


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"steps": -1}, {"head_steps": -1}, {"rate": 0.0}, {"rate": math.nan}]
)
def test_a_training_of_no_steps_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        Receiving(**wrong)

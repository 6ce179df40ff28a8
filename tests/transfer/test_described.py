"""Classes that were never seen, told from what is said of them: on pictures made of what their names say, and
on Fashion-MNIST, whose classes a person described."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed to train with")
pytest.importorskip("dp_accounting", reason="dp-accounting is not installed to price noise with")
pytest.importorskip("safetensors", reason="safetensors is not installed to hand weights over with")

from masquerade.dp.ledger import Budget, Ledger  # noqa: E402
from masquerade.errors import BadInput, BudgetExceeded  # noqa: E402
from masquerade.transfer import described, light, zero_shot  # noqa: E402
from masquerade.transfer.described import FILE, Described, Description, parse, written  # noqa: E402
from masquerade.transfer.features import Features  # noqa: E402
from masquerade.transfer.handover import Handover, Pictures  # noqa: E402
from masquerade.transfer.recipes import Owning  # noqa: E402
from tests import fashion  # noqa: E402

ROOT = Path(__file__).parents[2]

PLACES = ("top", "middle", "bottom", "left", "right")
PAIRS = list(combinations(PLACES, 2))
CLASSES = tuple(f"{one} and {other}" for one, other in PAIRS)
TOLD = {
    name: Description(dict.fromkeys(pair, 1.0), f"bars on the {name}")
    for name, pair in zip(CLASSES, PAIRS, strict=True)
}
"""Ten classes of pictures, each with two of five bars."""
UNSEEN = ("top and right", "middle and left")
SEEN = tuple(name for name in CLASSES if name not in UNSEEN)
KNOWN = {name: TOLD[name] for name in SEEN}
OWNING = Owning(3.0, 1e-5, 3000, SEEN, Features("pixels"), batch=300, steps=80, l2_clip_norm=0.5, rate=4.0)


def drawn(n: int, seed: int, classes: tuple[str, ...]) -> Pictures:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, len(classes), n)
    images = generator.normal(60, 40, (n, 28, 28))
    at = {"top": np.s_[2:6], "middle": np.s_[12:16], "bottom": np.s_[22:26],
          "left": np.s_[:, 2:6], "right": np.s_[:, 22:26]}  # fmt: skip
    for image, label in zip(images, labels, strict=True):
        for place in TOLD[classes[label]].attributes:
            image[at[place]] += 90
    return Pictures(np.clip(images, 0, 255).astype(np.uint8), labels)


PRIVATE, NEW = drawn(3000, 1, SEEN), drawn(1000, 2, UNSEEN)
EVERY = drawn(2000, 3, (*SEEN, *UNSEEN))


def a_ledger(epsilon: float = 3.0) -> Ledger:
    return Ledger(Budget(epsilon, 1e-5), ("pictures",), unit="picture")


def told_apart(full: Handover, pictures: Pictures, unseen: int) -> float:
    """Accuracy among the last classes alone, on pictures of these."""
    told = full.logits(pictures.images)[:, -unseen:].argmax(1).numpy()
    return float((told == pictures.labels).mean())


@pytest.fixture(scope="module")
def owned() -> Described:
    return described.owner(lambda: PRIVATE, OWNING, KNOWN, a_ledger())


@pytest.mark.parametrize("by", ["attributes", "words"])
def test_classes_named_after_the_move_are_recognised(owned: Described, by: Any) -> None:
    came = Described.of(dict(owned.files()))
    assert came == replace(owned, handover=came.handover) and came.handover.privacy["epsilon"] <= 3
    full = described.receiver(came, {name: TOLD[name] for name in UNSEEN}, by=by)
    assert (
        full.classes == (*SEEN, *UNSEEN) and full.stage == "full" and full.privacy == owned.handover.privacy
    )
    assert told_apart(full, NEW, 2) > 0.9
    assert full.accuracy(EVERY) > 0.7, "of all ten classes, two of which nobody ever showed it"
    assert Handover.of(full.files()).accuracy(EVERY) == full.accuracy(EVERY)


def test_seen_classes_are_told_as_before(owned: Described) -> None:
    full = described.receiver(owned, TOLD)
    before, after = (each.logits(PRIVATE.images)[:, : len(SEEN)] for each in (owned.handover, full))
    assert torch.allclose(before, after, atol=1e-4)


def test_public_pictures_where_only_a_definition_came() -> None:
    def tripwire() -> Pictures:
        raise AssertionError("the private reader was opened")

    sent = described.owner(tripwire, OWNING, KNOWN)
    assert sent.handover.privacy["epsilon"] == 0 and not sent.handover.weights
    came = Described.of(sent.files())
    full = described.receiver(came, TOLD, drawn(1500, 4, SEEN))
    assert told_apart(full, NEW, 2) > 0.9 and full.accuracy(EVERY) > 0.7
    with pytest.raises(BadInput, match="needs public pictures"):
        described.receiver(came, TOLD)
    unknown = Pictures(PRIVATE.images, np.full(3000, -1))
    beyond = Pictures(PRIVATE.images, PRIVATE.labels + 1)
    small = Pictures(PRIVATE.images[:, :20, :20], PRIVATE.labels)
    for public, why in ((unknown, "with labels"), (beyond, "with labels"), (small, "not of the size")):
        with pytest.raises(BadInput, match=why):
            described.receiver(came, TOLD, public)


def test_the_ledger_pays_first_and_descriptions_are_looked_at_before() -> None:
    def tripwire() -> Pictures:
        raise AssertionError("the private reader was opened")

    poor, rich = a_ledger(0.5), a_ledger()
    with pytest.raises(BudgetExceeded):
        described.owner(tripwire, OWNING, KNOWN, poor)
    with pytest.raises(BadInput, match="1 of 8 classes have no description"):
        described.owner(tripwire, OWNING, {name: TOLD[name] for name in SEEN[1:]}, rich)
    assert poor.spent == rich.spent == 0
    described.owner(lambda: PRIVATE, replace(OWNING, steps=2), KNOWN, rich)
    assert 2.9 < rich.spent <= 3


def test_what_tells_nothing_is_refused(owned: Described) -> None:
    mean = Description({place: float(np.mean([place in p for p in PAIRS if " and ".join(p) in SEEN]))
                        for place in PLACES})  # fmt: skip
    new = {"new": TOLD[UNSEEN[0]]}
    for wrong, why in (
        (lambda: described.receiver(owned), "at least one class"),
        (lambda: described.receiver(owned, {"new": mean}), "on average"),
        (lambda: described.receiver(owned, {"new": Description({"top": 1})}, by="words"), "without words"),
        (lambda: described.receiver(owned, {"new": Description({}, "")}), "without words"),
        (lambda: described.receiver(owned, {f"{i}": TOLD[UNSEEN[0]] for i in range(256)}), "256 in all"),
        (lambda: described.named(light_of(kind="mlp"), {**KNOWN, **new}), "linear classifier"),
        (lambda: described.named(light_of(stage="full"), {**KNOWN, **new}), "linear classifier"),
        (lambda: described.named(light_of(scale=float("nan")), {**KNOWN, **new}), "beyond any"),
        (lambda: described.named(light_of(cut=True), {**KNOWN, **new}), "linear classifier"),
        (lambda: Described(owned.handover, new), "8 of 8 classes have no description"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=why):
            wrong()


def light_of(kind: Any = "linear", stage: Any = "trained", scale: float = 1.0, cut: bool = False) -> Handover:
    """A hand-over as an enemy would make it."""
    made = zero_shot.owner(lambda: PRIVATE, OWNING)
    weight = torch.ones(8, made.model.inputs - cut) * scale
    weights = {"weight": weight, "bias": torch.zeros(8)}
    return replace(made, stage=stage, model=replace(made.model, kind=kind), weights=weights)


def test_a_hand_over_without_descriptions_is_not_one_of_these() -> None:
    handover = light.owner(lambda: PRIVATE, replace(OWNING, steps=2), a_ledger())
    with pytest.raises(BadInput, match="without descriptions"):
        Described.of(handover.files())


# -- descriptions ----------------------------------------------------------------------------------------


def test_descriptions_go_and_come_back() -> None:
    told = {**TOLD, "大衣": Description({"长袖": 1, "领": 0.8}, "长袖的外套"), "bare": Description()}
    assert parse(written(told)) == told and written(parse(written(told))) == written(told)


def attributes(change: Callable[[dict[str, Any]], Any]) -> bytes:
    told: dict[str, Any] = {"top": 1}
    return json.dumps({"x": {"attributes": change(told), "words": "w"}}).encode()


@pytest.mark.parametrize("raw", [
    b"", b"{}", b"[]", b"7", b"\xff", b"[" * 9999, b'{"x": 1}', b'{"x": {"more": 1}}', b'{"x": {"words": 1}}',
    b'{"": {"words": "w"}}', b'{"a\\u0000b": {"words": "w"}}', b'{"\\ud800": {"words": "w"}}',
    json.dumps({"x" * 201: {"words": "w"}}).encode(), json.dumps({"x": {"words": "w" * 5000}}).encode(),
    json.dumps({str(i): {"words": "w"} for i in range(257)}).encode(), b" " * ((1 << 20) + 1),
    attributes(lambda told: []), attributes(lambda told: None), attributes(lambda told: {"top": "1"}),
    attributes(lambda told: {"top": True}), attributes(lambda told: {"top": 1.1}),
    attributes(lambda told: {"": 1}),
    attributes(lambda told: {"top": float("nan")}), attributes(lambda told: {"top": -1e999}),
    attributes(lambda told: {str(i): 1 for i in range(513)}), attributes(lambda told: {"top": None}),
    b'{"x": {"attributes": {"top": 1' + b"0" * 9999 + b"}}}", b'{"x": {"words": "\\ud800"}}',
], ids=lambda raw: f"{len(raw)} bytes")  # fmt: skip
def test_descriptions_that_are_none(raw: bytes, owned: Described) -> None:
    with pytest.raises(BadInput):
        parse(raw)
    with pytest.raises(BadInput):
        Described.of({**owned.files(), FILE: raw})


def test_words_are_alike_as_they_are_spelled() -> None:
    def alike(one: str, other: str) -> float:
        return float(described.embedded(one) @ described.embedded(other))

    assert alike("long sleeves", "Sleeves, LONG!") == pytest.approx(1)
    assert alike("long sleeves", "long sleeve") > 0.4 > 0.2 > alike("a shoe", "the boot")
    assert np.linalg.norm(described.embedded("长袖的外套")) == pytest.approx(1)


# -- real pictures ---------------------------------------------------------------------------------------

CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


@fashion.needed
def test_clothes_are_recognised_by_their_descriptions() -> None:
    """Neighbours in the order of the labels, each pair never seen once: far above chance on average."""
    told = parse((ROOT / "bench" / "described.json").read_bytes())
    whole = Pictures(*(part[:8000] for part in fashion.pictures("train")))
    found: dict[described.By, list[float]] = {"attributes": [], "words": []}
    for first in range(0, 10, 2):
        unseen = (first, first + 1)
        kept = [i for i in range(10) if i not in unseen]
        at = np.isin(whole.labels, unseen)
        public = Pictures(whole.images[~at], np.searchsorted(kept, whole.labels[~at]))
        new = Pictures(whole.images[at], whole.labels[at] - first)
        how = Owning(1.0, 1e-5, len(whole.images), tuple(CLOTHES[i] for i in kept))
        sent = described.owner(lambda: whole, how, {CLOTHES[i]: told[CLOTHES[i]] for i in kept})
        more = {CLOTHES[i]: told[CLOTHES[i]] for i in unseen}
        for by, each in found.items():
            each.append(told_apart(described.receiver(sent, more, public, by=by), new, 2))
    assert np.mean(found["attributes"]) > 0.7 and np.mean(found["words"]) > 0.65, found

"""The recipes on modules of one's own: tables, tokens, backbones, adapters; files alone between the sides."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed to train with")
pytest.importorskip("dp_accounting", reason="dp-accounting is not installed to price noise with")
pytest.importorskip("safetensors", reason="safetensors is not installed to hand weights over with")

from torch import nn  # noqa: E402

from masquerade.dp.ledger import Budget, Ledger  # noqa: E402
from masquerade.errors import BadInput  # noqa: E402
from masquerade.transfer import light, one_stage, recipes, zero_shot  # noqa: E402
from masquerade.transfer.features import Features  # noqa: E402
from masquerade.transfer.handover import Examples, Handover, Pictures, backbone_of, weights_of  # noqa: E402
from masquerade.transfer.models import OwnModel, Shape  # noqa: E402
from masquerade.transfer.recipes import RECIPES, Owning, Receiving, head_stage  # noqa: E402
from tests.transfer.files import edited  # noqa: E402

CLASSES = ("low", "middle", "high")
RECEIVING = Receiving(steps=300, rate=1e-2, head_steps=60, head_rate=1e-2)


def readings(n: int, seed: int) -> Examples:
    """Ten numbers each; the class is in a bent function of some of them."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 10)).astype(np.float32)
    told = x[:, 0] + x[:, 1] ** 2 - 0.5 * x[:, 2]
    return Examples(x, np.digitize(told, (0.2, 1.4)).astype(np.int64))


PRIVATE, PUBLIC, TEST = readings(4000, 1), readings(1500, 2), readings(2000, 3)
UNLABELLED = replace(PUBLIC, labels=np.full(1500, -1))


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 3))


def large() -> nn.Module:
    """With a BatchNorm, which no private training may have, and the receiver's may."""
    return nn.Sequential(nn.Linear(10, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 3))


SMALL, LARGE = OwnModel("readings, small", 3, small), OwnModel("readings, large", 3, large)


def owning(model: Any, **more: Any) -> Owning:
    fits = {"batch": 500, "steps": 80, "l2_clip_norm": 0.5, "rate": 0.5, "microbatch": 500}
    return Owning(4.0, 1e-5, 4000, CLASSES, model=model, **{**fits, **more})


def a_ledger() -> Ledger:
    return Ledger(Budget(4.0, 1e-5), ("readings",))


def private() -> Examples:
    return PRIVATE


@pytest.fixture(scope="module")
def owned() -> Handover:
    return light.owner(private, owning(SMALL), a_ledger())


def test_light_teaches_another_module(owned: Handover) -> None:
    came = Handover.of(owned.files(), SMALL)
    before = came.accuracy(TEST)
    assert before > 0.6 and came.privacy["epsilon"] <= 4.0 and came.features is None
    full = light.receiver(came, PUBLIC, replace(RECEIVING, model=LARGE))
    assert full.accuracy(TEST) > before and full.privacy == came.privacy
    back = Handover.of(full.files(), LARGE)
    assert torch.equal(back.logits(TEST.inputs), full.logits(TEST.inputs)), "running means went with it"
    assert "1.running_mean" in back.weights and "readings, large" in back.card
    taught = light.receiver(came, UNLABELLED, replace(RECEIVING, model=LARGE))
    assert taught.accuracy(TEST) > before - 0.05, "its predictions teach, without a label"


def test_without_labels_a_model_does_not_teach_itself(owned: Handover) -> None:
    with pytest.raises(BadInput, match="by its own words"):
        light.receiver(owned, UNLABELLED, RECEIVING)


def test_one_stage_goes_on_from_what_came(owned: Handover) -> None:
    came = replace(owned, recipe="one-stage")
    some = replace(PUBLIC, labels=np.where(np.arange(1500) < 300, PUBLIC.labels, -1))
    moved = head_stage(came, some, RECEIVING)
    same = {name: torch.equal(moved.weights[name], came.weights[name]) for name in came.weights}
    assert same == {"0.weight": True, "0.bias": True, "2.weight": False, "2.bias": False}, "the head alone"
    stages: list[str] = []
    full = one_stage.receiver(came, PUBLIC, RECEIVING, lambda told: stages.append(told.stage))
    assert list(dict.fromkeys(stages)) == ["head", "full"]
    assert full.accuracy(TEST) > came.accuracy(TEST) + 0.02


def test_zero_shot_reads_nothing() -> None:
    def tripwire() -> Examples:
        raise AssertionError("the private reader was opened")

    sent = zero_shot.owner(tripwire, owning(SMALL))
    assert sent.files() == zero_shot.owner(private, owning(SMALL)).files() and not sent.weights
    full = zero_shot.receiver(Handover.of(sent.files(), SMALL), PUBLIC, RECEIVING)
    assert full.accuracy(TEST) > 0.8


# -- a public backbone -----------------------------------------------------------------------------------


class Backed(nn.Module):
    """A frozen backbone with a BatchNorm in it, and a head."""

    def __init__(self, state: dict[str, Any]) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(10, 64), nn.BatchNorm1d(64), nn.ReLU())
        self.backbone.load_state_dict(state)
        self.backbone.requires_grad_(False)
        self.head = nn.Linear(64, 3)

    def forward(self, x: Any) -> Any:
        return self.head(self.backbone(x))


@pytest.fixture(scope="module")
def pretrained() -> dict[str, Any]:
    """Of a model that public examples made."""
    came = zero_shot.owner(private, owning(LARGE))
    made = zero_shot.receiver(came, readings(1500, 9), RECEIVING).module()
    return nn.Sequential(*list(made)[:3]).state_dict()


def test_a_head_on_a_public_backbone(pretrained: dict[str, Any]) -> None:
    """What travels is the head; the backbone is known by its digest."""
    backed = OwnModel("backed", 3, lambda: Backed(pretrained))
    sent = one_stage.owner(private, owning(backed, rate=1.0), a_ledger())
    assert set(sent.weights) == {"head.weight", "head.bias"} and len(sent.backbone) == 64
    came = Handover.of(sent.files(), backed)
    assert came.accuracy(TEST) > 0.75
    full = one_stage.receiver(came, PUBLIC, RECEIVING)
    assert {"backbone.0.weight", "backbone.1.running_var", "head.bias"} <= set(full.weights)
    assert not full.backbone and full.accuracy(TEST) > came.accuracy(TEST) - 0.02

    other = {name: value + 1 for name, value in pretrained.items()}
    with pytest.raises(BadInput, match="backbone is another"):
        Handover.of(sent.files(), OwnModel("backed", 3, lambda: Backed(other))).module()


class Reader(nn.Module):
    """Tokens to classes, by attention; a stand-in for any public language model."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(12, 16)
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.score = nn.Linear(16, 2)

    def forward(self, x: Any) -> Any:
        inner = self.tokens(x)
        mixed = torch.softmax(self.query(inner) @ self.key(inner).mT / 4, -1) @ self.value(inner)
        return self.score((inner + mixed).mean(1))


def texts(n: int, seed: int) -> Examples:
    """Six tokens each: is there more of the first half of the vocabulary?"""
    tokens = np.random.default_rng(seed).integers(0, 12, (n, 6))
    return Examples(tokens, (np.sum(tokens < 6, 1) > 3).astype(np.int64))


def test_lora_and_a_head(recwarn: pytest.WarningsRecorder) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed to put adapters in")

    def made() -> nn.Module:
        config = peft.LoraConfig(r=4, target_modules=["query", "value"], modules_to_save=["score"])
        return peft.get_peft_model(Reader(), config)

    adapted = OwnModel("reader with adapters", 2, made, prepare=torch.from_numpy)
    how = Owning(
        4.0, 1e-5, 3000, ("few", "many"), model=adapted, batch=600, steps=60, l2_clip_norm=0.5, rate=0.02,
        optimizer="adam", microbatch=600,
    )  # fmt: skip
    sent = one_stage.owner(lambda: texts(3000, 1), how, a_ledger())
    assert sent.weights and all("lora_" in name or "score" in name for name in sent.weights)
    came, test = Handover.of(sent.files(), adapted), texts(1000, 2)
    assert came.accuracy(test) > 0.8
    full = one_stage.receiver(came, texts(800, 3), RECEIVING)
    assert full.accuracy(test) > came.accuracy(test) - 0.02
    assert len(full.weights) > len(sent.weights), "the backbone is trained as well, and travels"


# -- what goes wrong --------------------------------------------------------------------------------------


def test_code_never_travels_and_is_asked_for(owned: Handover) -> None:
    files = owned.files()
    for model, why in (
        (None, "give that code"),
        (OwnModel("another", 3, small), "another own model"),
        (OwnModel("readings, small", 2, small), "another own model"),
    ):
        with pytest.raises(BadInput, match=why):
            Handover.of(files, model)
    with pytest.raises(BadInput, match="another model"):
        Handover.of(files, OwnModel("readings, small", 3, large)).module()
    for told in (
        {"kind": "own"},
        {"kind": "own", "name": "readings, small", "classes": 3, "code": "x"},
        {},
        3,
    ):
        with pytest.raises(BadInput):
            Handover.of(edited(files, lambda whole, told=told: {**whole, "model": told}), SMALL)
    with pytest.raises(BadInput):
        Handover.of(edited(files, lambda whole: {**whole, "features": {"kind": "x"}}), SMALL)
    with pytest.raises(BadInput, match="sees none"):
        Handover.of(edited(files, lambda whole: {**whole, "features": asdict(Features())}), SMALL)


def test_what_cannot_be_trained_is_refused_before_anything_is_paid() -> None:
    ledger = a_ledger()
    for how, why in (
        (owning(LARGE), "BatchNorm"),
        (owning(OwnModel("none", 3, lambda: small().requires_grad_(False))), "trainable"),
        (owning(SMALL, optimizer="sgd", rate=0.5, microbatch=0), "microbatch"),
    ):
        with pytest.raises(BadInput, match=why):
            light.owner(private, how, ledger)
    with pytest.raises(RuntimeError, match="shapes"):  # as PyTorch says it, of the module's own code
        light.owner(private, owning(OwnModel("wide", 3, lambda: nn.Linear(11, 3))), ledger)
    with pytest.raises(BadInput, match="names no class"):
        light.owner(lambda: replace(PRIVATE, labels=PRIVATE.labels + 1), owning(SMALL), ledger)
    assert ledger.spent == 0


@pytest.mark.parametrize(
    "prepare",
    [
        lambda x: torch.from_numpy(x - x.mean(0)),
        lambda x: torch.from_numpy(x / np.abs(x).max()),
        lambda x: torch.from_numpy(np.hstack([x, np.full((len(x), len(x) % 7), 1, np.float32)])),
    ],
)
def test_what_prepare_takes_from_other_examples_is_refused(prepare: Any) -> None:
    """It would be in the weights, and nobody paid for it."""
    ledger = a_ledger()
    with pytest.raises(BadInput, match="not paid for"):
        light.owner(private, owning(replace(SMALL, prepare=prepare)), ledger)
    with pytest.raises(BadInput, match="one input for each") as refused:
        light.owner(private, owning(replace(SMALL, prepare=lambda x: torch.from_numpy(x[1:]))), ledger)
    assert "4" not in str(refused.value), "how many records there are is private"
    assert ledger.spent == 0


def test_a_model_of_other_classes_is_refused_before_it_pays() -> None:
    ledger = a_ledger()
    for wide in (lambda: nn.Linear(10, 5), lambda: nn.Sequential(nn.Linear(10, 3), nn.Unflatten(1, (3, 1)))):
        with pytest.raises(BadInput, match="number for each class"):
            light.owner(private, owning(OwnModel("wide", 3, wide)), ledger)
    assert ledger.spent == 0


def test_a_head_is_found_or_named(owned: Handover) -> None:
    headless = OwnModel(
        "headless", 3, lambda: nn.Sequential(nn.Linear(10, 3), nn.Softplus(), nn.LayerNorm(3))
    )
    assert head_stage(trained(headless), PUBLIC, RECEIVING).weights.keys()
    named = replace(headless, head="2")
    moved = head_stage(trained(named), PUBLIC, RECEIVING)
    before = trained(named).weights
    assert [n for n in moved.weights if not torch.equal(moved.weights[n], before[n])] == [
        "2.weight",
        "2.bias",
    ]
    with pytest.raises(BadInput, match="name its head"):
        head_stage(trained(replace(headless, head="7")), PUBLIC, RECEIVING)


def test_what_is_frozen_in_a_head_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not handed on: were it moved, the head would be one that fits another."""

    def made() -> nn.Module:
        head = nn.Sequential(nn.Linear(10, 8), nn.Tanh(), nn.Linear(8, 3))
        head[0].requires_grad_(False)
        return nn.Sequential(nn.LayerNorm(10), head)

    came, fitted = trained(OwnModel("half a head", 3, made, head="1")), []
    fit = recipes._fit
    monkeypatch.setattr(recipes, "_fit", lambda model, *a, **k: (fit(model, *a, **k), fitted.append(model)))
    moved = head_stage(came, PUBLIC, RECEIVING)
    seen = fitted[0](torch.from_numpy(TEST.inputs))
    assert torch.equal(moved.logits(TEST.inputs), seen) and not torch.equal(came.logits(TEST.inputs), seen)


def test_nobody_hands_over_a_backbone() -> None:
    """Weights are those of their stage, and what is not among them is known by its digest."""
    state = Backed(nn.Sequential(nn.Linear(10, 64), nn.BatchNorm1d(64)).state_dict()).state_dict()
    backed = OwnModel("backed", 3, lambda: Backed({n[9:]: v for n, v in state.items() if n[:4] == "back"}))
    honest = trained(backed)
    assert honest.weights.keys() == {"head.weight", "head.bias"} and honest.module()
    model, other = backed.build(), {"backbone.0.weight": torch.ones(64, 10)}
    for made in (
        replace(honest, backbone=""),
        replace(honest, backbone="", weights={**honest.weights, **other}),
        replace(honest, weights={**honest.weights, **other}, backbone=backbone_of(model, other)),
        replace(honest, weights={**honest.weights, "backbone.1.running_var": torch.zeros(64)}),
        replace(honest, weights={}),
        replace(honest, stage="definition"),
        replace(honest, stage="full"),
    ):
        with pytest.raises(BadInput, match=r"of another stage|backbone is another"):
            Handover.of(made.files(), backed).module()


def test_a_batchnorm_without_weights_stays_as_it_is_used_beside_frozen_layers() -> None:
    """It holds numbers that are not trained, wherever it stands; where nothing is frozen it is trained."""

    def made() -> nn.Module:
        model = nn.Sequential(nn.Linear(10, 8), nn.BatchNorm1d(8, affine=False), nn.Linear(8, 3))
        model[0].requires_grad_(False)
        return model

    own = OwnModel("without weights", 3, made)
    sent = one_stage.owner(private, owning(own, steps=4), a_ledger())
    assert sent.weights.keys() == {"2.weight", "2.bias"} and sent.module()
    few = replace(RECEIVING, steps=4, head_steps=4)
    assert head_stage(sent, PUBLIC, few).weights.keys() == sent.weights.keys()
    full = one_stage.receiver(sent, PUBLIC, few)
    assert full.weights["1.num_batches_tracked"] == 4, "of the full model alone"


def test_a_name_is_no_kind() -> None:
    card = light.owner(private, owning(OwnModel("linear", 3, small), steps=2), a_ledger()).card
    assert "features" not in card


def trained(model: OwnModel) -> Handover:
    """As it begins, handed over as if it had been trained."""
    made = model.build()
    weights, backbone = weights_of(made), backbone_of(made, weights_of(made))
    return Handover("one-stage", "trained", None, model, CLASSES, weights=weights, backbone=backbone)


def test_a_full_model_of_pictures_needs_pictures(owned: Handover) -> None:
    with pytest.raises(BadInput, match="give your own"):
        light.receiver(owned, PUBLIC, Receiving(model=Shape("mlp", 10, 3)))
    with pytest.raises(BadInput, match="one label each"):
        Examples(PUBLIC.inputs, PUBLIC.labels[1:])
    for other in (np.int32, np.uint8, np.float32):  # PyTorch would refuse them later, in other words
        with pytest.raises(BadInput, match="int64"):
            Examples(PUBLIC.inputs, PUBLIC.labels.astype(other))
    with pytest.raises(BadInput, match="height, width"):
        Pictures(PUBLIC.inputs, PUBLIC.labels)
    assert (
        "1500" in repr(PUBLIC) and repr(Pictures(np.zeros((0, 2, 2)), np.zeros(0, np.int64))) == "Pictures(0)"
    )


# -- other models of this project at the owner's ----------------------------------------------------------


@pytest.mark.parametrize("recipe", ["light", "one-stage", "zero-shot"])
def test_a_cnn_of_the_owner(recipe: str) -> None:
    from tests.transfer.test_recipes import PARTLY, drawn
    from tests.transfer.test_recipes import PRIVATE as PICTURES

    how = Owning.cnn(4.0, 1e-5, 3000, CLASSES, batch=600, steps=30, rate=1.0, l2_clip_norm=0.5)
    sent = RECIPES[recipe].owner(lambda: PICTURES, how, a_ledger())
    assert (
        isinstance(sent.model, Shape)
        and sent.model.kind == "cnn"
        and bool(sent.weights) == (recipe != "zero-shot")
    )
    full = RECIPES[recipe].receiver(
        Handover.of(sent.files()), PARTLY, Receiving(hidden=64, steps=60, rate=2e-3)
    )
    test = drawn(1000, 2)
    assert full.model.kind == "mlp" and full.accuracy(test) > 0.6
    if sent.weights:
        assert "cnn" in sent.card and sent.accuracy(test) > 0.4

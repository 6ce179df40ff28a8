"""Three ways for a model to go from where the data are to where the compute is.

    light      owner     a small model, trained with privacy
               receiver  a full one, taught by it on public inputs
    zero-shot  owner     definition, features and a public seed
               receiver  a full model, trained on public examples
    one-stage  owner     a small model, trained with privacy to a declared degree
               receiver  its head alone, held near what came; then a full one

What passes between them is a :class:`~masquerade.transfer.handover.Handover`: files without code, to be
sealed (:mod:`masquerade.seal`). Models are those of :mod:`masquerade.transfer.models`, on pictures; or any
module, on any examples (:class:`~masquerade.transfer.models.OwnModel`).
All that leaves the owner either was paid for by the owner's ledger, or does not depend on the data: the
owner's side of zero-shot is not even given them. What the receiver does later costs nothing more: it is
post-processing (Dwork and Roth, "The Algorithmic Foundations of Differential Privacy", 2014, proposition
2.1), if its public inputs are not the owner's records.

Sources: Kumar and others, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution",
ICLR 2022 (head first, then all); Li, Grandvalet and Davoine, "Explicit Inductive Bias for Transfer Learning",
ICML 2018 (near the migrated weights); Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural
Network", 2015.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from masquerade import crypto
from masquerade.dp.ledger import Ledger
from masquerade.errors import BadInput
from masquerade.transfer.features import Features
from masquerade.transfer.handover import (
    Examples,
    Handover,
    Recipe,
    backbone_of,
    weights_of,
    widened,
)
from masquerade.transfer.models import Mlp, OwnModel, Shape, head_of, state_of
from masquerade.transfer.train import Limits, Plan, Progress, check_labels, train

_FLAT = 0.01
"""A feature that moves less than this over the public pictures is not blown up."""
_FASTEST = 1e6
_ROUNDED = 1e-3
"""What an input may differ by, where it is computed alone or with others."""


# -- the owner -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Owning:
    """How the owner trains. All of it is public."""

    epsilon: float
    delta: float
    examples: int
    """The declared number of records."""
    classes: tuple[str, ...]
    features: Features = field(default_factory=Features)
    model: Shape | OwnModel | None = None
    """None: a linear one on the features. What else is set here suits that one."""
    batch: int = 8192
    steps: int = 280
    l2_clip_norm: float = 0.1
    rate: float = 32.0
    optimizer: Literal["sgd", "adam"] = "sgd"
    """``sgd`` has a momentum of 0.9."""
    average: float = 0.5
    """The share of the last steps whose models are averaged."""
    microbatch: int = 4096
    """How many examples go through the model at once."""
    seed: int = 0
    side: int = 28
    """Of a picture, which is a square: declared, so that a definition can be made without one."""

    @classmethod
    def cnn(
        cls, epsilon: float, delta: float, examples: int, classes: tuple[str, ...], **more: Any
    ) -> Owning:
        """A small convolutional network on pixels, with what suits it."""
        shape = Shape("cnn", more.get("side", 28), len(classes))
        fits = {"batch": 1024, "steps": 400, "l2_clip_norm": 0.1, "rate": 4.0, "microbatch": 1024}
        return cls(epsilon, delta, examples, classes, **{"model": shape, **fits, **more})

    def __post_init__(self) -> None:
        if not (0 < self.epsilon < math.inf and 0 < self.delta < 1):
            raise BadInput("epsilon is above 0 and finite, delta between 0 and 1")
        if not 0 < self.rate <= _FASTEST:
            raise BadInput(f"the learning rate is above 0, and at most {_FASTEST:g}")


def _train_light(
    recipe: Recipe,
    read: Callable[[], Examples],
    how: Owning,
    ledger: Ledger,
    progress: Callable[[Progress], None] | None,
    limits: Limits | None,
) -> Handover:
    definition = _definition(recipe, how)
    model = definition.module()
    size = sum(value.numel() for value in model.parameters() if value.requires_grad)
    if not size:
        raise BadInput("no parameter of this model is trainable: all have requires_grad = False")
    plan = Plan.calibrate(
        how.epsilon, how.delta, examples=how.examples, batch=how.batch, steps=how.steps,
        l2_clip_norm=how.l2_clip_norm, parameters=size,
    )  # fmt: skip
    ledger.check(plan.event(size))  # better now than after the features
    private = read()
    _check_private(private, how)  # before anything is paid
    data = definition.inputs(private.inputs), torch.from_numpy(private.labels)
    if isinstance(how.model, OwnModel):
        _check_own(how.model, model, private.inputs, data[0])
    trained = train(
        _training(model), data, plan, ledger=ledger, optimizer=_optimizer(model, how), average=how.average,
        note=f"{recipe} transfer", microbatch=how.microbatch, progress=progress, limits=limits,
    )  # fmt: skip
    why = "the weights come from this training alone; what is made of them later is post-processing"
    privacy = trained.price(ledger.unit, why)
    card = _card(recipe, how, privacy["epsilon"])
    return replace(definition, stage="trained", weights=weights_of(model), privacy=privacy, card=card)


def _check_private(private: Examples, how: Owning) -> None:
    if len(private.labels) and not 0 <= private.labels.min() <= private.labels.max() < len(how.classes):
        raise BadInput("a label names no class: they go from 0 to the number of classes less one")
    if isinstance(how.model, OwnModel):
        return
    if private.inputs.shape[1:] != (how.side, how.side):
        raise BadInput(f"the pictures are no squares of {how.side} pixels, as declared")


def _check_own(own: OwnModel, model: nn.Module, examples: NDArray[Any], prepared: Tensor) -> None:
    """Each example is prepared by itself, and told a number for each class."""
    if len(prepared) != len(examples):
        raise BadInput("prepare gives one input for each example")
    for at in {0, len(examples) - 1} if len(examples) else ():
        alone, among = own.prepare(examples[at : at + 1]), prepared[at : at + 1]
        if alone.shape != among.shape or not torch.allclose(
            alone.double(), among.double(), rtol=_ROUNDED, atol=_ROUNDED, equal_nan=True
        ):
            raise BadInput(
                "prepare makes of an example something else alone than among others: what it takes from the "
                "others is not paid for (their mean, their longest). Use public numbers"
            )
        with torch.no_grad():
            told = model(widened(alone).to(next(model.parameters()).device))
        if told.shape != (1, own.classes):
            raise BadInput("this model does not tell a number for each class, (n, classes)")


def _optimizer(model: nn.Module, how: Owning) -> torch.optim.Optimizer:
    trained = [value for value in model.parameters() if value.requires_grad]
    if how.optimizer == "adam":
        return torch.optim.Adam(trained, lr=how.rate)
    return torch.optim.SGD(trained, lr=how.rate, momentum=0.9)


def _training(model: nn.Module) -> nn.Module:
    """As it is trained. Beside frozen parts all that holds numbers and is not trained stays as it is used, a
    BatchNorm by the numbers that it has."""
    model.train()
    if all(value.requires_grad for value in model.parameters()):
        return model
    for part in model.modules():
        values = [*part.parameters(), *part.buffers()]
        if values and not any(value.requires_grad for value in values):
            part.eval()
    return model


def _definition(recipe: Recipe, how: Owning) -> Handover:
    if isinstance(how.model, OwnModel):
        backbone = backbone_of(how.model.build(how.seed), {})
        return Handover(recipe, "definition", None, how.model, how.classes, how.seed, backbone=backbone)
    width = how.features(np.zeros((1, how.side, how.side), np.uint8)).shape[1]
    shape = how.model or Shape("linear", width, len(how.classes))
    return Handover(recipe, "definition", how.features, shape, how.classes, how.seed)


def _card(recipe: str, how: Owning, epsilon: float) -> str:
    kind = "linear" if how.model is None else how.model.kind
    by_features = not isinstance(how.model, OwnModel) and kind in ("linear", "mlp")
    seen = f" on {how.features.kind} features" if by_features else ""
    return (
        f"A classifier ({kind}) of {len(how.classes)} classes{seen}, for the recipe "
        f"{recipe}. Trained with differential privacy: epsilon {epsilon:.4g}, delta {how.delta:g}, for one "
        "record; neighbours differ in one record, added or removed. Its accuracy is not stated: measured on "
        "private records it would be private."
    )


# -- the receiver ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Receiving:
    """How the receiver trains, on inputs that are public, masked or synthetic.

    The defaults were chosen on pictures that were neither private, public nor test (``bench/recipes.py``).
    """

    features: Features | None = field(default_factory=lambda: Features("all"))
    """What the full model sees of pictures; None: the features of what came."""
    model: Shape | OwnModel | None = None
    """The full model. None: of pictures an MLP on ``features``; of an own model itself, all of it trained."""
    hidden: int = 512
    depth: int = 2
    steps: int = 800
    """Of the full model; a step takes 256 pictures, or all if there are fewer."""
    rate: float = 5e-4
    decay: float = 1e-2
    near: float = 0.3
    """one-stage: the weight of the squared distance from the head that came."""
    head_steps: int = 80
    head_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.head_steps) < 1:
            raise BadInput("a receiver's training has 1 step or more")
        if not all(0 < rate <= _FASTEST for rate in (self.rate, self.head_rate)):
            raise BadInput(f"the learning rate is above 0, and at most {_FASTEST:g}")


@dataclass(frozen=True)
class Fitting:
    """Where the receiver is."""

    stage: str
    step: int
    steps: int
    loss: float


def _full(handover: Handover, how: Receiving, examples: NDArray[Any]) -> Handover:
    """The full model, fresh from the seed; or what came, if it is an own model and no other is asked for.

    A model of pictures does not begin as the light one: what is taught by its own words has nothing to learn.
    A fresh one cannot follow the noise in them, and does better than its teacher.
    """
    if how.model is None and isinstance(handover.model, OwnModel):
        return handover
    fresh = replace(handover, stage="definition", weights={}, backbone="", seed=how.seed)
    if isinstance(how.model, OwnModel):
        backbone = backbone_of(how.model.build(how.seed), {})
        return replace(fresh, features=None, model=how.model, backbone=backbone)
    if examples.ndim != 3 or examples.shape[1] != examples.shape[2]:
        raise BadInput("a full model of this project sees square pictures: for other examples give your own")
    features, side = how.features or handover.of_pictures(), examples.shape[1]
    if how.model is not None and how.model.kind in ("cnn", "vit"):
        return replace(fresh, features=features, model=how.model)
    width = features(np.zeros((1, side, side), np.uint8)).shape[1]
    shape = how.model or Shape("mlp", width, len(handover.classes), how.hidden, how.depth)
    return replace(fresh, features=features, model=shape)


def _trained_fully(
    handover: Handover,
    examples: NDArray[Any],
    targets: Tensor,
    how: Receiving,
    progress: Callable[[Fitting], None] | None,
) -> Handover:
    full = _full(handover, how, examples)
    model, inputs = full.module().requires_grad_(), full.inputs(examples)
    if isinstance(model, Mlp):
        scale = _Scale.of(inputs)
        _fit(model, inputs, targets, how, "full", progress, scale)
        scale.fold(model)
    else:
        _fit(model, inputs, targets, how, "full", progress)
    return replace(
        full, stage="full", weights=weights_of(model, whole=True), backbone="", card=_full_card(full)
    )


@dataclass(frozen=True)
class _Scale:
    """Inputs at mean 0 and deviation 1 over public pictures, so that all features count alike."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, inputs: Tensor) -> _Scale:
        mean, square = torch.zeros(inputs.shape[1]), torch.zeros(inputs.shape[1])
        for at in range(0, len(inputs), 1024):
            piece = inputs[at : at + 1024].float()
            mean += piece.sum(0) / len(inputs)
            square += piece.square().sum(0) / len(inputs)
        return cls(mean, (square - mean.square()).clamp(min=0).sqrt() + _FLAT)

    def __call__(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation

    def fold(self, model: nn.Module) -> None:
        """Let ``model`` take inputs as they are: the layers that see them do the rest."""
        with torch.no_grad():
            for name in ("head", "body.0"):
                weight, bias = (model.get_parameter(f"{name}.{which}") for which in ("weight", "bias"))
                weight.div_(self.deviation)
                bias.sub_(weight @ self.mean)


def _full_card(full: Handover) -> str:
    """It says what the owner's said of the price, and of the model what it is now."""
    price = ", ".join(
        f"{name} {full.privacy[name]:.4g}" for name in ("epsilon", "delta") if name in full.privacy
    )
    by_features = isinstance(full.model, Shape) and full.model.kind in ("linear", "mlp")
    seen = f" on {full.of_pictures().kind} features" if by_features else ""
    return (
        f"A classifier ({full.model.kind}) of {len(full.classes)} classes{seen}, for the recipe "
        f"{full.recipe}: the receiver's, made of what the owner handed over and of public examples. Of the "
        f"owner's data it tells what was paid for, and no more: {price or 'no price came'}."
    )


def _light_receiver(
    handover: Handover, public: Examples, how: Receiving, progress: Callable[[Fitting], None] | None
) -> Handover:
    """Teach a full model what the light one says of public inputs; known labels take its place."""
    _needs(handover, "trained")
    if not len(public.labels):
        raise BadInput("there is no public example to teach a full model on")
    if how.model is None and isinstance(handover.model, OwnModel) and public.labels.max() < 0:
        raise BadInput(
            "without labels what came would be taught by its own words alone, and learn nothing: give some, "
            "or another full model, Receiving(model=...)"
        )
    return _trained_fully(handover, public.inputs, _taught(handover, public), how, progress)


def _taught(handover: Handover, public: Examples) -> Tensor:
    told = handover.logits(public.inputs).softmax(1)
    known = torch.from_numpy(public.labels)
    at = known >= 0
    told[at] = _one_hot(known[at], handover)
    return told


def _one_hot(labels: Tensor, handover: Handover) -> Tensor:
    check_labels(labels, len(handover.classes))
    return F.one_hot(labels, len(handover.classes)).float()


def _labelled(public: Examples, handover: Handover, why: str) -> tuple[NDArray[Any], Tensor]:
    known = public.labels >= 0
    if not known.any():
        raise BadInput(f"{why} needs public examples with labels")
    return public.inputs[known], _one_hot(torch.from_numpy(public.labels[known]), handover)


def _zero_shot_receiver(
    handover: Handover, public: Examples, how: Receiving, progress: Callable[[Fitting], None] | None
) -> Handover:
    """Train the full model on public examples, from the seed."""
    images, targets = _labelled(public, handover, "zero-shot training")
    return _trained_fully(handover, images, targets, how, progress)


def _one_stage_receiver(
    handover: Handover, public: Examples, how: Receiving, progress: Callable[[Fitting], None] | None
) -> Handover:
    """The head alone; then the full model, taught by that head and by the labels there are."""
    moved = head_stage(handover, public, how, progress)
    return _light_receiver(moved, public, how, progress)


def head_stage(
    handover: Handover,
    public: Examples,
    how: Receiving,
    progress: Callable[[Fitting], None] | None = None,
) -> Handover:
    """What came, its head trained on the public labels and held near where it was.

    Raises:
        BadInput: what came has no trained head, or no public example has a label.
    """
    _needs(handover, "trained")
    examples, targets = _labelled(public, handover, "the stage that trains the head")
    model = handover.module()
    named = handover.model.head if isinstance(handover.model, OwnModel) else ""
    head = [
        value for value in head_of(model, len(handover.classes), named).parameters() if value.requires_grad
    ]
    model.requires_grad_(False)
    for value in head:  # and not what is frozen in it: that would move here, and stay behind
        value.requires_grad_()
    anchors = [value.detach().clone() for value in head]
    stage = replace(how, steps=how.head_steps, rate=how.head_rate, decay=0.0)

    def beside() -> Tensor:
        return how.near * _distance(head, anchors)

    _fit(model, handover.inputs(examples), targets, stage, "head", progress, beside=beside)
    state = state_of(model)
    return replace(handover, weights={name: state[name].detach().clone() for name in handover.weights})


def _distance(values: list[nn.Parameter], anchors: list[Tensor]) -> Tensor:
    parts = [(value - anchor).square().sum() for value, anchor in zip(values, anchors, strict=True)]
    return torch.stack(parts).sum()


def _needs(handover: Handover, stage: str) -> None:
    if handover.stage != stage:
        raise BadInput(f"this recipe goes on from a model that is {stage}: what came is a {handover.stage}")


def _fit(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    how: Receiving,
    stage: str,
    progress: Callable[[Fitting], None] | None,
    scale: Callable[[Tensor], Tensor] = lambda x: x,
    beside: Callable[[], Tensor] = lambda: torch.zeros(()),
    batch: int = 256,
) -> None:
    """Plain training on public data: cross entropy against probabilities, AdamW, a cosine to 0."""
    before = torch.get_rng_state()
    torch.manual_seed(how.seed)
    batches = _batches(how.seed, len(inputs), batch)
    trained = [value for value in model.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=how.rate, weight_decay=how.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, how.steps)
    _training(model)
    try:
        for step in range(how.steps):
            some = next(batches)
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(scale(widened(inputs[some]))), targets[some]) + beside()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            if progress is not None:
                progress(Fitting(stage, step + 1, how.steps, float(loss.detach())))
    finally:
        torch.set_rng_state(before)
    model.eval()


def _batches(seed: int, examples: int, batch: int) -> Iterator[Tensor]:
    """Orders without end, cut in pieces; from a public seed, so the same again."""
    orders = crypto.Keystream(seed.to_bytes(crypto.STREAM_KEY_BYTES, "little"))
    while True:
        order = np.argsort(np.frombuffer(orders.read(8 * examples), "<u8"), kind="stable")
        yield from (torch.from_numpy(order[at : at + batch]) for at in range(0, examples, batch))


# -- the recipes -----------------------------------------------------------------------------------------

_Receiver = Callable[[Handover, Examples, Receiving, "Callable[[Fitting], None] | None"], Handover]


@dataclass(frozen=True)
class Transfer:
    """A recipe: the owner's side, and the receiver's. Each runs where it belongs; a package goes between."""

    name: Recipe
    _receive: _Receiver = field(repr=False)

    def owner(
        self,
        read: Callable[[], Examples],
        how: Owning,
        ledger: Ledger | None = None,
        progress: Callable[[Progress], None] | None = None,
        limits: Limits | None = None,
    ) -> Handover:
        """What the owner hands over.

        Args:
            read: gives the private examples; called once the ledger holds the price. zero-shot never calls
                it, so its hand-over has the same bytes whatever the data are.
            ledger: pays; none is needed for zero-shot.
            limits: of time and memory: see :func:`~masquerade.transfer.train.train`.

        Raises:
            BudgetExceeded: the ledger does not hold the price; the data were not read.
            BadInput: a label names no class, or there is no ledger.
        """
        if self.name == "zero-shot":
            why = "neither weights nor anything else here was computed from private data: they were not read"
            return replace(_definition("zero-shot", how), privacy={"epsilon": 0.0, "delta": 0.0, "why": why})
        if ledger is None:
            raise BadInput("a private training needs a ledger that pays for it")
        return _train_light(self.name, read, how, ledger, progress, limits)

    def receiver(
        self,
        handover: Handover,
        public: Examples,
        how: Receiving | None = None,
        progress: Callable[[Fitting], None] | None = None,
    ) -> Handover:
        """The full model, made of what came and of public examples. Its privacy is that of what came.

        Raises:
            BadInput: what came is of another recipe or stage, or labels are needed and there are none.
        """
        if handover.recipe != self.name:
            raise BadInput(f"what came is for the recipe {handover.recipe}, and this is {self.name}")
        return self._receive(handover, public, how or Receiving(), progress)


light = Transfer("light", _light_receiver)
zero_shot = Transfer("zero-shot", _zero_shot_receiver)
one_stage = Transfer("one-stage", _one_stage_receiver)
RECIPES: dict[str, Transfer] = {each.name: each for each in (light, zero_shot, one_stage)}

"""Three ways for a model to go from where the data are to where the compute is.

    light      owner     a small model, trained with privacy
               receiver  a full one, taught by it on public inputs
    zero-shot  owner     definition, features and a public seed
               receiver  a full model, trained on public examples
    one-stage  owner     a small model, trained with privacy to a declared degree
               receiver  its head alone, held near what came; then a full one

What passes between them is a :class:`Handover`: files without code, to be sealed (:mod:`masquerade.seal`).
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

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
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
from masquerade.transfer.models import Shape
from masquerade.transfer.train import Plan, Progress, check_labels, train

FORMAT = 1
_STAGES = ("definition", "trained", "full")
_LARGEST_HEADER = 1 << 20
_FLAT = 0.01
"""A feature that moves less than this over the public pictures is not blown up."""
_FASTEST = 1e6
Recipe = Literal["light", "zero-shot", "one-stage"]


@dataclass(frozen=True)
class Pictures:
    """Grey pictures with labels. ``repr`` shows how many."""

    images: NDArray[Any]
    """(n, height, width), uint8 or floating."""
    labels: NDArray[np.int64]
    """(n,): 0 to k - 1; -1 where there is none (public inputs only)."""

    def __post_init__(self) -> None:
        if self.images.ndim != 3 or self.labels.shape != self.images.shape[:1]:
            raise BadInput("pictures are (n, height, width), and have one label each")

    def __repr__(self) -> str:
        return f"Pictures({len(self.images)})"


@dataclass(frozen=True)
class Handover:
    """A model on its way: what it is, its weights if it has some, and what they cost."""

    recipe: Recipe
    stage: Literal["definition", "trained", "full"]
    features: Features
    model: Shape
    classes: tuple[str, ...]
    seed: int = 0
    """Weights that are not here are drawn from it."""
    weights: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    privacy: Mapping[str, Any] = field(default_factory=dict)
    """What was paid (epsilon, delta, the event), and why nothing more is owed."""
    card: str = ""

    def __post_init__(self) -> None:
        if len(self.classes) != self.model.classes or len(set(self.classes)) < len(self.classes):
            raise BadInput("a hand-over names each class of its model, and each by another name")
        if not 0 <= self.seed < 1 << 63:
            raise BadInput("a seed is from 0 to 2^63 - 1")

    def module(self) -> nn.Module:
        """The model, with these weights or those of the seed."""
        model = self.model.build(self.seed)
        if self.weights:
            own = dict(model.named_parameters())
            if own.keys() != self.weights.keys() or any(
                own[n].shape != w.shape for n, w in self.weights.items()
            ):
                raise BadInput("the weights are those of another model")
            with torch.no_grad():
                for name, value in self.weights.items():
                    own[name].copy_(value)
        return model.eval()

    def inputs(self, images: NDArray[Any], progress: Callable[[int], None] | None = None) -> Tensor:
        """What the model is given for pictures: their features, or themselves from 0 to 1.

        Raises:
            BadInput: they have not as many as the model sees.
        """
        if self.model.kind in ("cnn", "vit"):
            scale = 255 if images.dtype == np.uint8 else 1
            inputs = images.astype(np.float32) / np.float32(scale)
        else:
            inputs = self.features(images, dtype=np.float16, progress=progress)
        if inputs.shape[-1] != self.model.inputs:
            raise BadInput("pictures of this size are not what this model sees")
        return torch.from_numpy(inputs)

    def logits(self, images: NDArray[Any]) -> Tensor:
        """(n, k), for pictures."""
        model, parts = self.module(), []
        with torch.no_grad():
            for at in range(0, len(images), 2048):
                parts.append(model(self.inputs(images[at : at + 2048]).float()))
        return torch.cat(parts) if parts else torch.zeros(0, len(self.classes))

    def accuracy(self, pictures: Pictures) -> float:
        """The share of labels that it tells. On private pictures this number is not private."""
        told = self.logits(pictures.images).argmax(1).numpy()
        return float((told == pictures.labels).mean()) if len(told) else math.nan

    def about(self) -> dict[str, Any]:
        """What stands outside of the sealed package: public, and signed."""
        told = {
            "recipe": self.recipe,
            "stage": self.stage,
            "model": self.model.told(),
            "classes": list(self.classes),
        }
        return {**told, "features": asdict(self.features), "privacy": dict(self.privacy), "card": self.card}

    def files(self) -> dict[str, bytes]:
        """What goes into the package: the same bytes for the same hand-over."""
        from safetensors.torch import save

        told = {"masquerade": FORMAT, "seed": self.seed, **self.about()}
        files = {
            "configuration.json": json.dumps(told, sort_keys=True, indent=1, ensure_ascii=False).encode()
            + b"\n"
        }
        if self.weights:
            tensors = {
                name: self.weights[name].detach().float().contiguous() for name in sorted(self.weights)
            }
            files["model.safetensors"] = save(tensors)
        return files

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Handover:
        """The inverse of :meth:`files`; for files whose package was verified, and trusted no further.

        Raises:
            BadInput: these are no hand-over, or one of a later version.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            told = json.loads(files["configuration.json"])
            json.dumps(told, ensure_ascii=False).encode()  # raises for half a character: files() would later
            known = told["masquerade"] == FORMAT and told["recipe"] in RECIPES and told["stage"] in _STAGES
            raw = files.get("model.safetensors", b"")
            bounded = int.from_bytes(raw[:8], "little") <= _LARGEST_HEADER
            weights = load(raw) if raw and known and bounded else {}
            features, shape, classes = (
                Features(**told["features"]),
                Shape.of(told["model"]),
                tuple(map(str, told["classes"])),
            )
            seed, privacy, card = int(told["seed"]), dict(told["privacy"]), str(told["card"])
            check_price(privacy)
            _check_numbers(weights)
        except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise BadInput("these files are no hand-over of a model") from None
        if not known:
            raise BadInput("this hand-over is of a later version, or of a recipe that is not known here")
        if not bounded:
            raise BadInput("the weights have a header larger than any model's")
        return cls(told["recipe"], told["stage"], features, shape, classes, seed, weights, privacy, card)


def check_price(privacy: Mapping[str, Any]) -> None:
    """Raises ValueError for a price that is no number."""
    for name, below in (("epsilon", math.inf), ("delta", 1.0)):
        price = privacy.get(name, 0)
        if type(price) not in (int, float) or not 0 <= price < below:
            raise ValueError("no price")


def _check_numbers(weights: Mapping[str, Tensor]) -> None:
    if not all(bool(value.float().isfinite().all()) for value in weights.values()):
        raise ValueError("no number")


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
    batch: int = 8192
    steps: int = 280
    l2_clip_norm: float = 0.1
    rate: float = 32.0
    average: float = 0.5
    """The share of the last steps whose models are averaged."""
    seed: int = 0
    side: int = 28
    """Of a picture, which is a square: declared, so that a definition can be made without one."""

    def __post_init__(self) -> None:
        if not (0 < self.epsilon < math.inf and 0 < self.delta < 1):
            raise BadInput("epsilon is above 0 and finite, delta between 0 and 1")
        if not 0 < self.rate <= _FASTEST:
            raise BadInput(f"the learning rate is above 0, and at most {_FASTEST:g}")


def _train_light(
    recipe: Recipe,
    read: Callable[[], Pictures],
    how: Owning,
    ledger: Ledger,
    progress: Callable[[Progress], None] | None,
) -> Handover:
    definition = _definition(recipe, how)
    model = definition.module().train()
    size = sum(value.numel() for value in model.parameters())
    plan = Plan.calibrate(
        how.epsilon, how.delta, examples=how.examples, batch=how.batch, steps=how.steps,
        l2_clip_norm=how.l2_clip_norm, parameters=size,
    )  # fmt: skip
    ledger.check(plan.event(size))  # better now than after the features
    private = read()
    if len(private.labels) and not 0 <= private.labels.min() <= private.labels.max() < len(how.classes):
        raise BadInput("a label names no class: they go from 0 to the number of classes less one")
    if private.images.shape[1:] != (how.side, how.side):  # before anything is paid
        raise BadInput(f"the pictures are no squares of {how.side} pixels, as declared")
    data = definition.inputs(private.images), torch.from_numpy(private.labels)
    optimizer = torch.optim.SGD(model.parameters(), lr=how.rate, momentum=0.9)
    trained = train(
        model, data, plan, ledger=ledger, optimizer=optimizer, note=f"{recipe} transfer", microbatch=4096,
        average=how.average, progress=progress,
    )  # fmt: skip
    why = "the weights come from this training alone; what is made of them later is post-processing"
    privacy = trained.price(ledger.unit, why)
    weights = _weights(model)
    return replace(
        definition,
        stage="trained",
        weights=weights,
        privacy=privacy,
        card=_card(recipe, how, privacy["epsilon"]),
    )


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def _definition(recipe: Recipe, how: Owning) -> Handover:
    width = how.features(np.zeros((1, how.side, how.side), np.uint8)).shape[1]
    shape = Shape("linear", width, len(how.classes))
    return Handover(recipe, "definition", how.features, shape, how.classes, how.seed)


def _card(recipe: str, how: Owning, epsilon: float) -> str:
    return (
        f"A linear classifier of {len(how.classes)} classes on {how.features.kind} features, for the recipe "
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
    """What the full model sees; None: the features of what came."""
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


def _full(handover: Handover, how: Receiving, side: int) -> Handover:
    """The full model, fresh from the seed.

    It does not begin as the light one: what is taught by its own words has nothing to learn. A fresh one
    cannot follow the noise in them, and does better than its teacher.
    """
    features = how.features or handover.features
    width = features(np.zeros((1, side, side), np.uint8)).shape[1]
    shape = Shape("mlp", width, len(handover.classes), how.hidden, how.depth)
    return replace(handover, features=features, model=shape, weights={}, seed=how.seed)


def _trained_fully(
    handover: Handover,
    images: NDArray[Any],
    targets: Tensor,
    how: Receiving,
    progress: Callable[[Fitting], None] | None,
) -> Handover:
    full = _full(handover, how, images.shape[1])
    model, inputs = full.module(), full.inputs(images)
    scale = _Scale.of(inputs)
    _fit(model, inputs, targets, how, "full", progress, scale)
    scale.fold(model)
    return _finished(full, model)


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


def _finished(handover: Handover, model: nn.Module) -> Handover:
    return replace(handover, stage="full", weights=_weights(model), card=_full_card(handover))


def _full_card(full: Handover) -> str:
    """It says what the owner's said of the price, and of the model what it is now."""
    price = ", ".join(
        f"{name} {full.privacy[name]:.4g}" for name in ("epsilon", "delta") if name in full.privacy
    )
    return (
        f"A classifier ({full.model.kind}) of {len(full.classes)} classes on {full.features.kind} features, "
        f"for the recipe {full.recipe}: the receiver's, made of what the owner handed over and of public "
        f"pictures. Of the owner's data it tells what was paid for, and no more: {price or 'no price came'}."
    )


def _light_receiver(
    handover: Handover, public: Pictures, how: Receiving, progress: Callable[[Fitting], None] | None
) -> Handover:
    """Teach a full model what the light one says of public inputs; known labels take its place."""
    _needs(handover, "trained")
    if not len(public.labels):
        raise BadInput("there is no public picture to teach a full model on")
    return _trained_fully(handover, public.images, _taught(handover, public), how, progress)


def _taught(handover: Handover, public: Pictures) -> Tensor:
    told = handover.logits(public.images).softmax(1)
    known = torch.from_numpy(public.labels)
    at = known >= 0
    told[at] = _one_hot(known[at], handover)
    return told


def _one_hot(labels: Tensor, handover: Handover) -> Tensor:
    check_labels(labels, len(handover.classes))
    return F.one_hot(labels, len(handover.classes)).float()


def _labelled(public: Pictures, handover: Handover, why: str) -> tuple[NDArray[Any], Tensor]:
    known = public.labels >= 0
    if not known.any():
        raise BadInput(f"{why} needs public pictures with labels")
    return public.images[known], _one_hot(torch.from_numpy(public.labels[known]), handover)


def _zero_shot_receiver(
    handover: Handover, public: Pictures, how: Receiving, progress: Callable[[Fitting], None] | None
) -> Handover:
    """Train the full model on public examples, from the seed."""
    images, targets = _labelled(public, handover, "zero-shot training")
    return _trained_fully(handover, images, targets, how, progress)


def _one_stage_receiver(
    handover: Handover, public: Pictures, how: Receiving, progress: Callable[[Fitting], None] | None
) -> Handover:
    """The head alone; then the full model, taught by that head and by the labels there are."""
    moved = head_stage(handover, public, how, progress)
    return _light_receiver(moved, public, how, progress)


def head_stage(
    handover: Handover,
    public: Pictures,
    how: Receiving,
    progress: Callable[[Fitting], None] | None = None,
) -> Handover:
    """What came, its head trained on the public labels and held near where it was.

    Raises:
        BadInput: what came has no trained head, or no public picture has a label.
    """
    _needs(handover, "trained")
    images, targets = _labelled(public, handover, "the stage that trains the head")
    head = handover.module()
    anchors = [value.detach().clone() for value in head.parameters()]
    stage = replace(how, steps=how.head_steps, rate=how.head_rate, decay=0.0)

    def beside() -> Tensor:
        return how.near * _distance(head, anchors)

    _fit(head, handover.inputs(images), targets, stage, "head", progress, beside=beside)
    return replace(handover, weights=_weights(head))


def _distance(model: nn.Module, anchors: list[Tensor]) -> Tensor:
    parts = [
        (value - anchor).square().sum() for value, anchor in zip(model.parameters(), anchors, strict=True)
    ]
    return torch.stack(parts).sum()


def _needs(handover: Handover, stage: str) -> None:
    if handover.stage != stage or handover.model.kind != "linear":
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
    optimizer = torch.optim.AdamW(model.parameters(), lr=how.rate, weight_decay=how.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, how.steps)
    model.train()
    try:
        for step in range(how.steps):
            some = next(batches)
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(scale(inputs[some].float())), targets[some]) + beside()
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

_Receiver = Callable[[Handover, Pictures, Receiving, "Callable[[Fitting], None] | None"], Handover]


@dataclass(frozen=True)
class Transfer:
    """A recipe: the owner's side, and the receiver's. Each runs where it belongs; a package goes between."""

    name: Recipe
    _receive: _Receiver = field(repr=False)

    def owner(
        self,
        read: Callable[[], Pictures],
        how: Owning,
        ledger: Ledger | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Handover:
        """What the owner hands over.

        Args:
            read: gives the private pictures; called once the ledger holds the price. zero-shot never calls
            it, so
                its hand-over has the same bytes whatever the data are.
            ledger: pays; none is needed for zero-shot.

        Raises:
            BudgetExceeded: the ledger does not hold the price; the data were not read.
            BadInput: a label names no class, or there is no ledger.
        """
        if self.name == "zero-shot":
            why = "neither weights nor anything else here was computed from private data: they were not read"
            return replace(_definition("zero-shot", how), privacy={"epsilon": 0.0, "delta": 0.0, "why": why})
        if ledger is None:
            raise BadInput("a private training needs a ledger that pays for it")
        return _train_light(self.name, read, how, ledger, progress)

    def receiver(
        self,
        handover: Handover,
        public: Pictures,
        how: Receiving | None = None,
        progress: Callable[[Fitting], None] | None = None,
    ) -> Handover:
        """The full model, made of what came and of public pictures. Its privacy is that of what came.

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

"""Offsite tuning: a language model fits itself to private text, and neither leaves its place.

    receiver   full model           ->  emulate   its last blocks as they are (the adapter; or its first, too)
                                                  behind a middle with blocks dropped, distilled to do on
                                                  public text what the whole middle does
    owner      emulator             ->  tune      trains the adapter alone, with privacy, through the emulator
    receiver   full model, adapter  ->  plug      puts the adapter in its place; no other weight was touched

Xiao, Lin and Han, "Offsite-Tuning: Transfer Learning without Full Model", 2023. What passes between the two
is a :class:`Handover`: files without code, to be sealed (:mod:`masquerade.seal`).

The guarantee, for the owner: one sequence (a line of text), added or removed, changes the adapter that leaves
by (epsilon, delta) at most, which the ledger pays before the first step. It holds for every emulator, also
one that was made to spy: the code is ours, and each sequence's gradient is clipped. Plugging in is
post-processing.

For the receiver there is **no formal promise**: offsite tuning has none by itself. The owner gets embeddings,
head and the adapter's blocks as they are, and an emulator that was taught by the rest. What is held back is
that rest, and how well the full model does; not what can be learnt from the emulator.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from masquerade import crypto
from masquerade.dp.ledger import Ledger
from masquerade.errors import BadInput
from masquerade.transfer.handover import check_price
from masquerade.transfer.models import Decoder, Transformer
from masquerade.transfer.recipes import Fitting
from masquerade.transfer.train import Limits, Plan, Progress, train

FORMAT = 1
NOTHING = -1
"""The token after the end of a text: it is not learnt."""
_LARGEST_HEADER = 1 << 20
_WORST = 700.0
"""A mean loss of which exp is still a number."""
Stage = Literal["full", "emulator", "adapter"]


# -- text ------------------------------------------------------------------------------------------------


def encoded(texts: Iterable[str], length: int) -> Tensor:
    """(n, length + 1) bytes, a row a text: 0, the text, 0, then :data:`NOTHING`. What is longer is cut off.

    It is not continued in another row: a text would then be several examples, and promised less.
    """
    rows = [b"\0" + text.replace("\0", "").encode()[: length + 1] for text in texts]
    tokens = np.full((len(rows), length + 1), NOTHING, np.int64)
    for row, raw in zip(tokens, rows, strict=True):
        ended = (raw + b"\0")[: length + 1]
        row[: len(ended)] = np.frombuffer(ended, np.uint8)
    return torch.from_numpy(tokens)


def pairs(tokens: Tensor) -> tuple[Tensor, Tensor]:
    return tokens[:, :-1].clamp(min=0), tokens[:, 1:]


def by_sequence(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The loss of each sequence, (n,): the mean over its own tokens, so that it depends on no other."""
    each = F.cross_entropy(model(x).flatten(0, 1), y.flatten(), ignore_index=NOTHING, reduction="none")
    told: Tensor = each.view_as(y).sum(1) / (y != NOTHING).sum(1).clamp(min=1)
    return told


def perplexity(model: nn.Module, tokens: Tensor, batch: int = 256) -> float:
    """exp of the mean loss of a token. On private text this number is not private."""
    total, count = 0.0, 0
    with torch.no_grad():
        for at in range(0, len(tokens), batch):
            x, y = pairs(tokens[at : at + batch])
            many = (y != NOTHING).sum(1)
            total += float((by_sequence(model, x, y) * many).sum())
            count += int(many.sum())
    mean = total / count if count else math.nan
    return math.inf if mean > _WORST else math.exp(mean)


# -- any model with a list of blocks ---------------------------------------------------------------------


@dataclass(frozen=True)
class Cut:
    """Where a list of blocks is cut.

    Raises:
        BadInput: a number is no count of blocks.
    """

    first: int = 0
    """Blocks at the input that are tuned. With none, what is tuned fitted the full model better
    (``bench/offsite.py``); the paper tunes two here."""
    last: int = 2
    """Blocks at the output that are tuned."""
    kept: int = 2
    """How many blocks the emulator keeps of those between."""

    def __post_init__(self) -> None:
        sizes = (self.first, self.last, self.kept)
        if not all(type(n) is int and 0 <= n <= 256 for n in sizes) or not (self.last and self.kept):
            raise BadInput("an adapter has a last block, and the emulator keeps one of the others, at least")

    @property
    def blocks(self) -> int:
        """Of the emulator."""
        return self.first + self.kept + self.last

    def of(self, blocks: int) -> list[int]:
        """Which of so many blocks the emulator has: of the middle, evenly, its first and last among them."""
        between = blocks - self.first - self.last
        if self.kept > between:
            raise BadInput(f"of {blocks} blocks {max(between, 0)} are in the middle, and not {self.kept}")
        step = (between - 1) / max(1, self.kept - 1)
        middle = [self.first + round(i * step) for i in range(self.kept)]
        return [*range(self.first), *middle, *range(blocks - self.last, blocks)]


def adapter(model: nn.Module, cut: Cut, blocks: str = "blocks") -> dict[str, nn.Parameter]:
    """The adapter's parameters, by names that a model and its emulator share."""
    listed = cast("nn.ModuleList", model.get_submodule(blocks))
    places = [("first", i, i) for i in range(cut.first)]
    places += [("last", i, len(listed) - cut.last + i) for i in range(cut.last)]
    return {
        f"{end}.{i}.{name}": value for end, i, at in places for name, value in listed[at].named_parameters()
    }


def dropped(model: nn.Module, cut: Cut, blocks: str = "blocks") -> nn.Module:
    """A copy of ``model`` without what :class:`Cut` leaves out of the list of blocks called ``blocks``."""
    listed = cast("nn.ModuleList", model.get_submodule(blocks))
    left_out = {id(value): None for i, value in enumerate(listed) if i not in cut.of(len(listed))}
    copied = copy.deepcopy(model, cast("dict[int, Any]", left_out))  # which copies nothing of these
    parent, _, name = blocks.rpartition(".")
    kept = [block for block in cast("nn.ModuleList", copied.get_submodule(blocks)) if block is not None]
    setattr(copied.get_submodule(parent), name, nn.ModuleList(kept))
    return copied


def plugged(model: nn.Module, weights: Mapping[str, Tensor], cut: Cut, blocks: str = "blocks") -> nn.Module:
    """A copy of ``model`` with this adapter in its place.

    Raises:
        BadInput: it is another model's.
    """
    copied = copy.deepcopy(model)
    _fill(adapter(copied, cut, blocks), weights)
    return copied


def distil(
    emulator: nn.Module,
    model: nn.Module,
    public: Tensor,
    cut: Cut,
    how: Receiving,
    progress: Callable[[Fitting], None] | None = None,
    blocks: str = "blocks",
) -> None:
    """Teach the emulator's middle, in place, to give what the whole middle gives on public inputs."""
    lists = [cast("nn.ModuleList", each.get_submodule(blocks)) for each in (emulator, model)]
    if len(lists[0]) == len(lists[1]):
        return
    ends = [listed[len(listed) - cut.last - 1] for listed in lists]
    taught = [value for block in lists[0][cut.first : -cut.last] for value in block.parameters()]

    def loss(some: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = _given_by(ends[1], model, some)
        return F.mse_loss(_given_by(ends[0], emulator, some), wanted) / wanted.var()

    _descend(taught, loss, public, how, "emulator", progress)


def _given_by(block: nn.Module, model: nn.Module, x: Tensor) -> Tensor:
    """What ``block`` gives while ``model`` runs."""
    seen: list[Any] = []
    hook = block.register_forward_hook(lambda module, args, out: seen.append(out))
    try:
        model(x)
    finally:
        hook.remove()
    out: Tensor = seen[0][0] if isinstance(seen[0], tuple) else seen[0]
    return out


def _fill(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    _same(own, weights)
    with torch.no_grad():
        for name, value in weights.items():
            own[name].copy_(value)


def _same(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    if {name: value.shape for name, value in own.items()} != {n: w.shape for n, w in weights.items()}:
        raise BadInput("the weights are those of another model")


def _weights(own: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in own}


# -- what passes between the two -------------------------------------------------------------------------


@dataclass(frozen=True)
class Handover:
    """A model, its emulator, or an adapter: what it is, its weights, and what they cost.

    Raises:
        BadInput: the weights are not those of what is described.
    """

    stage: Stage
    """``full`` is the receiver's own, and never for the owner."""
    model: Decoder
    """Of an emulator and its adapter: the emulator's."""
    weights: Mapping[str, Tensor] = field(repr=False)
    cut: Cut | None = None
    privacy: Mapping[str, Any] = field(default_factory=dict)
    card: str = ""

    recipe = "offsite"

    def __post_init__(self) -> None:
        if (self.stage == "full") == (self.cut is not None):
            raise BadInput("an emulator and its adapter say where they were cut, and a full model does not")
        if self.cut and self.cut.blocks != self.model.blocks:
            raise BadInput("the emulator has another number of blocks than its cut leaves")
        with torch.device("meta"):
            shell = Transformer(self.model)
        own = adapter(shell, self.cut) if self.cut and self.stage == "adapter" else _named(shell)
        _same(own, self.weights)
        if not all(w.dtype == torch.float32 and bool(torch.isfinite(w).all()) for w in self.weights.values()):
            raise BadInput("the weights are finite numbers of 32 bits")

    def module(self) -> Transformer:
        """The model or emulator, with these weights."""
        if self.stage == "adapter":
            raise BadInput("an adapter is no model: plug it into the full one")
        model = self.model.build()
        _fill(_named(model), self.weights)
        return model.eval()

    def about(self) -> dict[str, Any]:
        """What stands outside of the sealed package: public, and signed."""
        told = {"recipe": self.recipe, "stage": self.stage, "model": asdict(self.model)}
        cut = None if self.cut is None else asdict(self.cut)
        return {**told, "cut": cut, "privacy": dict(self.privacy), "card": self.card}

    def files(self) -> dict[str, bytes]:
        """What goes into the package: the same bytes for the same hand-over."""
        from safetensors.torch import save

        told = {"masquerade": FORMAT, **self.about()}
        tensors = {name: self.weights[name].detach().contiguous() for name in sorted(self.weights)}
        text = json.dumps(told, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
        return {"configuration.json": text.encode(), "model.safetensors": save(tensors)}

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Handover:
        """The inverse of :meth:`files`; for files whose package was verified, and trusted no further.

        Raises:
            BadInput: these are no hand-over of offsite tuning, or one of a later version.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            told, raw = json.loads(files["configuration.json"]), files["model.safetensors"]
            json.dumps(told, ensure_ascii=False).encode()  # raises for half a character: files() would later
            known = (told["masquerade"], told["recipe"]) == (FORMAT, cls.recipe)
            if not known or told["stage"] not in ("full", "emulator", "adapter"):
                raise BadInput("this hand-over is of a later version, or of another recipe")
            if int.from_bytes(raw[:8], "little") > _LARGEST_HEADER:
                raise BadInput("the weights have a header larger than any model's")
            cut = None if told["cut"] is None else Cut(**_complete(Cut, told["cut"]))
            model = Decoder(**_complete(Decoder, told["model"]))
            privacy = dict(told["privacy"])
            for each in (privacy, *privacy.get("earlier", [])):
                check_price(each)
            return cls(told["stage"], model, load(raw), cut, privacy, str(told["card"]))
        except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise BadInput("these files are no hand-over of offsite tuning") from None


def _complete(kind: type[Cut | Decoder], told: dict[str, Any]) -> dict[str, Any]:
    if told.keys() != {each.name for each in fields(kind)}:
        raise ValueError("this describes no such thing of this version")
    return told


def _priced(now: Mapping[str, Any], *earlier: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a price, with those of what it was made of: what was tuned once has paid for good."""
    before: list[Mapping[str, Any]] = []
    for told in earlier:
        each = [*told.get("earlier", []), {name: value for name, value in told.items() if name != "earlier"}]
        for one in each:
            if "epsilon" in one and before.count(one) < each.count(one):
                before.append(one)
    own = {name: value for name, value in now.items() if name != "earlier"}
    return {**own, "earlier": before} if before else own


def _named(model: nn.Module) -> dict[str, nn.Parameter]:
    return dict(model.named_parameters())


# -- the receiver ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Receiving:
    """How the receiver trains, on public text."""

    epochs: int = 10
    batch: int = 64
    rate: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch) < 1 or not 0 < self.rate < math.inf:
            raise BadInput("a training has 1 pass or more, and a learning rate above 0")


def fit(
    shape: Decoder, public: Tensor, how: Receiving, progress: Callable[[Fitting], None] | None = None
) -> Handover:
    """A full model, from nothing but public text: (n, length + 1) tokens, as :func:`encoded` gives."""
    model = shape.build(how.seed)
    _descend(
        list(model.parameters()), lambda some: by_sequence(model, *pairs(some)).mean(), public, how, "full",
        progress,
    )  # fmt: skip
    return Handover("full", shape, _weights(model.named_parameters()), card="Trained on public text.")


def emulate(
    full: Handover,
    cut: Cut,
    public: Tensor,
    how: Receiving,
    progress: Callable[[Fitting], None] | None = None,
) -> Handover:
    """What goes to the owner: the adapter as it is, around a middle that is smaller, and distilled."""
    if full.stage != "full":
        raise BadInput(f"an emulator is made of a full model: this is of stage {full.stage!r}")
    model = full.module()
    smaller = dropped(model, cut)
    distil(smaller, model, pairs(public)[0], cut, how, progress)
    why = "made of the receiver's model and public text; what it tells of that model is not bounded"
    shape = replace(full.model, blocks=cut.blocks)
    card = f"An emulator: {cut.first} first and {cut.last} last blocks to be tuned, and {cut.kept} others."
    return Handover(
        "emulator",
        shape,
        _weights(smaller.named_parameters()),
        cut,
        _priced({"why": why}, full.privacy),
        card,
    )


def plug(full: Handover, tuned: Handover) -> Handover:
    """The full model with the adapter that came back. It costs nothing more: this is post-processing.

    Raises:
        BadInput: what came is no adapter, or one of another model.
    """
    if tuned.stage != "adapter" or tuned.cut is None or full.stage != "full":
        raise BadInput(f"an adapter is plugged into a full model: what came is of stage {tuned.stage!r}")
    if replace(tuned.model, blocks=full.model.blocks) != full.model or full.model.blocks < tuned.cut.blocks:
        raise BadInput("the adapter is that of another model")
    model = plugged(full.module(), tuned.weights, tuned.cut)
    privacy = _priced(tuned.privacy, {"earlier": tuned.privacy.get("earlier", [])}, full.privacy)
    return replace(full, weights=_weights(model.named_parameters()), privacy=privacy, card=tuned.card)


def _descend(
    values: list[nn.Parameter],
    loss: Callable[[Tensor], Tensor],
    public: Tensor,
    how: Receiving,
    stage: str,
    progress: Callable[[Fitting], None] | None,
) -> None:
    """Plain training of some parameters on public data: AdamW, up and down again."""
    if not len(public):
        raise BadInput("there is no public text to train on")
    orders = crypto.Keystream(how.seed.to_bytes(crypto.STREAM_KEY_BYTES, "little"))  # public, the same again
    optimizer = torch.optim.AdamW(values, lr=how.rate, weight_decay=0.01)
    steps = how.epochs * -(-len(public) // how.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.rate, steps, cycle_momentum=False)
    for epoch in range(how.epochs):
        order = torch.from_numpy(np.argsort(np.frombuffer(orders.read(8 * len(public)), "<u8")))
        total = 0.0
        for at in range(0, len(order), how.batch):
            some = order[at : at + how.batch]
            found = loss(public[some])
            gradients = torch.autograd.grad(found, values)
            for value, gradient in zip(values, gradients, strict=True):
                value.grad = gradient
            optimizer.step()
            schedule.step()
            total += float(found.detach()) * len(some)
        if progress is not None:
            progress(Fitting(stage, epoch + 1, how.epochs, total / len(public)))
    optimizer.zero_grad(set_to_none=True)


# -- the owner -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Owning:
    """How the owner tunes. All of it is public."""

    epsilon: float
    delta: float
    examples: int
    """The declared number of sequences."""
    batch: int = 1024
    steps: int = 100
    l2_clip_norm: float = 0.3
    rate: float = 2e-3
    average: float = 0.3
    """The share of the last steps whose adapters are averaged."""


def tune(
    came: Handover,
    read: Callable[[], Tensor],
    how: Owning,
    ledger: Ledger,
    progress: Callable[[Progress], None] | None = None,
    limits: Limits | None = None,
) -> Handover:
    """What goes back: the adapter, trained with privacy through the emulator, and nothing else.

    Args:
        read: gives the private sequences, (n, length + 1) tokens, as :func:`encoded` does; called once the
            ledger holds the price.
        ledger: pays all of it before the first step.
        limits: of time and memory: see :func:`~masquerade.transfer.train.train`.

    Raises:
        BudgetExceeded: the ledger does not hold the price; the text was not read.
        BadInput: what came is no emulator, or a token is not in its vocabulary.
    """
    if came.stage != "emulator" or came.cut is None:
        raise BadInput(f"an emulator is what is tuned: what came is of stage {came.stage!r}")
    model = came.module().train().requires_grad_(False)
    tuned = adapter(model, came.cut)
    for value in tuned.values():
        value.requires_grad_(True)
    size = sum(value.numel() for value in tuned.values())
    plan = Plan.calibrate(
        how.epsilon, how.delta, examples=how.examples, batch=how.batch, steps=how.steps,
        l2_clip_norm=how.l2_clip_norm, parameters=size,
    )  # fmt: skip
    ledger.check(plan.event(size))  # better now than after the text was read
    tokens = read()
    if tokens.ndim != 2 or tokens.shape[1] != came.model.length + 1:
        raise BadInput(f"sequences have {came.model.length + 1} tokens, as the emulator sees")
    if len(tokens) and not NOTHING <= tokens.min() <= tokens.max() < came.model.vocabulary:
        raise BadInput("a token is not in the emulator's vocabulary")
    trained = train(
        model, pairs(tokens), plan, ledger=ledger, losses=by_sequence, note="offsite tuning", microbatch=256,
        optimizer=torch.optim.Adam(tuned.values(), lr=how.rate), average=how.average, progress=progress,
        limits=limits,
    )  # fmt: skip
    why = "the adapter comes from this training alone; plugging it in later is post-processing"
    privacy = trained.price(ledger.unit, why)
    card = f"Its adapter was tuned with differential privacy: epsilon {privacy['epsilon']:.4g}, "
    card += f"delta {plan.delta:g}, for one sequence, added or removed."
    told = _priced(privacy, came.privacy)
    return replace(came, stage="adapter", weights=_weights(tuned.items()), privacy=told, card=card)

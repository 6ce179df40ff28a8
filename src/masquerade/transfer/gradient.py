"""Clipped sums of per-example gradients at nearly the cost of plain training.

    with PerExample(model, l2_clip_norm=1.0) as clipped:
        out = clipped(lambda: cross_entropy(model(x), y, reduction="none"))
        out.gradients["fc.weight"]            # sum over examples, each scaled to a norm of at most 1

Book-keeping after Bu et al., "Differentially Private Optimization on Large Model at Small Cost" (ICML 2023):
one forward pass and one backward pass. While the model runs, every call that uses a trained parameter is
noted with its input, and computes with the parameter detached, so that the backward pass makes no gradient
of it. When the gradient ``g`` of the call's output comes, the norm of each example's gradient is known from
both (:mod:`masquerade.transfer.book` says how). Once the norms are known, over all parameters together, one
weighted contraction a layer gives the sum: of what was kept, or of inputs and output gradients.

What must hold of the model, and cannot always be checked: the loss of one example depends on that example
alone. A first batch of each shape of calls is run again and checked by going back from half of the losses,
for as many halves as tell any two examples apart: a gradient that reaches the rows of the other half is an
error. Weights change, so the 2nd, 3rd, 5th, 9th ... are checked again by one half; or by all, as long as a
gradient of zero (behind a layer that starts at zero) or none (of a poisoned example) has told nothing.
What mixes examples without a gradient (statistics taken from detached values, a batch standardised before the
first trained layer) is not seen, nor what does so in single batches between those that are checked (rows put
in an order that depends on the data).

Norms are exact up to float32 rounding; a scaled gradient is shortened by 1e-6 of its length for that.
Nothing here depends on the device. CPU was tested.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, NamedTuple

from masquerade.errors import BadInput, MissingPackage

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F
except ImportError as error:
    raise MissingPackage("private training", "transfer") from error

from masquerade.transfer.book import Book
from masquerade.transfer.survey import Shims, axes_of, escapes, still, survey, trained_of, watched
from masquerade.transfer.tape import Tape

MEMORY = 64 << 20
"""Bytes that kept per-example gradients may take beyond the activations that they stand for."""

_SHORTER = 1 - 1e-6

_TRIES = 8
"""How often a batch is run until its calls are ones that were checked."""


@dataclass(frozen=True)
class Clipped:
    """What one batch gave, or the sum of several: ``a + b``.

    ``gradients``, by the name of the parameter: the sum over examples of their gradients, each scaled so
    that its L2 norm over all parameters together is at most ``sensitivity``; float32, detached. One example
    added or removed changes it by at most ``sensitivity``, in L2 over all parameters.
    """

    gradients: dict[str, Tensor]
    examples: int
    """How many were in the batch."""
    clipped: int
    """How many had a larger norm. Private, as everything here: it may not leave without noise."""
    poisoned: int
    """How many had a loss or a gradient that is not finite: they count for nothing."""
    loss: float
    """Mean loss of the others; not a number if there are none."""
    sensitivity: float

    def __repr__(self) -> str:
        """Without a number that depends on the data."""
        return f"Clipped(parameters={len(self.gradients)}, sensitivity={self.sensitivity})"

    def __add__(self, other: Clipped) -> Clipped:
        """Both batches as one; they must hold different examples.

        Raises:
            BadInput: they were clipped to different norms, or are of different models.
        """
        if self.sensitivity != other.sensitivity:
            raise BadInput("batches that were clipped to different norms have no sum of known sensitivity")
        if self.gradients.keys() != other.gradients.keys():
            raise BadInput("these batches are of models whose trained parameters differ")
        counts = (self.examples - self.poisoned, other.examples - other.poisoned)
        losses = [loss * n for loss, n in zip((self.loss, other.loss), counts, strict=True) if n]
        return Clipped(
            {name: value + other.gradients[name] for name, value in self.gradients.items()},
            self.examples + other.examples,
            self.clipped + other.clipped,
            self.poisoned + other.poisoned,
            sum(losses) / sum(counts) if losses else math.nan,
            self.sensitivity,
        )


class PerExample:
    """Per-example clipping for ``model``; as a context manager, or with :meth:`close`.

    The model is used as it is: its own forward, any loss. ``memory`` bounds the bytes that per-example
    gradients kept for the sum may take beyond the activations they stand for; less is slower.

    ``axis`` says for modules, by name, which dimension of their input counts examples: 0 unless told
    otherwise, 1 in PyTorch's attention and transformer layers with ``batch_first=False``. It holds for all
    modules inside.

    Under DistributedDataParallel it takes the inner module (``ddp.module``), and sums are the caller's to
    add up.

    Raises:
        BadInput: nothing is trained, or a layer cannot be done; names it, and says what to do.
    """

    def __init__(
        self,
        model: nn.Module,
        l2_clip_norm: float,
        *,
        memory: int = MEMORY,
        axis: Mapping[str, int] | None = None,
    ) -> None:
        if not (math.isfinite(l2_clip_norm) and l2_clip_norm > 0):
            raise BadInput("l2_clip_norm is a number greater than 0")
        self.model, self.l2_clip_norm, self._memory = model, float(l2_clip_norm), memory
        self._trained = trained_of(model)
        if not self._trained:
            raise BadInput("the model has no parameter that requires a gradient: nothing would be trained")
        self._axes = axes_of(model, axis or {})
        self._shims = Shims(survey(model))
        self._seen: dict[tuple[Any, ...], _Seen] = {}
        self._open = True

    def __enter__(self) -> PerExample:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave no trace on the model."""
        self._shims.remove()
        self._open = False

    def __call__(self, losses: Callable[[], Tensor]) -> Clipped:
        """Run the model and go back once.

        ``losses`` runs the model and returns one loss an example, of shape (B,): a loss with
        ``reduction="none"``, averaged over whatever else it has but never over examples. For some batches it
        is run more than once, from the same random state, to see that examples do not mix: so it must do the
        same again.

        Raises:
            BadInput: the losses have another shape; a layer sees a number of rows that is not that of the
                batch; examples were seen to mix; a parameter is used where it cannot be followed; the model
                calls other layers each time.
        """
        if not self._open:
            raise BadInput("this is closed: make a new one")
        if {n: id(p) for n, p in trained_of(self.model).items()} != {
            n: id(p) for n, p in self._trained.items()
        }:
            raise BadInput(
                "the model's trained parameters are not those it had when per-example clipping was set up "
                "(LoRA added afterwards, a layer replaced, frozen or thawed?): set it up again, after "
                "the change"
            )
        chance = Chance(next(iter(self._trained.values())).device)
        for _ in range(_TRIES):
            found = self._run(losses)
            if isinstance(found, Clipped):
                return found
            chance.again()
            self._examine(losses, found, chance)
        raise BadInput("the model calls other layers each time that it is given the same batch")

    def _examine(self, losses: Callable[[], Tensor], look: _Look, chance: Chance) -> None:
        """Check the batch at hand: by all halves, until one batch showed all; then by one."""
        seen, found = self._seen[look.form], list(look.largest)
        for half in _halves(look.examples, seen.batches if seen.clear else 0):
            again = self._run(losses, half)
            chance.again()
            if not isinstance(again, _Look) or again.form != look.form:
                return
            for i, largest in enumerate(again.largest):
                if largest is not None:
                    found[i] = (found[i] or 0.0) + largest  # 0 and what is no number stay so
        seen.clear = seen.clear or all(each is None or 0 < each < math.inf for each in found)
        seen.passed = True

    def nothing(self) -> Clipped:
        """What a batch without examples gives."""
        zeros = {n: torch.zeros_like(p, dtype=torch.float32).detach() for n, p in self._trained.items()}
        return Clipped(zeros, 0, 0, 0, math.nan, self.l2_clip_norm)

    def _run(self, losses: Callable[[], Tensor], half: Tensor | None = None) -> Clipped | _Look:
        """The clipped sum, or what the batch looks like: if it is to be checked first, or is, by ``half``."""
        tape = Tape(self._trained, self._axes)
        try:
            return self._taped(tape, losses, half)
        finally:
            tape.forget()

    def _taped(self, tape: Tape, losses: Callable[[], Tensor], half: Tensor | None) -> Clipped | _Look:
        with self._shims.during(tape), escapes(self._trained), watched(self.model, tape):
            with torch.enable_grad(), still(self.model), tape:
                values = losses()
            if values.ndim != 1:
                raise BadInput(
                    f"losses of shape {tuple(values.shape)}: there must be one an example, of shape "
                    "(batch,), as losses with reduction='none' give"
                )
            tape.examples = len(values)
            if tape.uses and len(values):
                if not values.requires_grad:
                    raise BadInput(
                        "the losses were detached from the model: there is nothing to go back from"
                    )
                form = (*tape.form(), *(module.training for module in self.model.modules()))
                if half is None and len(values) > 1:
                    seen = self._seen.setdefault(form, _Seen())
                    if seen.due:
                        return _Look(form, len(values), tape.largest())
                    seen.batches, seen.passed = seen.batches + 1, False
                with torch.autocast(values.device.type, enabled=False), torch.no_grad():
                    if half is None:
                        return self._clip(tape, values)
                    self._check(tape, values, half)
                    return _Look(form, len(values), tape.largest())
        if len(values):
            raise BadInput(
                "no trained parameter has a part in these losses: is the model run inside `losses`?"
            )
        return self.nothing()

    def _check(self, tape: Tape, values: Tensor, half: Tensor) -> None:
        """Go back from half of the losses: no gradient may reach the rows of the others.

        The graph is let go of on the way, so that this needs no more memory than a step does.
        """
        tape.others = ~half.to(values.device)
        torch.autograd.backward(values, (~tape.others).to(values.dtype))

    def _clip(self, tape: Tape, values: Tensor) -> Clipped:
        finite = values.isfinite()
        book = Book(tape.uses, self._memory)
        tape.book = book
        torch.autograd.backward(values, finite.to(values.dtype))
        book.finish()
        good = finite & book.square.isfinite()
        norm = book.square.clamp(min=0).sqrt()
        over = good & (norm > self.l2_clip_norm)
        scale = torch.where(over, self.l2_clip_norm * _SHORTER / norm, 1.0)
        scale = torch.where(good, scale, 0.0)
        gradients = {name: book.weighted(name, p, scale, ~good) for name, p in self._trained.items()}
        kept = int(good.sum())
        loss = float(torch.where(good, values, 0).sum(dtype=torch.float64)) / kept if kept else math.nan
        return Clipped(gradients, len(values), int(over.sum()), len(values) - kept, loss, self.l2_clip_norm)


class Chance:
    """The state that dropout draws from, to be had again."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def again(self) -> None:
        torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)


class _Look(NamedTuple):
    """What was called for a batch, for how many examples, and the largest gradient seen at each call."""

    form: tuple[Any, ...]
    examples: int
    largest: list[float | None]


@dataclass
class _Seen:
    """How often calls of one form came, and how far they were checked."""

    batches: int = 0
    clear: bool = False
    """Every call that a check came to had a gradient, and each a number: so all was seen."""
    passed: bool = False
    """The batch at hand was checked."""

    @property
    def due(self) -> bool:
        return not self.passed and not self.batches & (self.batches - 1)


def _halves(examples: int, before: int) -> Iterator[Tensor]:
    """At first as many halves as tell any two examples apart, by the digits of their places; later one."""
    digits = range((examples - 1).bit_length())
    ways = [(digit, way) for digit in digits for way in (0, 1)]
    for digit, way in ways[before.bit_length() % len(ways) :][:1] if before else ways:
        yield (torch.arange(examples) >> digit) % 2 == way


# -- linear models ---------------------------------------------------------------------------------------


def closed_form(
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    l2_clip_norm: float,
    *,
    loss: Literal["softmax", "logistic", "squared"] = "softmax",
) -> Clipped:
    """The clipped sum of a linear model, without gradients: an example's gradient is (p - y) (x, 1)^T, and
    its norm |p - y| sqrt(|x|^2 + 1).

    ``x`` is (B, d), ``weight`` (K, d), ``bias`` (K,) or None. Losses, summed over outputs: ``softmax`` cross
    entropy, ``y`` (B,) classes or (B, K) probabilities; ``logistic``, ``y`` (B,) or (B, K) within [0, 1];
    ``squared``, half the squared error. The gradients are called ``weight`` and ``bias``.

    Raises:
        BadInput: shapes that do not belong together, or a norm that is not positive.
    """
    if not (math.isfinite(l2_clip_norm) and l2_clip_norm > 0):
        raise BadInput("l2_clip_norm is a number greater than 0")
    if x.ndim != 2 or weight.ndim != 2 or x.shape[1] != weight.shape[1] or len(y) != len(x):
        raise BadInput("a linear model takes x (B, d), y (B,) or (B, K), and a weight (K, d)")
    with torch.no_grad():
        x, weight = x.float(), weight.detach().float()
        scores = F.linear(x, weight, None if bias is None else bias.detach().float())
        target = _targets(y, scores, loss)
        if loss == "softmax":
            values, p = F.cross_entropy(scores, target, reduction="none"), scores.softmax(1)
        elif loss == "logistic":
            values = F.binary_cross_entropy_with_logits(scores, target, reduction="none").sum(1)
            p = scores.sigmoid()
        else:
            values, p = (scores - target).square().sum(1) / 2, scores
        rest = p - target
        norm = rest.square().sum(1).sqrt() * (x.square().sum(1) + (bias is not None)).sqrt()
        good = values.isfinite() & norm.isfinite()
        over = good & (norm > l2_clip_norm)
        scale = torch.where(over, l2_clip_norm * _SHORTER / norm, 1.0)
        rest = torch.where(good.unsqueeze(1), rest * scale.unsqueeze(1), 0)
        kept = int(good.sum())
        if kept < len(x):
            x = torch.where(good.unsqueeze(1), x, 0)
        gradients = {"weight": rest.mT @ x}
        if bias is not None:
            gradients["bias"] = rest.sum(0)
        mean = float(torch.where(good, values, 0).sum(dtype=torch.float64)) / kept if kept else math.nan
    return Clipped(gradients, len(x), int(over.sum()), len(x) - kept, mean, float(l2_clip_norm))


def _targets(y: Tensor, scores: Tensor, loss: str) -> Tensor:
    """``y`` as what scores are compared with, (B, K)."""
    if loss == "softmax" and y.ndim == 1:
        if y.is_floating_point():
            raise BadInput("classes are whole numbers; probabilities have one column a class")
        return F.one_hot(y.long(), scores.shape[1]).to(scores.dtype)
    y = y.unsqueeze(1) if y.ndim == 1 else y
    if y.shape != scores.shape:
        raise BadInput(f"y of shape {tuple(y.shape)} does not fit {scores.shape[1]} outputs")
    return y.to(scores.dtype)

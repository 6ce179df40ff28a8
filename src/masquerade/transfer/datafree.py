"""Data-free distillation: the receiver has the private model, and no picture of anything.

    teacher     what came: trained with privacy, so what is asked of it later costs nothing
    pictures    drawn by rule from a public seed: a few soft shapes over and beside each other, on black
    student     any other model, taught by the teacher's answers to them

No picture has anything to do with the data. The teacher says what each looks like to it; of every class as
many are kept, so that rare ones are learned as well as frequent ones; each round brings fresh ones. The
teacher is only asked, never differentiated, so its features may be anything.

Sources: Nayak and others, "Zero-Shot Knowledge Distillation in Deep Networks", ICML 2019, for the task;
Baradad and others, "Learning to See by Looking at Noise", NeurIPS 2021, for pictures by rule in place of
optimised ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from masquerade import crypto
from masquerade.errors import BadInput
from masquerade.transfer.handover import Handover, weights_of
from masquerade.transfer.models import Shape
from masquerade.transfer.recipes import Fitting

Floats: TypeAlias = NDArray[np.float32]
Bytes: TypeAlias = NDArray[np.uint8]

SHAPES = 6
"""In a picture, at most."""
_MOST_CLASSES = 256
_AT_ONCE = 1024
_BATCH = 256


@dataclass(frozen=True)
class Distilling:
    """How the student is made and taught. Public, all of it."""

    student: Literal["cnn", "mlp"] = "cnn"
    """``cnn`` sees pixels; ``mlp`` is an MLP on the teacher's features."""
    hidden: int = 256
    """Of ``mlp``."""
    rounds: int = 12
    fresh: int = 32_000
    """Pictures that are drawn for a round."""
    kept: int = 40_000
    """Pictures that are learned from in a round, of all classes together."""
    rate: float = 2e-3
    decay: float = 1e-3
    side: int = 28
    seed: int = 0

    def __post_init__(self) -> None:
        if self.student not in ("cnn", "mlp") or not 8 <= self.side <= 64:
            raise BadInput("a student is 'cnn' or 'mlp', and pictures have 8 to 64 pixels a side")
        if min(self.rounds, self.fresh, self.kept) < 1 or max(self.fresh, self.kept) > 1 << 20:
            raise BadInput("rounds and pictures are at least 1, and pictures of a round at most 2^20")


def distilled(
    handover: Handover, how: Distilling | None = None, progress: Callable[[Fitting], None] | None = None
) -> Handover:
    """A student of what came, of another shape, made without any picture but drawn ones.

    The same hand-over and ``how`` give the same student. Its privacy is that of what came.

    Raises:
        BadInput: what came has no weights, or not such as answer with numbers, or sees pictures of another
            size.
    """
    how = how or Distilling()
    teacher = _teacher(handover, how.side)
    student = _student(handover, how)
    stream = crypto.Keystream(how.seed.to_bytes(crypto.STREAM_KEY_BYTES, "little"))
    model = student.module()
    before = torch.get_rng_state()
    torch.manual_seed(how.seed)
    try:
        _taught(model, student, teacher, how, stream, progress)
    finally:
        torch.set_rng_state(before)
    weights = weights_of(model)
    card = f"{handover.card} Distilled from that model on drawn pictures, without any data.".strip()
    return replace(student, stage="full", weights=weights, card=card)


def _teacher(handover: Handover, side: int) -> Callable[[Bytes], Tensor]:
    """Answers of the model that came: (n, k) logits."""
    shape = handover.model
    if not isinstance(shape, Shape):
        raise BadInput("only what a model of this project says of pictures is taught to a student")
    if not handover.weights or shape.classes > _MOST_CLASSES:
        raise BadInput(f"only a model with weights teaches, of {_MOST_CLASSES} classes or fewer")
    handover.inputs(np.zeros((1, side, side), np.uint8))  # raises, if it sees others
    model = handover.module()

    def answers(images: Bytes) -> Tensor:
        with torch.inference_mode():
            parts = [
                model(handover.inputs(images[at : at + _AT_ONCE]).float())
                for at in range(0, len(images), _AT_ONCE)
            ]
        told = torch.cat(parts)
        if not torch.isfinite(told).all():
            raise BadInput("the model that came answers with what is no number")
        return told.clone()

    return answers


def _student(handover: Handover, how: Distilling) -> Handover:
    classes = handover.model.classes
    if how.student == "cnn":
        shape = Shape("cnn", how.side, classes)
    else:
        width = handover.of_pictures()(np.zeros((1, how.side, how.side), np.uint8)).shape[1]
        shape = Shape("mlp", width, classes, hidden=how.hidden, dropout=0.1)
    return replace(handover, stage="definition", model=shape, weights={}, seed=how.seed)


def _taught(
    model: nn.Module,
    student: Handover,
    teacher: Callable[[Bytes], Tensor],
    how: Distilling,
    stream: crypto.Keystream,
    progress: Callable[[Fitting], None] | None,
) -> None:
    """Cross entropy against the teacher's probabilities, AdamW, a cosine to 0 over all rounds."""
    shelf = _Shelf(student.model.classes, max(1, how.kept // student.model.classes), how.side)
    optimizer = torch.optim.AdamW(model.parameters(), lr=how.rate, weight_decay=how.decay)
    model.train()
    for done in range(how.rounds):
        images = drawn(how.fresh, how.side, stream)
        shelf.put(images, teacher(images).argmax(1).numpy())
        images = shelf.taken(stream)
        inputs, targets, total = student.inputs(images), teacher(images).softmax(1), 0.0
        for at in range(0, len(images), _BATCH):
            share = (done + at / len(images)) / how.rounds
            optimizer.param_groups[0]["lr"] = how.rate * (1 + math.cos(math.pi * share)) / 2
            optimizer.zero_grad(set_to_none=True)
            told = model(inputs[at : at + _BATCH].float())
            loss = F.cross_entropy(told, targets[at : at + _BATCH])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += float(loss.detach()) * len(told)
        if progress is not None:
            progress(Fitting("distilled", done + 1, how.rounds, total / len(images)))
    model.eval()


class _Shelf:
    """The newest pictures of each class, by what the teacher takes them for; as many of each."""

    def __init__(self, classes: int, most: int, side: int) -> None:
        self._most = most
        self._by_class = [np.zeros((0, side, side), np.uint8) for _ in range(classes)]

    def put(self, images: Bytes, told: NDArray[np.int64]) -> None:
        for i, old in enumerate(self._by_class):
            self._by_class[i] = np.concatenate([images[told == i], old])[: self._most]

    def taken(self, stream: crypto.Keystream) -> Bytes:
        """All, those of rare classes several times, in a new order. What nothing looks like is left out."""
        some = np.concatenate(
            [each[np.arange(self._most) % len(each)] for each in self._by_class if len(each)]
        )
        taken: Bytes = some[np.argsort(np.frombuffer(stream.read(8 * len(some)), "<u8"))]
        return taken


# Pictures by rule ---------------------------------------------------------------------------------------


class _Chances:
    """Numbers for ``n`` pictures at a time, uniform in a range: (n, 1, 1)."""

    def __init__(self, n: int, stream: crypto.Keystream) -> None:
        self._n, self._stream = n, stream

    def __call__(self, low: float = 0.0, high: float = 1.0, shape: tuple[int, int] = (1, 1)) -> Floats:
        words = np.frombuffer(self._stream.read(4 * self._n * math.prod(shape)), "<u4")
        told: Floats = words.reshape(self._n, *shape).astype(np.float32) * np.float32(2.0**-32)
        return low + (high - low) * told

    def often(self, share: float) -> NDArray[np.bool_]:
        """True in this share of the pictures."""
        return self() < share


def drawn(n: int, side: int, stream: crypto.Keystream) -> Bytes:
    """``n`` grey pictures, (n, side, side): up to six shapes on black, most the same left and right."""
    parts = [_drawn(min(_AT_ONCE, n - at), side, stream) for at in range(0, n, _AT_ONCE)]
    return np.concatenate(parts)


def _drawn(n: int, side: int, stream: crypto.Keystream) -> Bytes:
    chance = _Chances(n, stream)
    ticks = np.linspace(-1, 1, side, dtype=np.float32)
    down, right = ticks[None, :, None], ticks[None, None, :]
    mirrored = chance.often(0.6)
    across = np.where(mirrored, np.abs(right), right)
    count, tall = chance(1, SHAPES + 1), np.exp(chance(-1, 1))
    image = np.zeros((n, side, side), np.float32)
    for i in range(SHAPES):
        if i == 0:  # the body: large, upright, near the middle
            beside = np.where(mirrored, 0, chance(-0.15, 0.15))
            over = _shape(
                chance,
                down - chance(-0.3, 0.3),
                np.where(mirrored, right, right - beside),
                0.2,
                1.0,
                tall,
                0.15,
            )
            light = chance(0.25, 1)
        else:
            over = _shape(chance, down - chance(-1, 1), across - chance(-1, 1), 0.05, 0.6, tall, 1.5)
            light = np.where(chance.often(0.3), 0, chance(0.25, 1))  # or a hole
        over = over * (i < count)
        image += over * (np.clip(light * _texture(chance, down, right), 0, 1) - image)
    grain = 0.3 * chance() * chance(-0.5, 0.5, (side, side))
    return (255 * np.clip(image * (1 + grain), 0, 1)).astype(np.uint8)


def _shape(chance: _Chances, y: Any, x: Any, least: float, most: float, tall: Any, turn: float) -> Any:
    """Where a shape is, from 0 to 1: between a diamond, an ellipse and a box, turned, tapered and bent."""
    size, stretch = chance(least, most), np.sqrt(tall * np.exp(chance(-1, 1)))
    high, wide = np.clip(size * stretch, 0.05, 1), np.clip(size / stretch, 0.05, 1)
    angle = turn * chance(-1, 1) * chance()
    x, y = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    x = x - chance(-0.6, 0.6) * y**2
    wide = wide * np.clip(1 + chance(-0.8, 0.8) * y / high, 0.15, 3)
    power = np.exp(chance(0.2, 2.2))
    return np.clip((1 - np.abs(x / wide) ** power - np.abs(y / high) ** power) * chance(2, 12), 0, 1)


def _texture(chance: _Chances, down: Any, right: Any) -> Any:
    """Even, or waves in one of four directions, around 1."""
    strength = np.where(chance.often(0.5), 0, chance(0, 0.5))
    angle = np.round(chance(0, 4)) * (math.pi / 4)
    along = np.cos(angle) * right + np.sin(angle) * down
    return 1 + strength * np.sin(math.pi * np.exp(chance(0.3, 3)) * along + chance(0, 2 * math.pi))

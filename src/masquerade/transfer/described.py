"""Zero-shot by description: classes that were never seen are recognised from what is said of them.

    owner       pictures of the *seen* classes, trained with privacy, and descriptions of them
    receiver    descriptions of other classes  ->  a classifier of all of them

A linear classifier has one row of weights for each seen class. From these rows, which have been paid for, and
the descriptions of their classes a map is learned from descriptions to rows, in closed form; the description
of a new class then gives its row. So whoever holds the hand-over can name a class after it moved, with no
picture of it, and it costs no privacy: it is post-processing.

With S the descriptions of the seen classes (centred, each of length 1), V their rows (centred), s one more:

    row(s) = s S^T (S S^T + ridge I)^-1 V,   made as long as the rows of V are on average

That is the second half of ESZSL (Romera-Paredes and Torr, "An embarrassingly simple approach to zero-shot
learning", ICML 2015, equation 7); the first half is its ridge regression where the pictures are public, and
DP-SGD where they are private. Rows of one length are instead of its calibration on left-out classes: without
it nothing is ever told to be of a class that was not seen.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from masquerade.dp.ledger import Ledger
from masquerade.errors import BadInput
from masquerade.transfer.handover import Handover, Pictures
from masquerade.transfer.models import Shape
from masquerade.transfer.recipes import Owning, light, zero_shot
from masquerade.transfer.train import Limits, Progress

FILE = "descriptions.json"
BUCKETS = 512
"""Of the embedding of words."""
Floats: TypeAlias = NDArray[np.float64]
By: TypeAlias = Literal["attributes", "words"]

_MOST_CLASSES, _MOST_ATTRIBUTES, _MOST_WORDS, _LARGEST = 256, 512, 4096, 1 << 20
_ODDS = 4.0
"""What a fit to public pictures says of its class, and less this of all others: as log-odds."""
_BATCH = 4096


# Descriptions -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Description:
    """What is said of a class, by one who knows it: public, and without any picture."""

    attributes: Mapping[str, float] = field(default_factory=dict)
    """By name, from 0 (not at all) to 1; what is not named is 0."""
    words: str = ""

    def __post_init__(self) -> None:
        if not (isinstance(self.attributes, Mapping) and len(self.attributes) <= _MOST_ATTRIBUTES):
            raise BadInput(f"a description has up to {_MOST_ATTRIBUTES} attributes, by name")
        if not all(map(_is_name, self.attributes)) or not all(map(_is_degree, self.attributes.values())):
            raise BadInput("an attribute has a name, and a number from 0 to 1")
        text = isinstance(self.words, str) and not re.search("[\ud800-\udfff]", self.words)
        if not text or len(self.words) > _MOST_WORDS:
            raise BadInput(f"the words of a description are a text of up to {_MOST_WORDS:,} characters")


Descriptions: TypeAlias = Mapping[str, Description]
"""By the name of the class."""


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= 200 and name.isprintable()


def _is_degree(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1  # type: ignore[operator]


def parse(raw: bytes) -> dict[str, Description]:
    """Descriptions from JSON: ``{"Coat": {"attributes": {"sleeves": 1, "collar": 0.8}, "words": "..."}}``.

    Raises:
        BadInput: this is no such JSON; nothing of it is shown.
    """
    if len(raw) > _LARGEST:
        raise BadInput("these descriptions are longer than a million characters")
    try:
        told = json.loads(raw)
        read = {name: Description(**each) for name, each in told.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise BadInput("these are no descriptions of classes in JSON: see the page on transfer") from None
    if not 0 < len(read) <= _MOST_CLASSES or not all(map(_is_name, read)):
        raise BadInput(f"descriptions are of 1 to {_MOST_CLASSES} classes, each with a name")
    return read


def written(descriptions: Descriptions) -> bytes:
    """The inverse of :func:`parse`."""
    told = {
        name: {"attributes": dict(each.attributes), "words": each.words}
        for name, each in descriptions.items()
    }
    return json.dumps(told, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


def embedded(words: str) -> Floats:
    """A text as a vector of length 1, made of its spelling alone: (512,).

    Each word, and its runs of 3 and 4 letters together, count 1, in buckets by hash. It knows no meanings:
    two words are alike if they are spelled alike, and "shoe" and "boot" have nothing in common.
    """
    out = np.zeros(BUCKETS)
    for word in re.findall(r"[^\W\d_]+", words.lower()):
        edged = f"<{word}>"
        runs = [edged[at : at + n] for n in (3, 4) for at in range(len(edged) - n + 1)]
        for each, weight in [(f"{word} ", 1.0), *((run, 1 / len(runs)) for run in runs)]:
            code = zlib.crc32(each.encode())
            out[code % BUCKETS] += weight if code >> 31 else -weight
    embedding: Floats = _of_length_1(out[None])[0]
    return embedding


def vectors(descriptions: Descriptions, classes: Sequence[str], by: By) -> Floats:
    """A row of numbers for each of ``classes``: its attributes, or its words embedded.

    Raises:
        BadInput: a class has none.
    """
    chosen = _described(descriptions, classes)
    if not all(getattr(each, by) for each in chosen):
        raise BadInput(f"a class is described without {by}")
    if by == "words":
        return np.stack([embedded(each.words) for each in chosen])
    names = sorted({name for each in chosen for name in each.attributes})
    return np.array([[each.attributes.get(name, 0.0) for name in names] for each in chosen], np.float64)


def _described(descriptions: Descriptions, classes: Sequence[str]) -> list[Description]:
    if missing := sum(name not in descriptions for name in classes):
        raise BadInput(f"{missing} of {len(classes)} classes have no description")
    return [descriptions[name] for name in classes]


def _of_length_1(rows: Floats) -> Floats:
    told: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return told


# A row of weights for a description ---------------------------------------------------------------------


def named(
    handover: Handover, descriptions: Descriptions, by: By | None = None, ridge: float = 1.0
) -> Handover:
    """The linear classifier that came, with a row more for each described class that it does not have.

    Args:
        descriptions: of all its classes, and of the new ones.
        by: what of them; by default attributes if all classes have some, and words else.
        ridge: how much the map from descriptions to rows is held back.

    Raises:
        BadInput: what came is no trained linear classifier of several classes; a class has no description, or
            one that does not set it apart.
    """
    rows, shape = _rows(handover), _linear(handover)
    new = [name for name in descriptions if name not in handover.classes]
    if not new or len(handover.classes) + len(new) > _MOST_CLASSES:
        raise BadInput(f"name at least one class that the model does not have, and {_MOST_CLASSES} in all")
    classes = (*handover.classes, *new)
    complete = all(each.attributes for each in _described(descriptions, classes))
    told = vectors(descriptions, classes, by or ("attributes" if complete else "words"))
    made = np.vstack([rows, _mapped(rows, told, ridge)]).astype(np.float32)
    return replace(
        handover,
        stage="full",
        model=replace(shape, classes=len(classes)),
        classes=classes,
        weights={
            "weight": torch.from_numpy(made[:, :-1].copy()),
            "bias": torch.from_numpy(made[:, -1].copy()),
        },
        card=f"{handover.card} {len(new)} more classes are known by their descriptions alone.".strip(),
    )


def _rows(handover: Handover) -> Floats:
    """Weights and bias of each class: (k, d + 1)."""
    model, weights = _linear(handover), handover.weights
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    wanted = {"weight": (model.classes, model.inputs), "bias": (model.classes,)}
    if handover.stage != "trained" or shapes != wanted:
        raise BadInput("classes are named to a linear classifier that was trained, and nothing else")
    rows = torch.cat([weights["weight"], weights["bias"][:, None]], 1).double().numpy()
    if model.classes < 2 or not np.isfinite(rows).all() or np.abs(rows).max() > 1e6:
        raise BadInput(
            "the classifier that came has fewer than 2 classes, or weights beyond any that is trained"
        )
    return rows


def _linear(handover: Handover) -> Shape:
    if not isinstance(handover.model, Shape) or handover.model.kind != "linear":
        raise BadInput("classes are named to a linear classifier, and to no other model")
    return handover.model


def _mapped(rows: Floats, told: Floats, ridge: float) -> Floats:
    """The rows of what is described and not seen; ``told`` has the seen ones first."""
    seen = len(rows)
    apart = told - told[:seen].mean(0)
    if np.linalg.norm(apart, axis=1).min() < 1e-9:
        raise BadInput("a class is described as all seen ones are on average, which tells nothing of it")
    apart = _of_length_1(apart)
    mean = rows.mean(0)
    alike = apart @ apart[:seen].T
    found = alike[seen:] @ np.linalg.solve(alike[:seen] + ridge * np.eye(seen), rows - mean)
    length = np.linalg.norm((rows - mean)[:, :-1], axis=1).mean()
    lengths = np.linalg.norm(found[:, :-1], axis=1, keepdims=True)
    made: Floats = found * (length / np.maximum(lengths, 1e-12)) + mean
    return made


def fitted(handover: Handover, public: Pictures, ridge: float = 4.0) -> Handover:
    """A definition with weights from public pictures, by ridge regression: the first half of ESZSL.

    Args:
        public: pictures of the definition's classes; those without a label are left out.
        ridge: in units of the mean eigenvalue of the features' second moment.

    Raises:
        BadInput: there are no labels, they name no class, or the pictures are not of the model's size.
    """
    model, known = _linear(handover), public.labels >= 0
    images, labels = public.images[known], public.labels[known]
    if not 2 <= model.classes <= _MOST_CLASSES:
        raise BadInput("only a linear classifier of 2 classes or more is fitted in closed form")
    if not len(labels) or labels.max() >= model.classes:
        raise BadInput(
            "this needs public pictures, with labels from 0 to the number of seen classes less one"
        )
    width = handover.of_pictures()(images[:1]).shape[1]
    if width != model.inputs or width > 1 << 14:
        raise BadInput("these pictures are not of the size that the model is made for")
    gram, towards = np.zeros((width + 1, width + 1)), np.zeros((width + 1, model.classes))
    for at in range(0, len(images), _BATCH):
        x = handover.of_pictures()(images[at : at + _BATCH])
        x = np.hstack([x, np.ones((len(x), 1), np.float32)])
        targets = np.where(labels[at : at + _BATCH, None] == np.arange(model.classes), _ODDS, -_ODDS)
        gram += x.T @ x
        towards += x.T @ targets
    held = np.diag([ridge * np.trace(gram) / width] * (width + 1))
    rows = np.linalg.solve(gram + held, towards).T.astype(np.float32)
    weights = {"weight": torch.from_numpy(rows[:, :-1].copy()), "bias": torch.from_numpy(rows[:, -1].copy())}
    return replace(handover, stage="trained", weights=weights)


# The recipe ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Described:
    """A hand-over whose classes are described, so that others can be named later.

    Raises:
        BadInput: a class of its model has no description.
    """

    handover: Handover
    descriptions: Descriptions

    def __post_init__(self) -> None:
        _described(self.descriptions, self.handover.classes)

    def files(self) -> dict[str, bytes]:
        """What goes into the package: the hand-over's files, and one more."""
        return {**self.handover.files(), FILE: written(self.descriptions)}

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Described:
        """The inverse of :meth:`files`; for files whose package was verified, and trusted no further.

        Raises:
            BadInput: these are no hand-over, or not one with descriptions.
        """
        if FILE not in files:
            raise BadInput("this hand-over came without descriptions of its classes")
        return cls(Handover.of(files), parse(files[FILE]))


def owner(
    read: Callable[[], Pictures],
    how: Owning,
    descriptions: Descriptions,
    ledger: Ledger | None = None,
    progress: Callable[[Progress], None] | None = None,
    limits: Limits | None = None,
) -> Described:
    """What the owner hands over: of seen classes (``how.classes``) a private model, and what is said of them.

    Without a ledger ``read`` is never called: what goes is a definition, to be fitted on public pictures.

    Raises:
        BadInput: a seen class has no description; before anything is read or paid.
        BudgetExceeded: the ledger does not hold the price; the data were not read.
    """
    _described(descriptions, how.classes)
    if how.model is not None:
        raise BadInput("classes are named to a linear classifier, and to no other model")
    if ledger is None:
        return Described(zero_shot.owner(read, how), descriptions)
    trained = light.owner(read, how, ledger, progress, limits)
    card = trained.card.replace("recipe light", "recipe zero-shot")
    return Described(replace(trained, recipe="zero-shot", card=card), descriptions)


def receiver(
    came: Described, more: Descriptions | None = None, public: Pictures | None = None, by: By | None = None
) -> Handover:
    """A linear classifier of the classes that were seen, and of all others that are described.

    Args:
        more: descriptions beside those that came.
        public: pictures of the seen classes, where a definition came; else they are not needed.

    Raises:
        BadInput: no new class is described, public pictures are needed, or what came does not fit together.
    """
    handover = came.handover
    if handover.stage == "definition":
        if public is None:
            raise BadInput("what came is a definition: it needs public pictures of the seen classes")
        handover = fitted(handover, public)
    return named(handover, {**came.descriptions, **(more or {})}, by)

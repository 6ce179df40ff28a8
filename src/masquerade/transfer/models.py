"""Models that are rebuilt from a description in JSON: no code and no pickle ever goes between two sides.

linear   what private training does best on good features
mlp      two layers or more, and beside them a linear head
cnn      Papernot and others' small one for 28x28, with tanh ("Tempered Sigmoid Activations for Deep Learning
         with Differential Privacy", AAAI 2021, table 1)
vit      a small vision transformer, its positions and class token as embeddings

:class:`Decoder`, a language model; and :class:`OwnModel`, any module whose code both sides have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from masquerade import crypto
from masquerade.errors import BadInput

_MOST = 1 << 28
_Model = TypeVar("_Model", bound=nn.Module)


@dataclass(frozen=True)
class Shape:
    """Which classifier: public, and all there is to it but its weights.

    Raises:
        BadInput: a number is out of its range, as in a description that somebody else sent.
    """

    kind: Literal["linear", "mlp", "cnn", "vit"]
    inputs: int
    """Features of an example; of ``cnn`` and ``vit`` the side of a square picture."""
    classes: int
    hidden: int = 512
    """Of ``mlp`` the width, of ``vit`` the width of a token."""
    depth: int = 2
    """Layers of ``mlp`` and ``vit``."""
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in ("linear", "mlp", "cnn", "vit"):
            raise BadInput("a classifier is 'linear', 'mlp', 'cnn' or 'vit'")
        sizes = (self.inputs, self.classes, self.hidden, self.depth)
        if not all(type(size) is int and 0 < size <= 1 << 20 for size in sizes) or self.depth > 64:
            raise BadInput("the sizes of a classifier are from 1 to 2^20, its depth is at most 64")
        if not (isinstance(self.dropout, float) and 0 <= self.dropout < 1):
            raise BadInput("dropout is from 0 to below 1")
        if self.kind in ("cnn", "vit") and self.inputs not in (28, 32):
            raise BadInput(f"a {self.kind} sees squares of 28 or 32 pixels")
        if self.kind == "vit" and self.hidden % 4:
            raise BadInput("the width of a vit is a multiple of 4")
        width = max(self.inputs, self.hidden)
        if width * max(self.hidden * self.depth, self.classes) > _MOST:
            raise BadInput("this classifier is larger than 2^28 numbers")

    def told(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Shape:
        """The inverse of :meth:`told`."""
        if set(told) != {each.name for each in fields(cls)}:
            raise BadInput("this describes no classifier of this version")
        return cls(**told)

    def build(self, seed: int = 0) -> nn.Module:
        """The classifier, its weights drawn from a public seed: the same wherever it is built."""
        return _drawn(seed, lambda: _MADE[self.kind](self))


def _drawn(seed: int, make: Callable[[], _Model]) -> _Model:
    before = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        return make()
    finally:
        torch.set_rng_state(before)


def _linear(shape: Shape) -> nn.Module:
    model = nn.Linear(shape.inputs, shape.classes)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return model


class Mlp(nn.Module):
    """``head(x)``, and what an MLP adds to it."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.head = nn.Linear(shape.inputs, shape.classes)
        widths = [shape.inputs, *[shape.hidden] * shape.depth]
        self.body = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.last = nn.Linear(shape.hidden, shape.classes)
        self._dropout = shape.dropout
        for layer in (self.head, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        inner = x
        for layer in self.body:
            inner = F.dropout(F.relu(layer(inner)), self._dropout, self.training)
        out: Tensor = self.head(x) + self.last(inner)
        return out


def _cnn(shape: Shape) -> nn.Module:
    side = (shape.inputs - 2) // 2 + 1 - 1  # after the first convolution and pool
    side = (side - 4) // 2 + 1 - 1
    return nn.Sequential(
        _Channel(),
        nn.Conv2d(1, 16, 8, 2, padding=3),
        nn.Tanh(),
        nn.MaxPool2d(2, 1),
        nn.Conv2d(16, 32, 4, 2),
        nn.Tanh(),
        nn.MaxPool2d(2, 1),
        nn.Flatten(),
        nn.Linear(32 * side * side, 32),
        nn.Tanh(),
        nn.Linear(32, shape.classes),
    )


class _Channel(nn.Module):
    """(n, h, w) to (n, 1, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, None] if x.ndim == 3 else x


class _Vit(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        patches = (shape.inputs // 4) ** 2
        self.channel = _Channel()
        self.patch = nn.Conv2d(1, shape.hidden, 4, 4)
        self.place = nn.Embedding(patches, shape.hidden)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                shape.hidden, 4, 2 * shape.hidden, shape.dropout, batch_first=True, norm_first=True
            )
            for _ in range(shape.depth)
        )
        self.norm = nn.LayerNorm(shape.hidden)
        self.head = nn.Linear(shape.hidden, shape.classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(self.channel(x)).flatten(2).mT
        places = torch.arange(tokens.shape[1], device=x.device).expand(len(x), -1)
        tokens = tokens + self.place(places)
        for layer in self.layers:
            tokens = layer(tokens)
        out: Tensor = self.head(self.norm(tokens).mean(1))
        return out


_MADE = {"linear": _linear, "mlp": Mlp, "cnn": _cnn, "vit": _Vit}


# -- any module ------------------------------------------------------------------------------------------


def as_numbers(examples: NDArray[Any]) -> Tensor:
    """(n, ...) as they are; floating ones as float32."""
    wide = np.issubdtype(examples.dtype, np.floating)
    return torch.from_numpy(np.ascontiguousarray(examples, np.float32 if wide else None))


@dataclass(frozen=True)
class OwnModel:
    """A classifier made by code that both sides have: its name travels, and what is trained of it.

        net = OwnModel("readings", 3, lambda: nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 3)))

    Parameters with ``requires_grad`` are trained, and travel. The others are a backbone that is public: a
    hand-over holds their digest, so that another one is noticed. A private training must know how the model
    uses its parameters; what it cannot follow (BatchNorm that is trained, ...) it refuses by name.
    """

    name: str
    classes: int
    make: Callable[[], nn.Module] = field(repr=False, compare=False)
    """Gives the module: (n, ...) to logits, (n, classes). Weights that it draws come from a public seed."""
    prepare: Callable[[NDArray[Any]], Tensor] = field(default=as_numbers, repr=False, compare=False)
    """From examples, (n, ...), to what the module is given: each by itself, without statistics of others."""
    head: str = ""
    """The layer that is trained first, in the recipe one-stage; empty: the last linear one with an output for
    each class."""

    def __post_init__(self) -> None:
        if not (self.name and self.name.isprintable() and 0 < self.classes <= 1 << 20):
            raise BadInput("a model of your own has a name, and 1 to 2^20 classes")

    def told(self) -> dict[str, Any]:
        """As JSON holds it: what it is called, no code."""
        return {"kind": "own", "name": self.name, "classes": self.classes}

    @staticmethod
    def is_told(told: Mapping[str, Any]) -> bool:
        """Whether this describes an own model."""
        return bool(told["kind"] == "own")

    @property
    def kind(self) -> str:
        """As a card names it."""
        return self.name

    def build(self, seed: int = 0) -> nn.Module:
        """The module; what it draws comes from the seed."""
        return _drawn(seed, self.make)


def head_of(model: nn.Module, classes: int, name: str = "") -> nn.Module:
    """The layer by that name, or the last trained linear one with an output for each class.

    Raises:
        BadInput: there is none.
    """
    found: list[nn.Module] = [
        layer
        for called, layer in model.named_modules()
        if (called == name if name else isinstance(layer, nn.Linear) and layer.out_features == classes)
        and any(value.requires_grad for value in layer.parameters())
    ]
    if not found:
        raise BadInput("this model has no trained linear layer with an output for each class: name its head")
    return found[-1]


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, each once, though it may have several names."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def fingerprint(*parts: Tensor | str) -> bytes:
    """A digest of texts and tensors, with their types and shapes."""

    def pieces() -> Iterator[bytes]:
        for part in parts:
            if isinstance(part, str):
                yield f"{len(part)} {part}".encode()
                continue
            yield f"{part.dtype} {tuple(part.shape)} ".encode()
            flat = part.detach().reshape(-1)
            for at in range(0, len(flat), 1 << 22):
                yield flat[at : at + (1 << 22)].cpu().contiguous().view(torch.uint8).numpy().tobytes()

    return crypto.sha256_of(pieces())


# -- language models --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decoder:
    """Which causal transformer: public, and all there is to it but its weights.

    Raises:
        BadInput: a number is out of its range, as in a description that somebody else sent.
    """

    vocabulary: int = 256
    """256: the bytes of UTF-8."""
    length: int = 64
    """Tokens that it sees at most."""
    width: int = 64
    heads: int = 4
    blocks: int = 8

    def __post_init__(self) -> None:
        sizes = (self.vocabulary, self.length, self.width, self.heads, self.blocks)
        if not all(type(size) is int and 0 < size <= 1 << 20 for size in sizes):
            raise BadInput("the sizes of a language model are whole numbers from 1 to 2^20")
        if self.blocks > 256 or self.length > 4096 or self.width % self.heads:
            raise BadInput(
                "a language model has up to 256 blocks and 4096 places, and heads divide its width"
            )
        if self.width * (12 * self.width * self.blocks + 2 * self.vocabulary + self.length) > _MOST:
            raise BadInput("this language model is larger than 2^28 numbers")

    def build(self, seed: int = 0) -> Transformer:
        """The model, its weights drawn from a public seed: the same wherever it is built."""
        return _drawn(seed, lambda: Transformer(self))


class _Block(nn.Module):
    """Attention to what came before, then an MLP; each normalises first and adds to what it was given."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.seen, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self._heads = heads

    def forward(self, x: Tensor) -> Tensor:
        parts = self.seen(self.before(x)).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (self._heads, -1)).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.mixed(mixed.transpose(1, 2).flatten(2))
        out: Tensor = x + self.narrow(F.gelu(self.wide(self.after(x))))
        return out


class Transformer(nn.Module):
    """(n, t) tokens to (n, t, vocabulary): what comes next, by what stands before."""

    def __init__(self, shape: Decoder) -> None:
        super().__init__()
        self.tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.places = nn.Embedding(shape.length, shape.width)
        self.blocks = nn.ModuleList(_Block(shape.width, shape.heads) for _ in range(shape.blocks))
        self.norm = nn.LayerNorm(shape.width)
        self.head = nn.Linear(shape.width, shape.vocabulary, bias=False)
        for name, value in self.named_parameters():
            if name.endswith(("mixed.weight", "narrow.weight")):  # what blocks add up to stays of one size
                nn.init.normal_(value, std=0.02 / math.sqrt(2 * shape.blocks))
            elif name in ("tokens.weight", "places.weight", "head.weight"):
                nn.init.normal_(value, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
        inner = self.tokens(x) + self.places(places)
        for block in self.blocks:
            inner = block(inner)
        out: Tensor = self.head(self.norm(inner))
        return out

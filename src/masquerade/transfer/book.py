"""What comes of gradients an example at a time: their norms, and the parts that a weighted sum is made of.

The gradient of a weight is a sum of outer products over positions ``t``, sum_t g_t x_t^T, and there are two
ways to its norm:

    ghost         |sum_t g_t x_t^T|^2 = sum_ts <g_t, g_s> <x_t, x_s>     T^2 (p + d) multiplications
    instantiate   make the p x d matrix                                  T p d multiplications, p d numbers

The cheaper one is taken for each layer. An instantiated gradient is kept where it is small, else it is
forgotten as soon as its norm is known. A parameter that is used more than once (tied weights, a layer called
twice) has a gradient that is the sum of all uses; the norm is that of the sum, cross terms included.

Bu et al., "Differentially Private Optimization on Large Model at Small Cost", ICML 2023.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv1d_weight, conv2d_weight, conv3d_weight

_PIECE = 2 << 20
"""Bytes of the temporaries of one piece of a batch: about what a core has of cache."""

_CANCELLED = 1e-4
"""Where so little of what is added up remains, rounding counts, and the sum is made another way."""

_BLOCK = 48
"""Positions of a block of a symmetric product; smaller ones are slower."""

_WORTH = 85
"""Multiplications that cost as much as to write one number to fresh memory and read it once (measured)."""


def wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def exact(x: Tensor) -> Tensor:
    """``x`` in float32, or float64 if it was that."""
    return x.to(wide(x))


@dataclass(frozen=True)
class Window:
    """How a convolution looks at its input."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: list[int]
    groups: int

    def patches(self, x: Tensor, out: Sequence[int]) -> Tensor:
        """What the kernel sees: (examples * groups, channels of a group * kernel, positions)."""
        x = F.pad(x, self.padding) if any(self.padding) else x.contiguous()
        steps = x.stride()[2:]
        near = [s * d for s, d in zip(steps, self.dilation, strict=True)]
        far = [s * d for s, d in zip(steps, self.stride, strict=True)]
        seen = x.as_strided((*x.shape[:2], *self.kernel, *out), (*x.stride()[:2], *near, *far))
        return seen.reshape(len(x) * self.groups, -1, math.prod(out))

    def contracted(self, left: Tensor, right: Tensor) -> Tensor:
        """The gradient of the kernel, for all examples together."""
        way = (conv1d_weight, conv2d_weight, conv3d_weight)
        size = (left.shape[1], right.shape[1] // self.groups, *self.kernel)
        before, after = self.padding[::-2], self.padding[-2::-2]
        if before != after:
            right, before = F.pad(right, self.padding), [0] * len(before)
        make: Callable[..., Tensor] = way[len(self.kernel) - 1]
        return make(right, size, left, self.stride, tuple(before), self.dilation, self.groups)


@dataclass
class Outer:
    """A gradient as a sum of outer products: of rows (examples, T, p) and (examples, T, d), or, with a
    window, of the output's gradient (examples, p, ...) and patches of the input."""

    left: Tensor
    right: Tensor
    window: Window | None = None

    @property
    def groups(self) -> int:
        return self.window.groups if self.window else 1

    @property
    def sizes(self) -> tuple[int, int, int]:
        """T, and p and d of one group."""
        if self.window is None:
            return self.left.shape[1], self.left.shape[2], self.right.shape[2]
        d = self.right.shape[1] // self.groups * math.prod(self.window.kernel)
        return math.prod(self.left.shape[2:]), self.left.shape[1] // self.groups, d

    def some(self, lo: int, hi: int) -> Outer:
        """The same for examples ``lo`` to ``hi``."""
        return replace(self, left=self.left[lo:hi], right=self.right[lo:hi])

    def factors(self, lo: int, hi: int) -> tuple[Tensor, Tensor]:
        """Of examples ``lo`` to ``hi``: (examples * groups, p, T) and (examples * groups, d, T)."""
        left, right = exact(self.left[lo:hi]), exact(self.right[lo:hi])
        if self.window is None:
            return left.transpose(1, 2), right.transpose(1, 2)
        out = left.shape[2:]
        left = left.reshape(len(left) * self.groups, -1, math.prod(out))
        return left, self.window.patches(right, out)


@dataclass
class Lookup:
    """A gradient of an embedding: rows (examples, T, d) that belong to entries (examples, T)."""

    index: Tensor
    rows: Tensor
    entries: int
    padding: int | None

    def __post_init__(self) -> None:
        if self.padding is not None:
            self.rows = self.rows.masked_fill((self.index == self.padding).unsqueeze(2), 0)

    def merged(self) -> tuple[Tensor, Tensor, Tensor]:
        """Each entry once an example: (example, entry, row)."""
        example = torch.arange(len(self.index), device=self.index.device).unsqueeze(1)
        keys, place = torch.unique(example * self.entries + self.index, return_inverse=True)
        rows = self.rows.flatten(0, 1)
        return (
            keys // self.entries,
            keys % self.entries,
            rows.new_zeros(len(keys), rows.shape[1]).index_add_(0, place.flatten(), rows),
        )


@dataclass
class Book:
    """Squares of norms as gradients come in, and what is kept of them for the sum."""

    uses: Mapping[str, int]
    """How often each parameter was used."""
    memory: int
    square: Tensor = field(init=False)
    kept: dict[str, Tensor] = field(default_factory=dict)
    """Gradients of every example, (examples, numbers)."""
    outers: dict[str, list[Outer]] = field(default_factory=dict)
    merged: dict[str, tuple[Tensor, Tensor, Tensor]] = field(default_factory=dict)
    apart: dict[str, list[int]] = field(default_factory=dict)
    """Examples that are done one after the other, for most of what is added up cancels."""
    waiting: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.square = torch.zeros(0)

    def arrive(self, name: str, part: Any) -> None:
        """Note one use of a parameter; when it is the only one, its norm is taken at once."""
        if self.uses[name] > 1:
            self.waiting.setdefault(name, []).append(part)
        else:
            self._settle(name, [part])

    def finish(self) -> None:
        """All uses are in."""
        for name, parts in self.waiting.items():
            self._settle(name, parts)
        self.waiting.clear()

    def _add(self, square: Tensor) -> None:
        self.square = square if not len(self.square) else self.square.to(square.device) + square

    def _settle(self, name: str, parts: list[Any]) -> None:
        outers = [p for p in parts if isinstance(p, Outer)]
        lookups = [p for p in parts if isinstance(p, Lookup)]
        wholes = [p for p in parts if isinstance(p, Tensor)]
        if wholes:
            for part in outers:
                wholes.append(_instantiated([part], 0, len(part.left)))
            for lookup in lookups:
                wholes.append(_spread(lookup))
            self._keep(name, exact(sum(wholes[1:], wholes[0])))
        elif lookups:
            lookup = Lookup(
                torch.cat([p.index for p in lookups], 1), torch.cat([p.rows for p in lookups], 1),
                lookups[0].entries, None,
            ) if len(lookups) > 1 else lookups[0]  # fmt: skip
            example, _, rows = self.merged[name] = lookup.merged()
            square = rows.new_zeros(len(lookup.index)).index_add_(0, example, rows.square().sum(1))
            self.outers[name] = outers
            if outers:
                length, (_, p, d) = sum(outer.sizes[0] for outer in outers), outers[0].sizes
                others, summands = _norms(outers, length * (p + d) < p * d)
                summands, square = square + summands, square + others + _cross(outers, lookup)
                square = self._again(name, square, summands)
            self._add(square)
        elif outers:
            self._weigh(name, outers)

    def _keep(self, name: str, gradients: Tensor) -> None:
        self.kept[name] = gradients
        self._add(_squares(gradients))

    def _weigh(self, name: str, outers: list[Outer]) -> None:
        """Keep the gradients themselves, or what they are made of: whichever is cheaper and fits."""
        first, examples = outers[0], len(outers[0].left)
        sizes = [outer.sizes for outer in outers]
        length, (_, p, d) = sum(t for t, _, _ in sizes), sizes[0]
        whole = first.groups * p * d
        held = sum(outer.left.numel() + outer.right.numel() for outer in outers)
        more = 4 * (examples * whole - held)
        share = 1.0 if length <= _BLOCK else 0.65  # of a symmetric product that is made
        ghost = share * length * (p + d) < p * d
        least = length * min(share * length * (p + d), p * d)
        if least >= _WORTH * p * d and more <= self.memory:
            self.memory -= max(0, more)
            self._keep(name, _instantiated(outers, 0, examples))
            return
        self.outers[name] = outers
        self._add(self._again(name, *_norms(outers, ghost)))

    def _again(self, name: str, square: Tensor, summands: Tensor) -> Tensor:
        """``square``, where little remains of ``summands`` taken of the gradient itself.

        So is its part of the sum later: rounded in another way it could pass the bound.
        """
        self.apart[name] = (square < _CANCELLED * summands).nonzero().flatten().tolist()
        for i in self.apart[name]:
            square[i] = self._whole(name, i).square().sum()
        return square

    def _whole(self, name: str, i: int) -> Tensor:
        """The gradient of one example."""
        whole = _instantiated([outer.some(i, i + 1) for outer in self.outers[name]], 0, 1)
        if name in self.merged:
            example, entry, rows = self.merged[name]
            of = example == i
            whole.view(-1, rows.shape[1]).index_add_(0, entry[of], rows[of].to(whole.dtype))
        return whole

    def weighted(self, name: str, p: Tensor, scale: Tensor, bad: Tensor) -> Tensor:
        """The sum of the parameter's gradients, each times its ``scale``, without those of ``bad``."""
        total = torch.zeros(p.shape, dtype=torch.float32, device=p.device)
        if apart := self.apart.pop(name, None):
            for i in apart:
                if not bad[i]:
                    total += (self._whole(name, i) * scale[i]).view(p.shape)
            bad = bad.index_fill(0, torch.tensor(apart, device=bad.device), True)
        if name in self.kept:
            gradients = self.kept.pop(name)
            if bool(bad.any()):
                gradients = gradients.masked_fill(bad.unsqueeze(1), 0)
            total += torch.mv(gradients.mT, scale.to(gradients.dtype)).view(p.shape)
        if name in self.merged:
            example, entry, rows = self.merged.pop(name)
            rows = rows.mul(scale[example].unsqueeze(1)).masked_fill_(bad[example].unsqueeze(1), 0)
            total.index_add_(0, entry, rows.to(total.dtype))
        for outer in self.outers.pop(name, ()):
            total += _contracted(outer, scale, bad).view(p.shape)
        return total


def _squares(gradients: Tensor) -> Tensor:
    """Squares of the norms of rows."""
    norms: Tensor = torch.linalg.vector_norm(gradients, dim=1)
    return norms.square()


def _pieces(examples: int, each: int) -> Iterator[tuple[int, int]]:
    """Cuts of a batch such that a piece takes about so much memory as a core has of cache."""
    step = max(1, min(examples, _PIECE // max(1, each)))
    return ((lo, min(lo + step, examples)) for lo in range(0, examples, step))


def _joined(outers: Sequence[Outer], lo: int, hi: int) -> tuple[Tensor, Tensor]:
    """Factors of all uses as one longer sequence."""
    factors = [outer.factors(lo, hi) for outer in outers]
    if len(factors) == 1:
        return factors[0]
    return torch.cat([f[0] for f in factors], 2), torch.cat([f[1] for f in factors], 2)


def _norms(outers: Sequence[Outer], ghost: bool) -> tuple[Tensor, Tensor]:
    """Squares of the norms of all examples, piece by piece, nothing kept; and of what was added up."""
    groups, (_, p, d) = outers[0].groups, outers[0].sizes
    length = sum(outer.sizes[0] for outer in outers)
    each = 2 * length * length if ghost else p * d
    if outers[0].window:
        each += length * d
    squares, summands = [], []
    for lo, hi in _pieces(len(outers[0].left), 4 * groups * each):
        left, right = _joined(outers, lo, hi)
        square = _ghost(left, right) if ghost else (left @ right.mT).square().sum((1, 2))
        added = (left.norm(dim=1) * right.norm(dim=1)).sum(1).square() if length > 1 else square
        squares.append(square.view(hi - lo, -1).sum(1))
        summands.append(added.view(hi - lo, -1).sum(1))
    return torch.cat(squares), torch.cat(summands)


def _ghost(left: Tensor, right: Tensor) -> Tensor:
    """Squares of the norms of ``left @ right.mT`` without making it, for (n, p, T) and (n, d, T).

    Of the two symmetric T x T matrices only the lower blocks are made.
    """
    length = left.shape[2]
    if length == 1:
        return left.square().sum((1, 2)) * right.square().sum((1, 2))
    if length <= _BLOCK:
        return (left.mT @ left).mul_(right.mT @ right).sum((1, 2))
    h = length // 2
    corner = (left[:, :, :h].mT @ left[:, :, h:]).mul_(right[:, :, :h].mT @ right[:, :, h:]).sum((1, 2))
    return _ghost(left[:, :, :h], right[:, :, :h]) + _ghost(left[:, :, h:], right[:, :, h:]) + 2 * corner


def _instantiated(outers: Sequence[Outer], lo: int, hi: int) -> Tensor:
    """The gradients of examples ``lo`` to ``hi``, a row each."""
    groups, (_, p, d) = outers[0].groups, outers[0].sizes
    out = torch.empty((hi - lo) * groups, p, d, dtype=wide(outers[0].left), device=outers[0].left.device)
    each = 4 * groups * (sum(outer.sizes[0] for outer in outers) * d if outers[0].window else p * d)
    for start, stop in _pieces(hi - lo, each):
        left, right = _joined(outers, lo + start, lo + stop)
        torch.bmm(left, right.mT, out=out[start * groups : stop * groups])
    return out.view(hi - lo, groups * p * d)


def _spread(lookup: Lookup) -> Tensor:
    """An embedding's gradients, every entry of every example."""
    examples, d = len(lookup.index), lookup.rows.shape[2]
    example, entry, rows = lookup.merged()
    out = rows.new_zeros(examples * lookup.entries, d)
    return out.index_copy_(0, example * lookup.entries + entry, rows).view(examples, -1)


def _cross(outers: Sequence[Outer], lookup: Lookup) -> Tensor:
    """Twice the inner products of two uses of one matrix: as a layer's weight, and as an embedding."""
    length, squares = sum(outer.sizes[0] for outer in outers), []
    for lo, hi in _pieces(len(lookup.index), 8 * length * lookup.index.shape[1]):
        left, right = _joined(outers, lo, hi)
        entries = lookup.index[lo:hi].unsqueeze(2).expand(-1, -1, left.shape[2])
        squares.append((lookup.rows[lo:hi] @ right).mul_(left.gather(1, entries)).sum((1, 2)))
    return 2 * torch.cat(squares)


def _contracted(outer: Outer, scale: Tensor, bad: Tensor) -> Tensor:
    """The weighted sum over examples and positions."""
    examples, spoilt = len(outer.left), bool(bad.any())
    if outer.window is not None:
        left, right = exact(outer.left), exact(outer.right)
        if spoilt:
            left, right = _without(left, bad), _without(right, bad)
        return outer.window.contracted(left * _along(scale, left), right)
    length, p, d = outer.sizes
    total = torch.zeros(p, d, dtype=wide(outer.left), device=outer.left.device)
    for lo, hi in _pieces(examples, length * min(p, d) // 2):
        left, right = exact(outer.left[lo:hi]), exact(outer.right[lo:hi])
        if spoilt:
            left, right = _without(left, bad[lo:hi]), _without(right, bad[lo:hi])
        if p < d:
            left = left * _along(scale[lo:hi], left)
        else:
            right = right * _along(scale[lo:hi], right)
        total.addmm_(left.flatten(0, 1).mT, right.flatten(0, 1))
    return total


def _along(scale: Tensor, x: Tensor) -> Tensor:
    """``scale`` such that each example of ``x`` is multiplied by its own."""
    return scale.to(x.dtype).view(-1, *[1] * (x.ndim - 1))


def _without(x: Tensor, bad: Tensor) -> Tensor:
    """``x`` with zeros for examples that are ``bad``: chosen, for zero times NaN is NaN."""
    return x.masked_fill(bad.view(-1, *[1] * (x.ndim - 1)), 0)

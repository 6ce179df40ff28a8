"""Ready questions: each a vector per part, what one record changes in it, and an answer with its error.

    vector = question.part(values)       in each part: a bounded vector; those of all parts add up
    question.sensitivity                 by how much one record, added or removed, changes the sum
    question.answer(noisy sum, noise)    the answer, and how far the noise may have moved it

All are pure functions, so that any engine can run them: see :func:`noisy_part`, which is what a part computes
of a question and a mechanism, noise share included.

Every value is moved into its bounds, scaled to -1 to 1, and rounded to a grid of 2**-24 before it is added up
in whole numbers. So one record changes each coordinate by at most its weight, exactly, whatever the order
of additions (floating-point sums do not keep to such bounds: Casacuberta et al., CCS 2022). How many values
lay outside their bounds is asked along, with noise like all the rest: it is as private as they are.

Errors are those of the noise alone, at 95 %: what another run on the same data may give. How far the data
is from what it was drawn from is another matter.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from masquerade.dp.mechanism import Floats, Ints, Mechanism, Sensitivity
from masquerade.dp.sampler import Read
from masquerade.errors import BadInput

_BITS = 24
STEP = 2.0**-_BITS
"""Coordinates of vectors are multiples of it."""
MOST_RECORDS = 1 << 29
"""Of one part: up to so many, float64 holds their sum exactly."""

_OUTSIDE = 0.5
"""What a record outside its bounds adds to the coordinate that counts these."""
_FANOUT, _LEVELS = 4, 5
"""Of the tree of counts for quantiles: 4**5 = 1,024 intervals."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """From where to where values are believed to lie; chosen without looking at the data.

    Raises:
        BadInput: floating point cannot scale values between them.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (self.low < self.high and math.isfinite(self.high - self.low)):
            raise BadInput("bounds are two finite numbers, the lower one first")
        # Else scaling divides by 0 or to infinity, and a record changes its sums by any amount.
        if not (self.half >= sys.float_info.min and math.isfinite(self.middle)):
            raise BadInput("bounds are too large, or too close to each other, for floating point")

    def __iter__(self) -> Iterator[float]:
        return iter((self.low, self.high))

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2

    def moved(self, values: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Values moved into the bounds, and which of them were."""
        return np.clip(values, self.low, self.high), (values < self.low) | (values > self.high)

    def unit(self, values: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """The same, scaled to -1 to 1, on the grid."""
        inside, outside = self.moved(values)
        return _on_grid((inside - self.middle) / self.half), outside


class Figure(NamedTuple):
    """One number of an answer."""

    name: str
    value: float
    """NaN where the noise leaves no answer."""
    low: float
    high: float
    """Between these the answer without noise lies, in 95 of 100 runs."""


class Answer(NamedTuple):
    """What is known after a question was asked, all of it safe to publish at the price that was paid."""

    question: str
    figures: tuple[Figure, ...]
    outside: Figure | None
    """About how many records had a value outside its bounds, and were counted as if it lay on them."""


class Question(Protocol):
    """One ready question."""

    name: str

    @property
    def columns(self) -> int:
        """How many columns it takes, in the order that it documents."""

    @property
    def sensitivity(self) -> Sensitivity:
        """By how much one record changes the sum of all vectors."""

    def part(self, values: Floats) -> Floats:
        """The vector of some records: float64 of shape (size,), from (records, columns), all finite."""

    def answer(self, total: Floats, noise: Mechanism) -> Answer:
        """What the sum of all vectors, with noise, says."""


def noisy_part(question: Question, mechanism: Mechanism, values: Floats, read: Read | None = None) -> Ints:
    """What one part sends: its vector and its share of the noise, in grid units; any two may be added.

    ``read`` gives uniform bytes; by default those of a fresh keystream.

    Raises:
        BadInput: as :func:`table`.
    """
    return mechanism.encode(question.part(table(values, question.columns))) + mechanism.share(
        size(question), read
    )


def size(question: Question) -> int:
    """How long the vectors of a question are."""
    return len(question.part(np.empty((0, question.columns))))


def direct(
    question: Question, values: npt.ArrayLike, mechanism: Mechanism, read: Read | None = None
) -> Answer:
    """The question asked of data in this process, all noise added here. It does not charge: spend first.

    >>> from masquerade.dp.mechanism import quieter
    >>> question = Mean(Bounds(0, 120))
    >>> noise = quieter(question.sensitivity, epsilon=1, delta=1e-6, step=STEP)
    >>> answer = direct(question, [[30.0], [50.0]] * 5000, noise)
    >>> abs(answer.figures[0].value - 40) < 1
    True
    """
    array = table(values, question.columns)
    return question.answer(mechanism.add(question.part(array), read), mechanism)


def table(values: npt.ArrayLike, columns: int) -> Floats:
    """``values`` as float64 of shape (records, columns).

    Raises:
        BadInput: the shape is another, or not every value is finite.
    """
    array = np.asarray(values, dtype=np.float64)
    array = array[:, None] if array.ndim == 1 and columns == 1 else array
    if array.ndim != 2 or array.shape[1] != columns:
        raise BadInput(f"this question takes {columns} columns, one row a record")
    if not np.isfinite(array).all():
        raise BadInput(
            "not every value is finite: decide what a missing value stands for, or leave its record out"
        )
    if len(array) > MOST_RECORDS:
        raise BadInput(f"a part has at most {MOST_RECORDS:,} records: cut the data into more parts")
    return array


# Questions ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count:
    """How many records there are. It looks at no column; records may be left out where one is empty."""

    columns: int = 0
    name = "count"

    @property
    def sensitivity(self) -> Sensitivity:
        return Sensitivity(1, 1, 1, 1)

    def part(self, values: Floats) -> Floats:
        return np.array([float(len(values))])

    def answer(self, total: Floats, noise: Mechanism) -> Answer:
        return Answer(self.name, (_figure("count", total[0], noise.std, noise),), None)


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of a column, each value moved into its bounds."""

    bounds: Bounds
    name = "sum"
    columns = 1

    @property
    def _largest(self) -> float:
        return max(abs(self.bounds.low), abs(self.bounds.high))

    @property
    def sensitivity(self) -> Sensitivity:
        return _sensitivity(1, _OUTSIDE)

    def part(self, values: Floats) -> Floats:
        inside, outside = self.bounds.moved(values[:, 0])
        return _summed(_on_grid(inside / self._largest), _OUTSIDE * outside)

    def answer(self, total: Floats, noise: Mechanism) -> Answer:
        figure = _figure("sum", total[0] * self._largest, noise.std * self._largest, noise)
        return Answer(self.name, (figure,), _outside(total, noise))


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a column, each value moved into its bounds."""

    bounds: Bounds
    name = "mean"
    columns = 1

    @property
    def sensitivity(self) -> Sensitivity:
        return _sensitivity(1, 1, _OUTSIDE)

    def part(self, values: Floats) -> Floats:
        unit, outside = self.bounds.unit(values[:, 0])
        return _summed(np.ones(len(unit)), unit, _OUTSIDE * outside)

    def answer(self, total: Floats, noise: Mechanism) -> Answer:
        n, s = total[:2]
        outside = _outside(total, noise)
        if not _enough(n, noise):
            return Answer(self.name, (_unknown("mean", *self.bounds), _counted(n, noise)), outside)
        mean = np.clip(s / n, -1, 1)
        std = self.bounds.half * noise.std * math.hypot(1, mean) / n
        value = self.bounds.middle + self.bounds.half * mean
        figure = _figure("mean", value, std, noise, *self.bounds)
        return Answer(self.name, (figure, _counted(n, noise)), outside)


@dataclass(frozen=True, slots=True)
class Variance:
    """The variance of a column (mean square distance to the mean), each value moved into its bounds."""

    bounds: Bounds
    name = "variance"
    columns = 1

    @property
    def sensitivity(self) -> Sensitivity:
        return _sensitivity(1, 1, 1, _OUTSIDE)

    def part(self, values: Floats) -> Floats:
        unit, outside = self.bounds.unit(values[:, 0])
        return _summed(np.ones(len(unit)), unit, _on_grid(2 * unit**2 - 1), _OUTSIDE * outside)

    def answer(self, total: Floats, noise: Mechanism) -> Answer:
        n, s, q = total[:3]
        outside, most = _outside(total, noise), self.bounds.half**2
        if not _enough(n, noise):
            unknown = _unknown("variance", 0, most), _unknown("standard deviation", 0, self.bounds.half)
            return Answer(self.name, (*unknown, _counted(n, noise)), outside)
        mean, square = np.clip(s / n, -1, 1), np.clip(q / n, -1, 1)
        by_noise = (0.5, -2 * mean, 2 * mean**2 - square / 2)  # of q, s and n
        std = most * noise.std * math.hypot(*by_noise) / n
        figure = _figure("variance", most * ((square + 1) / 2 - mean**2), std, noise, 0, most)
        root = Figure("standard deviation", *(math.sqrt(each) for each in figure[1:]))
        return Answer(self.name, (figure, root, _counted(n, noise)), outside)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie in each of ``bins`` equal intervals between the bounds, below them, and above.

    An interval has its lower end and not its upper one; the last has both.
    """

    bounds: Bounds
    bins: int = 10
    name = "histogram"
    columns = 1

    def __post_init__(self) -> None:
        if not 1 <= self.bins <= 10_000:
            raise BadInput(f"a histogram has 1 to 10,000 bins, not {self.bins:,}")

    @property
    def edges(self) -> Floats:
        """Where bins begin and end: (bins + 1,)."""
        return np.linspace(self.bounds.low, self.bounds.high, self.bins + 1)

    @property
    def sensitivity(self) -> Sensitivity:
        return Sensitivity(1, 1, 1, 1)

    def part(self, values: Floats) -> Floats:
        column = values[:, 0]
        places = np.searchsorted(self.edges, column, side="right")
        places[column == self.bounds.high] = self.bins
        return np.bincount(places, minlength=self.bins + 2).astype(np.float64)

    def answer(self, total: Floats, noise: Mechanism) -> Answer:
        edges = [f"{edge:.10g}" for edge in self.edges]
        names = (
            f"below {edges[0]}",
            *(f"{low} to {high}" for low, high in pairwise(edges)),
            f"above {edges[-1]}",
        )
        figures = tuple(_figure(name, n, noise.std, noise) for name, n in zip(names, total, strict=True))
        return Answer(self.name, figures, None)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Values below which given fractions of a column lie, to a part in 1,024 of the bounds' distance.

    From a tree of counts (Hay et al., VLDB 2010): five levels, each interval cut in four. How many values lie
    below any of the 1,024 ends is the sum of at most 15 counts.
    """

    bounds: Bounds
    fractions: tuple[float, ...] = (0.25, 0.5, 0.75)
    name = "quantiles"
    columns = 1

    def __post_init__(self) -> None:
        if not self.fractions or not all(0 < fraction < 1 for fraction in self.fractions):
            raise BadInput("quantiles are asked for at fractions above 0 and below 1")

    @property
    def sensitivity(self) -> Sensitivity:
        return _sensitivity(*[1] * _LEVELS, _OUTSIDE)

    def part(self, values: Floats) -> Floats:
        unit, outside = self.bounds.unit(values[:, 0])
        last = _FANOUT**_LEVELS
        leaf = np.minimum((unit + 1) / 2 * last, last - 1).astype(np.int64)
        levels = [
            np.bincount(leaf // _FANOUT ** (_LEVELS - 1 - level), minlength=_FANOUT ** (level + 1))
            for level in range(_LEVELS)
        ]
        return np.concatenate([*levels, [_OUTSIDE * np.count_nonzero(outside)]]).astype(np.float64)

    def answer(self, total: Floats, noise: Mechanism) -> Answer:
        n = float(total[:_FANOUT].sum())
        outside = _outside(total, noise)
        counted = _figure("count", n, noise.std * math.sqrt(_FANOUT), noise, 0)
        if not _enough(n, noise):
            unknown = (_unknown(f"quantile {fraction:g}", *self.bounds) for fraction in self.fractions)
            return Answer(self.name, (*unknown, counted), outside)
        below, terms = _prefixes(total)
        spread = _spread(noise) * noise.std
        figures = []
        for fraction in self.fractions:
            far = spread * np.sqrt(terms + _FANOUT * fraction**2)
            places = (self._place(below + off, fraction * n) for off in (0.0, far, -far))
            figures.append(Figure(f"quantile {fraction:g}", *places))
        return Answer(self.name, (*figures, counted), outside)

    def _place(self, below: Floats, wanted: float) -> float:
        """Where a cumulative count passes ``wanted``: made to rise first, midway between two ways to."""
        rising = (np.maximum.accumulate(below) + np.minimum.accumulate(below[::-1])[::-1]) / 2
        at = int(np.searchsorted(rising, wanted))
        if at in (0, len(rising)):
            fraction = 0.0 if at == 0 else 1.0
        else:
            before, after = rising[at - 1], rising[at]
            fraction = (at - 1 + (wanted - before) / (after - before)) / (len(rising) - 1)
        return self.bounds.low + (self.bounds.high - self.bounds.low) * float(fraction)


@dataclass(frozen=True, slots=True)
class LinearRegression:
    """The straight line (or plane) by least squares: the first column from all others.

    From the sums of all products of two columns, scaled into their bounds (Wang, IJCAI 2018).
    ``names`` are those of the other columns, for the answer.
    """

    bounds: tuple[Bounds, ...]
    names: tuple[str, ...] = ()
    name = "regression"

    def __post_init__(self) -> None:
        if not 2 <= self.columns <= 51:
            raise BadInput(
                "a regression has one column to explain, and 1 to 50 that explain it, each with bounds"
            )
        if self.names and len(self.names) != self.columns - 1:
            raise BadInput("a regression needs a name for each column but the first")

    @property
    def columns(self) -> int:
        return len(self.bounds)

    @property
    def _pairs(self) -> tuple[Ints, Ints]:
        rows, columns = np.triu_indices(self.columns + 1)
        return rows, columns

    @property
    def sensitivity(self) -> Sensitivity:
        return _sensitivity(*[1] * len(self._pairs[0]), _OUTSIDE)

    def part(self, values: Floats) -> Floats:
        outside = np.zeros(len(values), dtype=np.bool_)
        factors = [np.ones(len(values))]
        for bounds, column in zip(
            (*self.bounds[1:], self.bounds[0]), np.roll(values, -1, axis=1).T, strict=True
        ):
            unit, beyond = bounds.unit(column)
            factors.append(unit)
            outside |= beyond
        products = (_on_grid(factors[i] * factors[j]) for i, j in zip(*self._pairs, strict=True))
        return _summed(*products, _OUTSIDE * outside)

    def answer(self, total: Floats, noise: Mechanism) -> Answer:
        rows, columns = self._pairs
        grams = np.zeros((self.columns + 1, self.columns + 1))
        grams[rows, columns] = grams[columns, rows] = total[:-1]
        inner, outer = grams[:-1, :-1], grams[:-1, -1]
        outside, counted = _outside(total, noise), _counted(total[0], noise)
        names = ("intercept", *(f"slope of {name}" for name in self._named))
        # A symmetric matrix of such noise has a norm of about 2 std sqrt(n).
        if np.linalg.eigvalsh(inner)[0] < 4 * noise.std * math.sqrt(len(inner)):
            unknown = tuple(_unknown(name, -math.inf, math.inf) for name in names)
            return Answer(self.name, (*unknown, counted), outside)
        fit = np.linalg.solve(inner, outer)
        moved = np.zeros((len(rows), len(fit)))
        for k, (i, j) in enumerate(zip(rows, columns, strict=True)):
            push = np.zeros(len(fit))  # what noise in this sum does to: outer - inner @ fit
            if j == len(fit):
                if i < len(fit):
                    push[i] = 1
            else:
                push[i] -= fit[j]
                if i != j:
                    push[j] -= fit[i]
            moved[k] = np.linalg.solve(inner, push)
        scale = self._unscaling()
        values = scale @ fit
        values[0] += self.bounds[0].middle
        stds = noise.std * np.sqrt(((moved @ scale.T) ** 2).sum(axis=0))
        figures = tuple(
            _figure(name, value, std, noise) for name, value, std in zip(names, values, stds, strict=True)
        )
        return Answer(self.name, (*figures, counted), outside)

    @property
    def _named(self) -> tuple[str, ...]:
        return self.names or tuple(f"column {i}" for i in range(2, self.columns + 1))

    def _unscaling(self) -> Floats:
        """From coefficients of scaled columns to those in the columns' own units, but for the constant."""
        explained, *others = self.bounds
        scale = np.zeros((self.columns, self.columns))
        scale[0, 0] = explained.half
        for i, bounds in enumerate(others, 1):
            scale[i, i] = explained.half / bounds.half
            scale[0, i] = -explained.half * bounds.middle / bounds.half
        return scale


# What they share ----------------------------------------------------------------------------------------


def _on_grid(values: Floats) -> Floats:
    """To the next multiple of ``STEP`` from -1 to 1; dividing may have left these by a rounding error."""
    return np.clip(np.ldexp(np.rint(np.ldexp(values, _BITS)), -_BITS), -1, 1)


def _summed(*columns: npt.NDArray[np.floating[Any]]) -> Floats:
    """Sums of columns on the grid: in whole numbers, so exact in any order."""
    sums = [int(np.ldexp(column, _BITS).astype(np.int64).sum()) for column in columns]
    return np.ldexp(np.array(sums, dtype=np.float64), -_BITS)


def _sensitivity(*weights: float) -> Sensitivity:
    """That of a vector of which one record changes each coordinate by at most its weight."""
    return Sensitivity(sum(weights), math.hypot(*weights), max(weights), len(weights))


def _spread(noise: Mechanism) -> float:
    """Within so many standard deviations lie 95 % of the noise."""
    return 1.96 if noise.noise == "gaussian" else -math.log(0.05) / math.sqrt(2)


def _figure(
    name: str, value: float, std: float, noise: Mechanism, low: float = -math.inf, high: float = math.inf
) -> Figure:
    off = _spread(noise) * std
    clamped: Callable[[float], float] = lambda x: float(min(max(x, low), high))  # noqa: E731
    return Figure(name, clamped(value), clamped(value - off), clamped(value + off))


def _unknown(name: str, low: float, high: float) -> Figure:
    return Figure(name, math.nan, low, high)


def _counted(n: float, noise: Mechanism) -> Figure:
    return _figure("count", float(n), noise.std, noise, 0)


def _outside(total: Floats, noise: Mechanism) -> Figure:
    return _figure("outside the bounds", total[-1] / _OUTSIDE, noise.std / _OUTSIDE, noise, 0)


def _enough(n: float, noise: Mechanism) -> bool:
    """Whether there are so many records that dividing by their number makes sense."""
    return bool(n > 5 * noise.std)


def _prefixes(total: Floats) -> tuple[Floats, Floats]:
    """For each end of the smallest intervals: how many values lie below; of how many counts that is a sum."""
    levels: Sequence[Floats] = np.split(total[:-1], np.cumsum([_FANOUT**k for k in range(1, _LEVELS)]))
    ends = np.arange(_FANOUT**_LEVELS + 1)
    below, terms = np.zeros(len(ends)), np.zeros(len(ends))
    for level, counts in enumerate(levels, 1):
        at = ends // _FANOUT ** (_LEVELS - level)
        first = at // _FANOUT * _FANOUT if level > 1 else np.zeros_like(at)
        summed = np.concatenate([[0.0], np.cumsum(counts)])
        below += summed[at] - summed[first]
        terms += at - first
    return below, terms

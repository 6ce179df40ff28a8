"""Clip and add noise; the result carries its sensitivity and its event.

    clipped = clip(vectors, 1.0, "l2")           # each record's vector, at most 1 long; how many were cut
    mechanism = gaussian(vector_sensitivity(1.0, "l2", size), epsilon=1, delta=1e-6)
    mechanism.add(clipped.values.sum(axis=0))    # noisy sum
    price(mechanism.event, 1e-6)                 # what it cost

Values are rounded to a grid, a power of two, before noise of whole grid units is added: no bit of a noisy
number comes from floating point, whose gaps would tell what was below the noise (Mironov, CCS 2012).

Noise may be made in shares: each of many parties adds one, and the sum over any ``survivors`` of them has
at least the noise that the event names, so nobody is trusted to add it all, and nobody can take it off.

The guarantee is (epsilon, delta)-differential privacy under adding or removing one record, against whoever
sees the noisy sum and anything that is made of it, and nothing else: not the parts, not the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from masquerade.crypto import Keystream
from masquerade.dp import sampler
from masquerade.dp.accountant import Event, Gaussian, Pure, Slack, noise_for, price
from masquerade.errors import BadInput

Norm: TypeAlias = Literal["l1", "l2", "linf"]
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

_FINE = 20
"""Gaussian noise is at least 2**20 grid units wide unless a grid is given."""
_REACH = 13.6
"""Of a discrete Gaussian, in sigma: what lies beyond is in its total variation."""
_LARGEST = 2.0**62
"""Of a value, in grid units."""
_TINY, _HUGE = 1e-150, 1e150
"""Of a bound: beyond these the squares of floating-point numbers are lost, and with them lengths."""


# Clipping -----------------------------------------------------------------------------------------------


class Clipped(NamedTuple):
    """Values within a bound, and how many had to be changed. That number is as private as they are."""

    values: Floats
    clipped: int


def clip(values: npt.ArrayLike, bound: float, norm: Norm = "l2") -> Clipped:
    """Each vector of ``values``, at most ``bound`` long in ``norm``.

    ``values`` has shape (records, size), or (records,) for single numbers. By ``l1`` and ``l2`` a longer
    vector is shortened in its direction; by ``linf`` each coordinate is moved to the bound. The result is a
    new float64 array of the same shape, and no vector of it is longer than ``bound`` as floating point
    computes it, to a part in 2**45, which is taken off.

    Raises:
        BadInput: a value is not finite, the shape is another, or the bound is not from 1e-150 to 1e150.
    """
    array = np.array(values, dtype=np.float64)
    if array.ndim not in (1, 2):
        raise BadInput(f"clipping takes an array of vectors or of numbers, not of {array.ndim} dimensions")
    if not (_TINY <= bound <= _HUGE):
        raise BadInput(f"a bound is above 0, and from {_TINY:g} to {_HUGE:g}, not {bound:g}")
    if not np.isfinite(array).all():
        raise BadInput("not every value is finite: a NaN or an infinity cannot be clipped, remove its record")
    rows = array if array.ndim == 2 else array[:, None]
    match norm:
        case "linf":
            beyond = (np.abs(rows) > bound).any(axis=1)
            np.clip(rows, -bound, bound, out=rows)
        case "l1" | "l2":
            with np.errstate(over="ignore"):  # an infinite length makes the vector 0
                lengths = np.linalg.norm(rows, ord=int(norm[1]), axis=1)
            beyond = lengths > bound
            rows[beyond] *= (bound * (1 - 2.0**-45) / lengths[beyond])[:, None]
        case _:
            raise BadInput("a norm is one of l1, l2, linf")
    return Clipped(array, int(beyond.sum()))


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """By how much one record, added or removed, changes a vector: in three norms, and in how many places.

    The norms are bounds in the unit of the vector's own values; ``coordinates`` is how many of them one
    record may change.
    """

    l1: float
    l2: float
    linf: float
    coordinates: int

    def __post_init__(self) -> None:
        if self.coordinates < 1 or not all(0 < norm < math.inf for norm in (self.l1, self.l2, self.linf)):
            raise BadInput("a sensitivity is above 0 and finite in every norm, in at least 1 coordinate")

    def rounded(self, grid: float) -> Sensitivity:
        """The same once the vector was rounded to multiples of ``grid``: each change by up to one more."""
        n = self.coordinates
        return Sensitivity(self.l1 + n * grid, self.l2 + math.sqrt(n) * grid, self.linf + grid, n)


def vector_sensitivity(bound: float, norm: Norm, size: int) -> Sensitivity:
    """That of a sum of vectors of ``size`` that are each at most ``bound`` long in ``norm``."""
    root = math.sqrt(size)
    l1, l2 = {
        "l1": (bound, bound),
        "l2": (bound * root, bound),
        "linf": (bound * size, bound * root),
    }[norm]
    return Sensitivity(l1, l2, bound, size)


# Mechanisms ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mechanism:
    """Noise of one distribution and width, for vectors of one sensitivity; made by the functions below."""

    noise: Literal["gaussian", "laplace"]
    sensitivity: Sensitivity
    """Of the rounded vector, in the unit of its values."""
    fraction_bits: int
    """The grid is 2**-fraction_bits."""
    width: float
    """Sigma of the Gaussian, or scale of the Laplace, in grid units, of the noise in all."""
    survivors: int
    """In how many shares this much noise is made; more parties only make more of it."""
    event: Event
    """What running it once is, for :mod:`masquerade.dp.accountant`."""

    @property
    def grid(self) -> float:
        """Noisy values are multiples of it."""
        return 2.0**-self.fraction_bits

    @property
    def std(self) -> float:
        """The standard deviation of the noise of each coordinate, in the unit of the values."""
        if self.noise == "gaussian":
            return self.grid * max(self.width, self._share_width * math.sqrt(self.survivors))
        return self.grid / math.sqrt(2) / math.sinh(1 / (2 * self.width))

    @property
    def reach(self) -> float:
        """What the magnitude of one share stays below, save once in 2**100 draws; in the values' unit.

        Whoever encodes values for a sum of limited range leaves room for it.
        """
        if self.noise == "gaussian":
            return self.grid * math.ceil(2 * _REACH * self._share_width)
        return self.grid * math.ceil(96 * self.width)

    def encode(self, values: npt.ArrayLike) -> Ints:
        """``values`` in grid units, rounded half to even: int64, in one dimension.

        Raises:
            BadInput: a value is not finite, or larger than 2**62 grid units.
        """
        scaled = np.ldexp(np.asarray(values, dtype=np.float64).ravel(), self.fraction_bits)
        if not (np.abs(scaled) < _LARGEST).all():
            raise BadInput("a value is not finite, or too large for the grid of this noise")
        return np.rint(scaled).astype(np.int64)

    def decode(self, units: Ints) -> Floats:
        """Grid units as numbers: float64."""
        return np.ldexp(units.astype(np.float64), -self.fraction_bits)

    def share(self, size: int, read: sampler.Read | None = None) -> Ints:
        """One party's noise for a vector of ``size``, in grid units: int64. With 1 survivor, all of it.

        ``read`` gives uniform bytes; by default those of a fresh keystream.
        """
        return self._sampler().draw(size, read or Keystream.fresh().read)

    def add(self, values: npt.ArrayLike, read: sampler.Read | None = None) -> Floats:
        """``values`` with all of the noise: float64 of the same shape, multiples of the grid.

        For one who is trusted with the sum. Each call spends :attr:`event`; nothing here charges it.
        """
        read = read or Keystream.fresh().read
        units = self.encode(values)
        for _ in range(self.survivors):
            units += self.share(len(units), read)
        return self.decode(units).reshape(np.shape(values))

    @property
    def _share_width(self) -> float:
        return sampler.share_sigma(self.width, self.survivors) if self.survivors > 1 else self.width

    def _sampler(self) -> sampler.Sampler:
        return _sampler(self.noise, self.width, self.survivors)


def gaussian(
    sensitivity: Sensitivity,
    *,
    noise_multiplier: float | None = None,
    epsilon: float | None = None,
    delta: float | None = None,
    count: int = 1,
    survivors: int = 1,
    fraction_bits: int | None = None,
    step: float | None = None,
) -> Mechanism:
    """Discrete Gaussian noise of ``noise_multiplier`` times the L2 sensitivity.

    Or, for an ``epsilon`` and a ``delta``, of the multiplier at which ``count`` uses cost that much.

    Args:
        sensitivity: Of the vector before rounding.
        survivors: In how many shares the noise is made, so that so many of them suffice.
        fraction_bits: The grid is 2**-fraction_bits; by default so fine that the noise is 2**20 units wide.
        step: What all values are known to be multiples of (1 for counts): then rounding to a grid that
            divides it changes nothing. By default they are taken for any numbers, and the sensitivity
            grows by what rounding may add.

    Raises:
        BadInput: an argument is out of its range, or both or neither price and multiplier are given.
        MissingPackage: a price is given, and dp-accounting is not installed.
    """
    if (noise_multiplier is None) == (epsilon is None or delta is None):
        raise BadInput("give either a noise multiplier, or an epsilon and a delta")
    if noise_multiplier is not None:
        return _gaussian(sensitivity, noise_multiplier, survivors, fraction_bits, step)
    assert epsilon is not None and delta is not None  # noqa: S101 - for the type checker
    least = noise_for(epsilon, delta, count)
    for more in (0.0, *(2.0**-k for k in range(13, -1, -1))):
        made = _gaussian(sensitivity, least * (1 + more), survivors, fraction_bits, step)
        if price([made.event] * count, delta) <= epsilon:
            return made
    raise BadInput("this grid is too coarse for this price: take more bits after the point")


def _gaussian(
    sensitivity: Sensitivity, multiplier: float, survivors: int, bits: int | None, step: float | None
) -> Mechanism:
    _check_survivors(survivors)
    if not (0 < multiplier < math.inf):
        raise BadInput(f"a noise multiplier is above 0, not {multiplier:g}")
    if bits is None:
        wanted = multiplier * sensitivity.l2 / math.sqrt(sensitivity.coordinates)
        bits = max(0, _FINE - math.floor(_log2(wanted)))
    grid = 2.0**-bits
    on_grid = _on_grid(sensitivity, grid, step)
    width = multiplier * on_grid.l2 / grid
    made = _sampler("gaussian", width, survivors)
    n, share = sensitivity.coordinates, sampler.share_sigma(width, survivors) if survivors > 1 else width
    slack = Slack(
        # The discrete Gaussian to the rounded one: the proof is in docs/privacy-budget.md, its last part.
        grid=n * ((_REACH**2 / 24 + 1 / 8) / width**2 + 4 * math.exp(-2 * (math.pi * min(width, 18)) ** 2)),
        ratio=n * sampler.sum_ratio(share, survivors),
        tv=n * (survivors * made.tv + 2.0**-128),
    )
    return Mechanism("gaussian", on_grid, bits, width, survivors, Gaussian(multiplier, slack))


def laplace(
    sensitivity: Sensitivity,
    *,
    epsilon: float,
    survivors: int = 1,
    fraction_bits: int | None = None,
    step: float | None = None,
) -> Mechanism:
    """Discrete Laplace noise of scale L1 sensitivity / ``epsilon``: pure differential privacy, delta 0.

    Arguments as for :func:`gaussian`. In shares the scale is at most 1,024 grid units, so the grid is
    coarser, and rounding may cost more than Laplace is worth: then this is refused.
    """
    _check_survivors(survivors)
    if not (0 < epsilon < math.inf):
        raise BadInput(f"epsilon is above 0, not {epsilon:g}")
    if fraction_bits is None:
        wanted = sensitivity.l1 / epsilon / (1 if survivors > 1 else sensitivity.coordinates)
        finest = math.log2(sampler.LARGEST_SCALE) - 1 if survivors > 1 else _FINE
        fraction_bits = max(0, math.floor(finest - _log2(wanted)))
    grid = 2.0**-fraction_bits
    on_grid = _on_grid(sensitivity, grid, step)
    width = on_grid.l1 / grid / epsilon * (1 + 2.0**-50)
    if survivors > 1 and width > sampler.LARGEST_SCALE:
        raise BadInput(
            "Laplace noise in shares is too coarse for so small an epsilon, or so many coordinates: take "
            "Gaussian noise, or make it in one place"
        )
    made = _sampler("laplace", width, survivors)
    slack = Slack(tv=sensitivity.coordinates * survivors * made.tv)
    return Mechanism("laplace", on_grid, fraction_bits, width, survivors, Pure(epsilon, slack))


def quieter(
    sensitivity: Sensitivity, *, epsilon: float, delta: float, survivors: int = 1, step: float | None = None
) -> Mechanism:
    """Of Gaussian and Laplace at this price the one with less noise; at ``delta`` 0 Laplace."""
    if delta == 0:
        return laplace(sensitivity, epsilon=epsilon, survivors=survivors, step=step)
    made = gaussian(sensitivity, epsilon=epsilon, delta=delta, survivors=survivors, step=step)
    try:
        pure = laplace(sensitivity, epsilon=epsilon, survivors=survivors, step=step)
    except BadInput:
        return made
    return made if made.std < pure.std else pure


def _on_grid(sensitivity: Sensitivity, grid: float, step: float | None) -> Sensitivity:
    if step is not None and step >= grid and (step / grid).is_integer():
        return sensitivity
    return sensitivity.rounded(grid)


def _log2(wanted: float) -> float:
    """Of the width of noise, in the unit of the values; refused where floating point has no grid for it."""
    if not (1e-290 < wanted < math.inf):
        raise BadInput("noise of this width cannot be drawn: take another epsilon, or values in another unit")
    return math.log2(wanted)


def _check_survivors(survivors: int) -> None:
    if survivors < 1:
        raise BadInput(f"noise is shared among at least 1 party, not {survivors}")


def _sampler(noise: str, width: float, survivors: int) -> sampler.Sampler:
    if noise == "gaussian":
        return sampler.Gaussian(sampler.share_sigma(width, survivors) if survivors > 1 else width)
    return sampler.LaplaceShare(width, survivors) if survivors > 1 else sampler.Laplace(width)

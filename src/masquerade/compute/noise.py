"""A sum with noise: what is bounded where the data is, what is added before it leaves, and what it costs.

Every result is clipped and rounded by the worker that computed it. Every aggregator adds, to its sum of
shares, all the noise that the price asks for, by itself: whoever works together with all aggregators but one
can take their noise off and still meets the whole of it. That is the same bound as that of the shares, and
costs one standard deviation in sqrt(number of aggregators), 41 % with two. The ledger pays before any
aggregator opens.

The guarantee is (epsilon, delta)-differential privacy for adding or removing one ``unit``, against whoever
sees the sum and keeps to :mod:`masquerade.compute.aggregators`. It covers the values of the sum. It does not
cover which parts failed, and why; names, forms and the number of parts are public.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from masquerade.compute import tree
from masquerade.compute.field import Words
from masquerade.dp.accountant import noise_for
from masquerade.dp.ledger import Ledger, Receipt
from masquerade.dp.mechanism import Mechanism, Norm, clip, gaussian, laplace, vector_sensitivity
from masquerade.errors import BadInput

Unit = Literal["part", "record"]
_SPARE = 2.0**-10
"""By which part of itself the noise is larger than its price asks for, to pay for its being on a grid."""


@dataclass(frozen=True, slots=True)
class NoiseRule:
    """What all sides of a noisy sum agree on: how far a unit may reach, and how much noise hides it."""

    noise: Literal["gaussian", "laplace"]
    amount: float
    """Sigma as a multiple of the L2 sensitivity; or epsilon, of Laplace noise."""
    bound: float
    norm: Norm
    unit: Unit

    def mechanism(self, size: int) -> Mechanism:
        """The noise for a sum of ``size`` numbers, all of it."""
        if size < 1:
            raise BadInput("a result without numbers needs no noise: there is nothing to reveal")
        sensitivity = vector_sensitivity(self.bound, self.norm, size)
        if self.noise == "laplace":
            return laplace(sensitivity, epsilon=self.amount)
        return gaussian(sensitivity, noise_multiplier=self.amount)


@dataclass(frozen=True, slots=True)
class Noise:
    """How a sum gets noise, and who pays.

    Give ``epsilon`` and ``delta`` (0: Laplace noise, else Gaussian), or a ``noise_multiplier`` (Gaussian).
    """

    ledger: Ledger
    """Pays for the sum before it is opened, or refuses it."""
    bound: float
    """The most that one unit may add, as a length in ``norm``, over all numbers of a result together; what is
    longer is shortened. How many were is private, and told to nobody."""
    epsilon: float | None = None
    delta: float | None = None
    noise_multiplier: float | None = None
    norm: Norm = "l2"
    unit: Unit = "part"
    """``"part"``: the whole result of a part is one unit. ``"record"``: every array of a result has one row
    for each record, the same number in all; each record is clipped, and their sum is the part's result."""
    note: str = "sum"
    """What the ledger writes down."""

    def rule(self) -> NoiseRule:
        """The same without who pays.

        Raises:
            BadInput: the amount of noise is given twice or not at all, or a name is unknown.
        """
        if self.unit not in ("part", "record") or self.norm not in ("l1", "l2", "linf"):
            raise BadInput("unit is 'part' or 'record', and norm is 'l1', 'l2' or 'linf'")
        given = [value is not None for value in (self.epsilon, self.delta, self.noise_multiplier)]
        if given not in ([True, True, False], [False, False, True]):
            raise BadInput("give an epsilon and a delta, or a noise_multiplier")
        if self.noise_multiplier is not None:
            return NoiseRule("gaussian", self.noise_multiplier, self.bound, self.norm, self.unit)
        assert self.epsilon is not None and self.delta is not None  # noqa: S101 - for the type checker
        if self.delta == 0:
            return NoiseRule("laplace", self.epsilon, self.bound, self.norm, self.unit)
        amount = noise_for(self.epsilon, self.delta) * (1 + _SPARE)
        return NoiseRule("gaussian", amount, self.bound, self.norm, self.unit)


class Noisy(NamedTuple):
    """What noise a sum has, and what it cost."""

    std: float
    """The standard deviation of the noise of each number, in its unit."""
    receipt: Receipt


def bounded(
    rule: NoiseRule, form: tree.Form, leaves: Sequence[tree.Leaf], parts: int, aggregators: int
) -> tuple[tree.Form, Words]:
    """A result as words for a noisy sum, clipped by units; and the form of what they sum to, of floats.

    Each unit is clipped, then rounded to the grid, then added exactly, so that no unit moves the words by
    more than the mechanism's sensitivity.

    Raises:
        BadInput: rows are not as many in all arrays, a number is not finite, or the sum could wrap around.
    """
    rows, form = _rows(form, leaves) if rule.unit == "record" else _one_row(form, leaves)
    mechanism = rule.mechanism(rows.shape[1])
    units = mechanism.encode(clip(rows, rule.bound, rule.norm).values).reshape(rows.shape)
    largest = int(np.abs(units).max(initial=0)) * len(units)
    noise = 2 * aggregators * int(np.ceil(mechanism.reach / mechanism.grid))
    if largest * parts + noise >= 1 << 63:
        raise BadInput(
            "the noisy sum could wrap around 64 bits: take more noise, a lower bound, or fewer records"
        )
    return form, units.sum(axis=0).view(np.uint64)


def _one_row(form: tree.Form, leaves: Sequence[tree.Leaf]) -> tuple[NDArray[np.float64], tree.Form]:
    flat = [leaf.reshape(1, -1).astype(np.float64) for leaf in leaves]
    return np.hstack(flat or [np.empty((1, 0))]), _floats(form, 0)


def _rows(form: tree.Form, leaves: Sequence[tree.Leaf]) -> tuple[NDArray[np.float64], tree.Form]:
    counts = {leaf.shape[:1] for leaf in leaves}
    if len(counts) != 1 or () in counts:
        raise BadInput("with unit='record' every array of a result has one row for each record")
    ((count,),) = counts
    flat = [leaf.reshape(count, int(np.prod(leaf.shape[1:]))).astype(np.float64) for leaf in leaves]
    return np.hstack(flat), _floats(form, 1)


def _floats(form: tree.Form, axis: int) -> tree.Form:
    if form.dtype:
        return replace(form, dtype="float64", shape=form.shape[axis:])
    return replace(form, children=tuple(_floats(child, axis) for child in form.children))

"""Who shares masks with whom in a secure sum, and how many of them it takes to open one.

Up to 300 clients the graph is full: every two share a mask. Above, the clients stand in a ring, in an order
that is drawn for the round, and each shares masks with as many before it as after it (Bell et al., CCS 2020,
section 3: a Harary graph under a random permutation). Degree and threshold are the smallest for which two
probabilities, over that order, are small enough:

    privacy       2^-40   that some client's secrets could be opened by a coalition, or that the masks of the
                          honest fall apart into two groups
    correctness   2^-20   that for some client too few neighbours stay to open what must be opened

A client's neighbours are a uniform set of ``degree`` of the others, so that the number of them which are
corrupt or dropped is hypergeometric. Union bounds over the clients do the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masquerade.compute import sharing
from masquerade.errors import ProtocolProblem

FULL = 300
"""Up to so many clients the graph is full: in small groups the bounds gain too little."""

_MOST_NEIGHBOURS = sharing.MOST_HOLDERS - 1  # each client is a holder of its own secrets too
_PRIVACY, _CORRECTNESS = 2.0**-40, 2.0**-20


@dataclass(frozen=True, slots=True)
class Plan:
    """The numbers of one round that all must agree on."""

    clients: int
    degree: int
    """Neighbours of each client."""
    threshold: int
    """How many of a client's ``degree + 1`` holders, itself among them, open one of its secrets."""
    minimum: int
    """The fewest survivors whose sum may be opened."""

    @property
    def full(self) -> bool:
        """Whether everybody is everybody's neighbour."""
        return self.degree == self.clients - 1

    @property
    def element(self) -> np.dtype[Any]:
        """What secrets are shared in: bytes, or, where these have too few places, 16 bits, little-endian."""
        return np.dtype(np.uint8 if self.degree <= _MOST_NEIGHBOURS else "<u2")


@lru_cache(maxsize=64)
def plan(clients: int, corrupt: float = 0.2, dropped: float = 0.1, semi_honest: bool = False) -> Plan:
    """The plan for ``clients``, of which a fraction ``corrupt`` may conspire and ``dropped`` fall silent.

    Unless ``semi_honest``, the aggregator may conspire too and lie about who dropped out. A holder answers
    for one secret of a client only, the corrupt for both; so a threshold above half of holders and corrupt
    together means that nobody gets both (Bonawitz et al., CCS 2017, theorem 6.5: 2t > n + corrupt).

    Raises:
        ProtocolProblem: fewer than three clients (of two, each learns the other's value from the sum), fewer
            than two that are honest (the same), or more corrupt and dropped than any plan bears.
    """
    if clients < 3:
        raise ProtocolProblem("a secure sum needs at least three clients: of two, each would learn the other")
    if not (0 <= corrupt < 1 and 0 <= dropped < 1):
        raise ProtocolProblem("corrupt and dropped are fractions of the clients, from 0 to below 1")
    bad, gone = max(1, math.floor(corrupt * clients)), math.floor(dropped * clients)
    if bad > clients - 2:
        raise ProtocolProblem(
            f"of {clients:,} clients {bad:,} may conspire: the sum shows them the value of the only other one"
        )
    if clients <= FULL:
        found = _full(clients, bad, gone, semi_honest)
    else:
        degrees = range(2, _MOST_NEIGHBOURS + 1, 2)
        found = next((p for k in degrees if (p := _regular(clients, bad, gone, semi_honest, k))), None)
    if found is None:
        raise ProtocolProblem(
            f"no plan for {clients:,} clients bears that {corrupt:.0%} conspire and {dropped:.0%} drop out: "
            "promise fewer of either"
        )
    return found


def _full(clients: int, bad: int, gone: int, semi_honest: bool) -> Plan | None:
    threshold = clients // 2 + 1 if semi_honest else (clients + bad) // 2 + 1
    threshold = max(threshold, bad + 2)  # two honest survivors at least, so that neither is seen
    return Plan(clients, clients - 1, threshold, threshold) if threshold <= clients - gone else None


def _regular(clients: int, bad: int, gone: int, semi_honest: bool, degree: int) -> Plan | None:
    """The plan with this even degree and the smallest threshold that is private, if it is correct too."""
    thresholds = range(1, degree + 1)
    private = _private_if_honest if semi_honest else _private
    threshold = next((t for t in thresholds if private(clients, bad, gone, degree, t)), None)
    if threshold is None:
        return None
    if clients * _tail(clients - 1, gone, degree)[degree - threshold + 1] > _CORRECTNESS:
        return None
    return Plan(clients, degree, threshold, clients - gone)


def _private(clients: int, bad: int, gone: int, degree: int, threshold: int) -> bool:
    """Whether a coalition with the aggregator, which names whom it likes as dropped out, opens too much."""
    twice = 2 * threshold - degree - 1  # so many corrupt neighbours, and a client's holders can answer twice
    if twice < 2 or clients * _tail(clients - 1, bad, degree)[twice] > _PRIVACY:
        return False
    # A part of the ring stands alone if the runs of half a degree at both its ends are corrupt or named as
    # dropped. Clients next to them need a threshold of holders all the same: most of a run must be corrupt.
    run = degree // 2
    cut = _tail(clients, bad, run)[max(threshold - run - 1, 0)]
    return clients * (clients - 1) / 2 * cut**2 <= _PRIVACY


def _private_if_honest(clients: int, bad: int, gone: int, degree: int, threshold: int) -> bool:
    """The same where those who drop out do so by chance."""
    others = clients - 1
    if clients * _tail(others, bad, degree)[threshold] > _PRIVACY:
        return False
    return clients * others / 2 * _tail(others, min(bad + gone, others), degree)[degree] <= _PRIVACY


@lru_cache(maxsize=4)
def _tail(population: int, marked: int, drawn: int) -> list[float]:
    """P[X >= x] for x = 0 ... drawn + 1, X hypergeometric: of ``drawn`` from ``population``, those marked."""

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    whole = log_choose(population, drawn)
    tail = [0.0] * (drawn + 2)
    for x in range(drawn, -1, -1):
        possible = x <= marked and drawn - x <= population - marked
        here = log_choose(marked, x) + log_choose(population - marked, drawn - x) - whole if possible else 0.0
        tail[x] = tail[x + 1] + (math.exp(here) if possible else 0.0)
    return tail


_Indices = int | NDArray[np.intp]


class Graph:
    """The graph of one round: neighbours, and the places at which they hold shares.

    ``seed`` is 16 public bytes. A client's place in the ring is the rank of its word in the keystream of
    ``seed``, read as little-endian uint64, ties by index.
    """

    def __init__(self, plan: Plan, seed: bytes) -> None:
        self._plan = plan
        self._half = plan.degree // 2
        words = sharing.expand(seed, plan.clients, np.dtype(np.uint64))
        self._ring: NDArray[np.intp] = np.argsort(words, kind="stable")
        self._rank = np.empty_like(self._ring)
        self._rank[self._ring] = np.arange(plan.clients)

    def neighbours(self, client: int) -> NDArray[np.intp]:
        """The indices of the neighbours of ``client``, ascending: of shape (degree,)."""
        if self._plan.full:
            return np.delete(np.arange(self._plan.clients), client)
        steps = np.delete(np.arange(-self._half, self._half + 1), self._half)
        return np.sort(self._ring[(self._rank[client] + steps) % self._plan.clients])

    def places(self, clients: _Indices, holders: _Indices) -> NDArray[np.intp]:
        """The places, 1 to degree + 1, at which ``holders`` hold shares of ``clients``, elementwise."""
        if self._plan.full:
            places = np.broadcast_arrays(holders, clients)[0] + 1
        else:
            apart = self._rank[holders] - self._rank[clients]
            places = (apart + self._half) % self._plan.clients + 1
        return np.asarray(places, np.intp)

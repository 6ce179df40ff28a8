"""What was done, and what it costs: events, and their price as (epsilon, delta).

An event is a frozen value without data: which mechanism ran, at which noise. Its price is computed by the
library ``dp-accounting`` (the extra ``dp``; imported when the first price is asked for): privacy loss
distributions by default, Rényi differential privacy beside. Neighbours differ in one record, added or
removed. Composition is adaptive: what was asked later may depend on earlier answers.

Discrete noise is priced as the continuous one plus ``Slack``: on a fine grid the discrete Gaussian is the
rounded continuous one up to a factor that :func:`masquerade.dp.mechanism.gaussian` computes, and rounding
costs nothing. Rényi needs no slack for the grid: the discrete Gaussian satisfies the same bound (Canonne,
Kamath, Steinke 2020, theorem 4).
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

from masquerade.errors import BadInput, MissingPackage

Method: TypeAlias = Literal["pld", "rdp"]


SMALLEST_DELTA = 1e-12
"""A smaller delta counts as 0: the library leaves tails of 1e-15 out of each composition, and adds them."""


_GRID = 1e-4
"""Losses are computed on multiples of it, rounded up."""
_HOPELESS = 1000.0
"""Above it the bound by Rényi is the price: the other takes memory without end, and promises as little."""
_LEAST_NOISE, _MOST_PURE = 1e-6, 1e100
"""Of noise multipliers below, and of pure epsilons above, nothing is computed: they have no price."""


class Slack(NamedTuple):
    """What a mechanism lacks to the ideal one that its event names.

    Its probabilities are those of the ideal one up to factors whose logarithms are at most ``grid`` (from
    rounding; counted by ``pld`` alone) and ``ratio``, and up to ``tv`` in total variation.
    """

    grid: float = 0.0
    ratio: float = 0.0
    tv: float = 0.0


IDEAL = Slack()
"""No slack: the mechanism is the one that its event names."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Gaussian noise of ``noise_multiplier`` times the L2 sensitivity (0: no noise, no privacy)."""

    noise_multiplier: float
    slack: Slack = IDEAL


@dataclass(frozen=True, slots=True)
class Pure:
    """Any mechanism of pure ``epsilon``: Laplace noise of scale L1 sensitivity / epsilon.

    It is priced as randomised response, the worst of its kind, so the price holds for vectors too.
    """

    epsilon: float
    slack: Slack = IDEAL


@dataclass(frozen=True, slots=True)
class Sampled:
    """A Gaussian event over a Poisson sample: each record takes part with probability ``sample_rate``."""

    sample_rate: float
    event: Gaussian


@dataclass(frozen=True, slots=True)
class Repeated:
    """``event``, ``count`` times."""

    event: Event
    count: int


@dataclass(frozen=True, slots=True)
class Composed:
    """All of ``events``."""

    events: tuple[Event, ...]


Event: TypeAlias = Gaussian | Pure | Sampled | Repeated | Composed
_Atom: TypeAlias = Gaussian | Pure | Sampled

_MADE: dict[str, type[Any]] = {kind.__name__: kind for kind in (Gaussian, Pure, Sampled, Repeated, Composed)}


class Cost(NamedTuple):
    """The price of events at ``delta``: by loss distributions, and by Rényi for comparison."""

    epsilon: float
    delta: float
    epsilon_rdp: float


# Prices -------------------------------------------------------------------------------------------------


def price(events: Event | Iterable[Event], delta: float, method: Method = "pld") -> float:
    """The epsilon of ``events`` together at ``delta``; ``inf`` where there is none.

    Order and grouping do not matter: ``Repeated(e, n)`` costs what n times ``e`` costs, and more events
    never cost less. At ``delta`` 0, or below ``SMALLEST_DELTA``, only pure events have a price: the sum of
    theirs.

    Raises:
        BadInput: an event, or ``delta``, is out of its range.
        MissingPackage: dp-accounting is not installed.
    """
    if not 0 <= delta < 1:
        raise BadInput(f"delta is at least 0 and below 1, not {delta:g}")
    if isinstance(events, (Gaussian, Pure, Sampled, Repeated, Composed)):
        events = (events,)
    counts: dict[_Atom, int] = {}
    for atom, count in _atoms(events):
        counts[atom] = counts.get(atom, 0) + count
    return _priced(tuple(sorted(counts.items(), key=repr)), delta, method)


def cost(events: Event | Iterable[Event], delta: float) -> Cost:
    """The price by both methods."""
    events = events if isinstance(events, (Gaussian, Pure, Sampled, Repeated, Composed)) else tuple(events)
    return Cost(price(events, delta), delta, price(events, delta, "rdp"))


def _atoms(events: Iterable[Event], times: int = 1) -> Iterator[tuple[_Atom, int]]:
    for event in events:
        match event:
            case Composed(inner):
                yield from _atoms(inner, times)
            case Repeated(inner, count):
                if count < 0:
                    raise BadInput(f"an event happens 0 times or more, not {count}")
                yield from _atoms((inner,), times * count)
            case _:
                _check(event)
                if times:
                    yield event, times


def _check(event: _Atom) -> None:
    if not isinstance(event, Sampled) and not all(0 <= part < math.inf for part in event.slack):
        raise BadInput("a slack is 0 or more in each part, and finite")
    match event:
        case Gaussian(noise):
            if not (0 <= noise < math.inf):
                raise BadInput(f"a noise multiplier is 0 or more, not {noise:g}")
        case Pure(epsilon):
            if not (0 < epsilon < math.inf):
                raise BadInput(f"a pure mechanism's epsilon is above 0, not {epsilon:g}")
        case Sampled(rate, inner):
            _check(inner)
            if not (0 < rate <= 1):
                raise BadInput(f"a sample rate is above 0 and at most 1, not {rate:g}")


@lru_cache(maxsize=1024)
def _priced(counts: tuple[tuple[_Atom, int], ...], delta: float, method: Method) -> float:
    slack = _total_slack(counts)
    ratio = slack.ratio + (slack.grid if method == "pld" else 0.0)
    bare = _merged(counts)
    if not bare:
        return 0.0
    if delta < SMALLEST_DELTA:
        return _pure(bare, ratio, slack.tv)
    # With p' <= e**r p and q' >= e**-r q, and each within tv: delta' <= e**r delta + (1 + e**epsilon) tv.
    kept = delta * (1 - 2.0**-20) * math.exp(-ratio)
    epsilon = _library(bare, kept, method) + 2 * ratio
    if slack.tv and not (math.log(slack.tv) + math.log1p(math.exp(min(epsilon, 700))) < math.log(delta) - 14):
        epsilon = math.inf
    # Pure events alone never cost more than their sum, whatever grid the library computes on.
    return min(epsilon, _pure(bare, ratio, slack.tv))


def _total_slack(counts: Iterable[tuple[_Atom, int]]) -> Slack:
    grid = ratio = tv = 0.0
    for atom, count in counts:
        slack = atom.event.slack if isinstance(atom, Sampled) else atom.slack
        grid, ratio, tv = grid + count * slack.grid, ratio + count * slack.ratio, tv + count * slack.tv
    return Slack(grid, ratio, tv)


def _merged(counts: Iterable[tuple[_Atom, int]]) -> tuple[tuple[_Atom, int], ...]:
    """Without slack; all Gaussians as the one that they compose to (1 / z**2 adds up)."""
    precision = 0.0
    bare: dict[_Atom, int] = {}
    for atom, count in counts:
        match atom.event if isinstance(atom, Sampled) and atom.sample_rate == 1 else atom:
            case Gaussian(noise):
                precision += count / noise**2 if noise >= _LEAST_NOISE else math.inf
            case Pure(epsilon):
                bare[Pure(epsilon)] = bare.get(Pure(epsilon), 0) + count
            case Sampled(rate, Gaussian(noise)):
                key = Sampled(rate, Gaussian(noise))
                bare[key] = bare.get(key, 0) + count
    if precision:
        bare[Gaussian(1 / math.sqrt(precision))] = 1
    return tuple(bare.items())


def _pure(bare: Iterable[tuple[_Atom, int]], ratio: float, tv: float) -> float:
    """At delta 0 no total variation can be borne but what sampling from a machine's bits leaves.

    That of our samplers, below 1e-26 in all, is below what any finite string of random bits leaves, and is
    forgiven; more is not.
    """
    bare = tuple(bare)
    if tv > 1e-26 or not all(isinstance(atom, Pure) for atom, _ in bare):
        return math.inf
    return sum(atom.epsilon * count for atom, count in bare if isinstance(atom, Pure)) + 2 * ratio


@lru_cache(maxsize=1024)
def _library(bare: tuple[tuple[_Atom, int], ...], delta: float, method: Method) -> float:
    if any(_priceless(atom) for atom, _ in bare):
        return math.inf
    by_renyi = _rdp(bare, delta)
    if method == "rdp":
        return by_renyi
    if by_renyi <= _HOPELESS:
        return _pld(bare, delta)
    noisy = tuple((atom, count) for atom, count in bare if not isinstance(atom, Pure))
    if not noisy or len(noisy) == len(bare):
        return by_renyi
    pure = sum(atom.epsilon * count for atom, count in bare if isinstance(atom, Pure))
    return min(by_renyi, pure + _library(noisy, delta, method))


def _priceless(atom: _Atom) -> bool:
    match atom:
        case Pure(epsilon):
            return epsilon > _MOST_PURE
        case Gaussian(noise) | Sampled(_, Gaussian(noise)):
            return noise < _LEAST_NOISE
    raise AssertionError


def _pld(bare: tuple[tuple[_Atom, int], ...], delta: float) -> float:
    library = _dp_accounting("pld.privacy_loss_distribution")
    grid = {"value_discretization_interval": _GRID * max(1.0, *(_reach(atom) / 20 for atom, _ in bare))}
    composed = library.identity(**grid)
    for atom, count in bare:
        match atom:
            case Gaussian(noise):
                one = library.from_gaussian_mechanism(noise, **grid)
            case Sampled(rate, Gaussian(noise)):
                one = library.from_gaussian_mechanism(noise, sampling_prob=rate, **grid)
            case Pure(epsilon):
                common = _dp_accounting("pld.common")
                pure = common.DifferentialPrivacyParameters(epsilon, 0)
                one = library.from_privacy_parameters(pure, **grid)
        composed = composed.compose(one.self_compose(count))
    return float(composed.get_epsilon_for_delta(delta))


def _reach(atom: _Atom) -> float:
    """About the largest loss of one event. Where it is large, a coarser grid loses nothing that matters."""
    match atom:
        case Pure(epsilon):
            return epsilon
        case Gaussian(noise) | Sampled(_, Gaussian(noise)):
            return 1 / (2 * noise**2) + 8 / noise
    raise AssertionError


def _rdp(bare: tuple[tuple[_Atom, int], ...], delta: float) -> float:
    dp = _dp_accounting("dp_event")
    accountant = _dp_accounting("rdp").RdpAccountant()
    for atom, count in bare:
        match atom:
            case Gaussian(noise):
                event = dp.GaussianDpEvent(noise)
            case Sampled(rate, Gaussian(noise)):
                event = dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(noise))
            case Pure(epsilon):
                # Zero-concentrated at epsilon**2 / 2: Bun and Steinke 2016, proposition 3.3.
                event = dp.ZCDpEvent(epsilon**2 / 2)
        accountant.compose(event, count)
    return float(accountant.get_epsilon(delta))


def _dp_accounting(module: str) -> Any:
    try:
        return importlib.import_module("dp_accounting." + module)
    except ImportError:
        raise MissingPackage("pricing differential privacy", "dp") from None


# Noise for a price --------------------------------------------------------------------------------------


def noise_for(epsilon: float, delta: float, count: int = 1, sample_rate: float = 1.0) -> float:
    """The least noise multiplier (to a part in 10,000) at which ``count`` Gaussians cost ``epsilon``.

    At that multiplier :func:`price` is at most ``epsilon`` at ``delta``, slack aside.

    Raises:
        BadInput: an argument is out of its range.
    """
    if not (1e-9 <= epsilon <= 40 and SMALLEST_DELTA <= delta < 1 and count >= 1 and 0 < sample_rate <= 1):
        raise BadInput(
            "noise is computed for epsilon from 1e-9 to 40, delta from 1e-12, a count of 1 or more, and a "
            f"sample rate above 0 and at most 1, not {epsilon:g}, {delta:g}, {count}, {sample_rate:g}"
        )

    def good(noise: float) -> bool:
        event: Event = Gaussian(noise) if sample_rate == 1 else Sampled(sample_rate, Gaussian(noise))
        return price(Repeated(event, count), delta) <= epsilon

    if sample_rate == 1:
        low = math.sqrt(count) * _analytic(epsilon, delta)
        low, high = low * (1 - 1e-3), low * (1 + 1e-4)
    else:
        low, high = 0.0, 1.0
    while not good(high):
        if high > 1e15:
            raise BadInput("no amount of Gaussian noise has this price: take a larger delta or epsilon")
        low, high = high, high * (1.002 if sample_rate == 1 else 2)
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return high


def _analytic(epsilon: float, delta: float) -> float:
    """The noise multiplier of one Gaussian (Balle and Wang, ICML 2018, theorem 8), to twelve digits."""

    def excess(noise: float) -> float:
        a, b = 1 / (2 * noise), epsilon * noise
        return _normal(a - b) - math.exp(epsilon) * _normal(-a - b) - delta

    low, high = 1e-6, 1.0
    while excess(high) > 0:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high


def _normal(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


# Events as text -----------------------------------------------------------------------------------------


def to_json(event: Event) -> str:
    """An event as one line of JSON; :func:`from_json` reads it back, equal."""
    return json.dumps(_plain(event), separators=(",", ":"))


def from_json(text: str) -> Event:
    """The inverse of :func:`to_json`.

    Raises:
        BadInput: this is no event.
    """
    try:
        event = _event(json.loads(text))
        list(_atoms((event,)))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        raise BadInput(
            "an event in the ledger cannot be read: the file was changed by something else"
        ) from None
    return event


def _plain(value: Any) -> Any:
    match value:
        case Gaussian(noise, slack):
            return ["Gaussian", noise, list(slack)]
        case Pure(epsilon, slack):
            return ["Pure", epsilon, list(slack)]
        case Sampled(rate, event):
            return ["Sampled", rate, _plain(event)]
        case Repeated(event, count):
            return ["Repeated", _plain(event), count]
        case Composed(events):
            return ["Composed", [_plain(event) for event in events]]


def _event(plain: Any) -> Event:
    name, first, *rest = plain
    match name:
        case "Gaussian" | "Pure":
            grid, ratio, tv = map(float, rest[0])
            made: Event = _MADE[name](float(first), Slack(grid, ratio, tv))
        case "Sampled":
            inner = _event(rest[0])
            if not isinstance(inner, Gaussian):
                raise ValueError  # noqa: TRY004 - the text is wrong, not a program
            made = Sampled(float(first), inner)
        case "Repeated":
            made = Repeated(_event(first), int(rest[0]))
        case "Composed":
            made = Composed(tuple(_event(each) for each in first))
        case _:
            raise ValueError
    return made

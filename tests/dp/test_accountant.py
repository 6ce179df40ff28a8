"""Prices against published values, a closed form, another library, and the laws of composition."""

from __future__ import annotations

import builtins
import math
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.dp import accountant
from masquerade.dp.accountant import (
    Composed,
    Cost,
    Event,
    Gaussian,
    Pure,
    Repeated,
    Sampled,
    Slack,
    cost,
    from_json,
    noise_for,
    price,
    to_json,
)
from masquerade.errors import BadInput, MissingPackage

PUBLISHED: tuple[tuple[Event, float, float, float], ...] = (
    # Add/remove, Poisson sampling. For the first, Opacus gives 6.77740 (PRV) and 7.32911 (RDP).
    (Repeated(Sampled(0.04, Gaussian(1.5)), 2250), 1e-5, 6.7688, 7.3293),
    (Repeated(Sampled(256 / 60000, Gaussian(1.1)), 14040), 1e-5, 2.379644, 2.594363),
    (Repeated(Sampled(0.01, Gaussian(1.0)), 1000), 1e-5, 1.828244, 2.101367),
    (Repeated(Gaussian(2.0), 10), 1e-6, 8.306225, 8.846874),
)


@pytest.mark.parametrize(("event", "delta", "pld", "rdp"), PUBLISHED)
def test_published_values(event: Event, delta: float, pld: float, rdp: float) -> None:
    found = cost(event, delta)
    assert isinstance(found, Cost)
    assert found.epsilon == pytest.approx(pld, abs=1e-4, rel=2e-6)
    assert found.epsilon_rdp == pytest.approx(rdp, abs=1e-4, rel=2e-6)


def test_three_gaussians_of_root_three_are_one_of_one() -> None:
    """Delta at epsilon 1 is 0.12693674 by the closed form."""
    events = [Gaussian(math.sqrt(3))] * 3
    assert price(events, 0.12693674 + 1e-5) < 1 < price(events, 0.12693674 - 1e-5)


@given(st.floats(0.3, 30), st.sampled_from([1e-5, 1e-6, 1e-9]))
@settings(max_examples=6, deadline=None)
def test_one_gaussian_by_the_closed_form(noise: float, delta: float) -> None:
    """Balle and Wang 2018, theorem 8; the library rounds up, by its grid of 1e-4."""
    epsilon = price(Gaussian(noise), delta)
    a, b = 1 / (2 * noise), epsilon * noise
    phi = lambda x: math.erfc(-x / math.sqrt(2)) / 2  # noqa: E731
    assert phi(a - b) - math.exp(epsilon) * phi(-a - b) <= delta * (1 + 1e-6)
    lower = epsilon - 2e-4
    if lower > 0:
        assert phi(a - lower * noise) - math.exp(lower) * phi(-a - lower * noise) >= delta * (1 - 1e-3)


def test_opendp_prices_a_discrete_gaussian_alike() -> None:
    """OpenDP goes by zero-concentrated privacy, whose epsilon is our Rényi's or a little above."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float)
    made = dp.c.make_zCDP_to_approxDP(dp.m.make_gaussian(*space, scale=4.0))
    theirs = made.map(1.0).epsilon(1e-6)
    ours = cost(Gaussian(4.0), 1e-6)
    assert ours.epsilon <= ours.epsilon_rdp <= theirs * (1 + 1e-3)
    assert theirs < ours.epsilon * 1.2


# -- laws ------------------------------------------------------------------------------------------------

gaussians = st.floats(0.5, 20).map(Gaussian)
atoms = gaussians | st.floats(0.01, 2).map(Pure)
events = st.lists(atoms, min_size=1, max_size=4)
GRID = 3e-4  # the library computes losses on a grid of 1e-4


@given(atoms, st.integers(1, 6), st.sampled_from(["pld", "rdp"]))
@settings(max_examples=8, deadline=None)
def test_n_times_costs_what_n_cost(event: Event, n: int, method: accountant.Method) -> None:
    once = price(Repeated(event, n), 1e-6, method)
    assert price([event] * n, 1e-6, method) == once
    assert price(Composed((event,) * n), 1e-6, method) == once
    assert price(Repeated(Composed((event, event)), n), 1e-6, method) == price([event] * 2 * n, 1e-6, method)


@given(events, atoms, st.sampled_from(["pld", "rdp"]))
@settings(max_examples=12, deadline=None)
def test_more_never_costs_less(paid: list[Event], more: Event, method: accountant.Method) -> None:
    before, after = price(paid, 1e-6, method), price([*paid, more], 1e-6, method)
    assert after >= before - GRID
    assert after <= before + price(more, 1e-6, method) * 10 + 10
    assert price(list(reversed(paid)), 1e-6, method) == before


def test_no_events_cost_nothing_and_no_noise_everything() -> None:
    assert price([], 1e-6) == 0
    assert price(Repeated(Gaussian(1.0), 0), 1e-6) == 0
    assert price(Gaussian(0.0), 1e-6) == math.inf
    assert price(Sampled(0.1, Gaussian(0.0)), 1e-6) == math.inf
    assert price(Sampled(1.0, Gaussian(2.0)), 1e-6) == price(Gaussian(2.0), 1e-6)


def test_pure_events_add_up_at_delta_zero() -> None:
    assert price([Pure(0.5), Pure(0.25)], 0) == 0.75
    assert price([Pure(0.5), Gaussian(100.0)], 0) == math.inf
    assert price([Pure(0.5), Pure(0.25)], 1e-6) <= 0.75
    assert price(Pure(0.5, Slack(tv=1e-30)), 0) == 0.5
    assert price(Pure(0.5, Slack(tv=1e-20)), 0) == math.inf


def test_extreme_prices_are_found_or_refused() -> None:
    """Beyond where the library computes, a pure event costs its epsilon, and a Gaussian has no price."""
    assert price(Pure(500.0, Slack(tv=1e-33)), 1e-6) == 500.0
    assert price(Pure(1.0), 1e-13) == 1.0
    assert price(Gaussian(1.0), 1e-13) == math.inf
    assert 96 < price(Gaussian(0.1), 1e-6) < 97.5  # 96.71 on the fine grid
    assert price(Gaussian(1e6), 1e-6) < 1e-3


def test_slack_is_paid_for() -> None:
    plain = price(Gaussian(4.0), 1e-6)
    assert price(Gaussian(4.0, Slack(ratio=0.01)), 1e-6) >= plain + 0.02
    assert price(Gaussian(4.0, Slack(grid=0.01)), 1e-6) >= plain + 0.02
    assert price(Gaussian(4.0, Slack(grid=0.01)), 1e-6, "rdp") == price(Gaussian(4.0), 1e-6, "rdp")
    assert price(Gaussian(4.0, Slack(tv=1e-3)), 1e-6) == math.inf
    assert price([Gaussian(4.0, Slack(tv=1e-30))] * 3, 1e-6) == pytest.approx(
        price([Gaussian(4.0)] * 3, 1e-6)
    )


@pytest.mark.parametrize(
    ("epsilon", "delta", "count", "rate"),
    [(1, 1e-6, 1, 1), (3, 1e-5, 12, 1), (0.2, 1e-9, 1, 1), (2, 1e-5, 4, 0.2)],
)
def test_noise_for_a_price_costs_that_price(epsilon: float, delta: float, count: int, rate: float) -> None:
    noise = noise_for(epsilon, delta, count, rate)

    def priced(noise: float) -> float:
        event: Event = Gaussian(noise) if rate == 1 else Sampled(rate, Gaussian(noise))
        return price(Repeated(event, count), delta)

    assert priced(noise) <= epsilon < priced(noise * 0.998)


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [Gaussian(-1.0), Gaussian(math.nan), Gaussian(math.inf), Pure(0.0), Pure(math.inf),
     Sampled(0.0, Gaussian(1.0)), Sampled(1.1, Gaussian(1.0)), Repeated(Gaussian(1.0), -1),
     Composed((Gaussian(1.0), Pure(-1.0)))],
)  # fmt: skip
def test_impossible_events_are_refused(event: Event) -> None:
    with pytest.raises(BadInput):
        price(event, 1e-6)


def test_impossible_prices_are_refused() -> None:
    for delta in (-1e-9, 1.0, math.nan):
        with pytest.raises(BadInput):
            price(Gaussian(1.0), delta)
    for epsilon, delta, count, rate in (
        (0, 1e-6, 1, 1),
        (41, 1e-6, 1, 1),
        (1, 0, 1, 1),
        (1, 1e-13, 1, 1),
        (1, 1e-6, 0, 1),
        (1, 1e-6, 1, 0),
    ):
        with pytest.raises(BadInput):
            noise_for(epsilon, delta, count, rate)


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **more: object) -> object:
        if name.startswith("dp_accounting"):
            raise ImportError(name)
        return real(name, *args, **more)  # type: ignore[arg-type]

    for name in [name for name in sys.modules if name.startswith("dp_accounting")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [])
    accountant._library.cache_clear()
    accountant._priced.cache_clear()
    with pytest.raises(MissingPackage, match=r"masquerade\[dp\]"):
        price(Gaussian(1.2345), 1e-6)


# -- text ------------------------------------------------------------------------------------------------

one = (
    atoms
    | st.builds(Sampled, st.floats(0.01, 1), gaussians)
    | st.builds(Gaussian, st.floats(0.5, 9), st.just(Slack(1e-9, 0.0, 1e-33)))
)
deep = st.recursive(
    one,
    lambda inner: (
        st.builds(Repeated, inner, st.integers(0, 9))
        | st.lists(inner, max_size=3).map(lambda events: Composed(tuple(events)))
    ),
    max_leaves=6,
)


@given(deep)
@settings(max_examples=100, deadline=None)
def test_events_survive_as_text(event: Event) -> None:
    assert from_json(to_json(event)) == event
    assert "\n" not in to_json(event)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[]", '["Gaussian"]', '["Gaussian",1]', '["Other",1,[0,0,0]]', "[" * 100_000),
        *('["Gaussian",-1,[0,0,0]]', '["Sampled",0.5,["Pure",1,[0,0,0]]]'),
        '["Repeated",["Gaussian",1,[0,0]],2]',
    ],
)
def test_text_that_is_no_event_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        from_json(text)


@pytest.mark.parametrize("noise", [1e-2, 1e-4, 1e-6, 1e-9, 1e-160, 1e-200, 5e-324])
@pytest.mark.parametrize("method", ["pld", "rdp"])
def test_however_little_the_noise_it_has_a_price(noise: float, method: accountant.Method) -> None:
    # Loss of one Gaussian: normal around 1 / (2 noise**2); its middle is the least that a price may be.
    least = 1 / (2 * noise) / noise if noise >= 1e-6 else math.inf
    for events in (Gaussian(noise), [Gaussian(noise), Pure(1)], Repeated(Gaussian(noise), 3)):
        assert price(events, 1e-6, method) >= least
    assert price(Sampled(0.01, Gaussian(noise)), 1e-6, method) >= least * (1 - 1e-6)


@pytest.mark.parametrize("epsilon", [700.0, 1000.0, 1e6, 1e300])
def test_however_large_an_epsilon_it_costs_itself(epsilon: float) -> None:
    assert price(Pure(epsilon), 1e-6) == pytest.approx(epsilon)
    together = price([Pure(epsilon), Gaussian(1)], 1e-6)
    assert together >= epsilon
    if epsilon < 1e100:
        assert together <= epsilon + price(Gaussian(1), 1e-6) + 1e-3 * epsilon


def test_a_price_takes_no_memory_where_nothing_is_left_to_protect() -> None:
    price(Sampled(0.5, Gaussian(1)), 1e-6)  # the library is loaded
    tracemalloc.start()
    try:
        assert price(Repeated(Sampled(0.5, Gaussian(0.05)), 1000), 1e-6) > 1e5
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("slack", [Slack(grid=-1.0), Slack(ratio=math.nan), Slack(tv=math.inf)])
def test_slack_takes_nothing_off_a_price(slack: Slack) -> None:
    for event in (Gaussian(1, slack), Pure(1, slack), Sampled(0.1, Gaussian(1, slack))):
        with pytest.raises(BadInput, match="slack"):
            price(event, 1e-6)

"""Draws against the exact distribution, against other samplers, and against what was replayed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.crypto import STREAM_KEY_BYTES, Keystream
from masquerade.dp import sampler
from masquerade.dp.sampler import Gaussian, Laplace, LaplaceShare, Table
from masquerade.errors import BadInput

N = 400_000


def stream(seed: int = 0) -> Callable[[int], bytes]:
    return Keystream(seed.to_bytes(STREAM_KEY_BYTES, "big")).read


def gaussian_pmf(sigma: float, k: np.ndarray) -> np.ndarray:
    wide = np.arange(-int(40 * sigma + 40), int(40 * sigma + 41))
    return np.exp(-(k**2) / (2 * sigma**2)) / np.exp(-(wide**2) / (2 * sigma**2)).sum()


def laplace_pmf(scale: float, k: np.ndarray) -> np.ndarray:
    return np.tanh(1 / (2 * scale)) * np.exp(-np.abs(k) / scale)


def chi_square_p(draws: np.ndarray, pmf: Callable[[np.ndarray], np.ndarray], reach: int) -> float:
    """The p-value of a goodness-of-fit test, over cells of at least 10 expected draws."""
    from scipy.stats import chi2

    k = np.arange(-reach, reach + 1)
    expected = pmf(k) * len(draws)
    expected[[0, -1]] += (len(draws) - expected.sum()) / 2  # what lies beyond is counted at the ends
    observed = np.bincount(np.clip(draws, -reach, reach) + reach, minlength=len(k)).astype(float)
    cells, rest = [], [0.0, 0.0]
    for e, o in zip(expected, observed, strict=True):
        rest = [rest[0] + e, rest[1] + o]
        if rest[0] >= 10:
            cells.append(rest)
            rest = [0.0, 0.0]
    cells[-1] = [cells[-1][0] + rest[0], cells[-1][1] + rest[1]]
    statistic = sum((o - e) ** 2 / e for e, o in cells)
    return float(chi2.sf(statistic, len(cells) - 1))


# -- fit -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0, 4.2248, 20.5, 128.0, 129.0, 700.0])
def test_gaussian_fits(sigma: float) -> None:
    draws = Gaussian(sigma).draw(N, stream())
    assert draws.dtype == np.int64
    assert chi_square_p(draws, lambda k: gaussian_pmf(sigma, k), math.ceil(5 * sigma)) > 1e-4


@pytest.mark.parametrize("scale", [0.2, 1.0, 7.5, 300.0])
def test_laplace_fits(scale: float) -> None:
    draws = Laplace(scale).draw(N, stream())
    assert chi_square_p(draws, lambda k: laplace_pmf(scale, k), math.ceil(9 * scale)) > 1e-4


@pytest.mark.parametrize(("scale", "parties"), [(1.0, 1), (1.0, 2), (7.5, 5), (300.0, 16)])
def test_shares_of_a_laplace_sum_to_it(scale: float, parties: int) -> None:
    share, read = LaplaceShare(scale, parties), stream()
    draws = sum(share.draw(N // 4, read) for _ in range(parties))
    assert chi_square_p(draws, lambda k: laplace_pmf(scale, k), math.ceil(9 * scale)) > 1e-4


@pytest.mark.parametrize(("sigma", "parties"), [(2 * math.sqrt(8), 8), (50.0, 3)])
def test_shares_of_a_gaussian_sum_to_it(sigma: float, parties: int) -> None:
    share, read = Gaussian(sampler.share_sigma(sigma, parties)), stream()
    draws = sum(share.draw(N, read) for _ in range(parties))
    assert chi_square_p(draws, lambda k: gaussian_pmf(sigma, k), math.ceil(5 * sigma)) > 1e-4


def test_a_wrong_fit_is_noticed() -> None:
    """The test above has teeth: one per cent in sigma, or one draw in 250 moved by one."""
    draws = Gaussian(4.0).draw(N, stream())
    assert chi_square_p(draws, lambda k: gaussian_pmf(4.04, k), 20) < 1e-4
    moved = draws.copy()
    moved[draws == 0] += np.arange((draws == 0).sum()) % 25 == 0  # a tenth of all are 0
    assert chi_square_p(moved, lambda k: gaussian_pmf(4.0, k), 20) < 1e-4


@pytest.mark.parametrize("sigma", [3e3, 2.0**20 + 0.5, 1e9])
def test_wide_gaussians_have_their_moments(sigma: float) -> None:
    made = Gaussian(sigma)
    draws = made.draw(N, stream()) / sigma
    assert abs(draws.mean()) < 5 / math.sqrt(N)
    assert abs(draws.var() - 1) < 5 * math.sqrt(2 / N)
    assert abs((draws**4).mean() - 3) < 5 * math.sqrt(96 / N)
    assert sigma <= made.sigma <= sigma * (1 + 2.0**-48)


# -- exactness -------------------------------------------------------------------------------------------


@given(st.floats(0.05, 2.0**40))
@settings(max_examples=60, deadline=None)
def test_total_variation_is_as_stated(sigma: float) -> None:
    assert 0 < Gaussian(sigma).tv < 2.0**-110
    assert 0 < Laplace(sigma).tv < 2.0**-110


def test_thresholds_are_exact() -> None:
    """Against the distribution summed up with 100 digits: each step is right to 2**-127, ends included."""
    import mpmath

    sigma = 3.7
    table = Gaussian(sigma)._terms[0][1]
    with mpmath.workdps(100):
        first = table._first
        weights = [mpmath.exp(-(mpmath.mpf(k) ** 2) / (2 * mpmath.mpf(sigma) ** 2)) for k in range(-200, 201)]
        total = mpmath.fsum(weights)
        reached = mpmath.fsum(weights[: first + 200])
        off = mpmath.mpf(0)
        for i, threshold in enumerate(table._thresholds):
            step = weights[first + i + 200]
            reached += step
            off = max(off, abs(reached / total - mpmath.mpf(threshold) / 2**128))
        assert off < mpmath.mpf(2) ** -127


def test_ties_are_settled_by_further_bits() -> None:
    """A draw whose first 64 bits are those of a threshold takes 64 more, and lands on the right side."""
    table = Table(0, [1, 1, 1])
    high = [t >> 64 for t in table._thresholds]
    low = [t & (2**64 - 1) for t in table._thresholds]
    for i in range(2):
        for rest, lands in ((low[i] - 1, i), (low[i], i + 1), (low[i] + 1, i + 1)):
            words = [high[i].to_bytes(8, "little"), rest.to_bytes(8, "little")]
            assert table.draw(1, lambda n, words=words: words.pop(0)).tolist() == [lands]
            assert not words


def test_ties_of_a_digit_are_settled_too() -> None:
    laplace = Laplace(0.022)
    odds = laplace._odds[0]
    assert len(laplace._odds) == 1
    first, rest = odds >> 96, odds & (2**96 - 1)
    for low, digit in ((rest - 1, 1), (rest, 0)):
        words = [first.to_bytes(4, "little"), low.to_bytes(12, "little"), b"\xff" * 4]
        assert laplace.draw(1, lambda n, words=words: words.pop(0)).tolist() == [digit]


def test_the_two_ways_to_draw_agree() -> None:
    """The guide is only a short cut: every draw is the number of thresholds that it reaches."""
    table = Gaussian(9.5)._terms[0][1]
    words = np.frombuffer(stream(3)(8 * 5000), dtype="<u8")
    slow = [sum(t >> 64 <= int(w) for t in table._thresholds) + table._first for w in words]
    assert table.draw(5000, stream(3)).tolist() == slow


def test_a_run_can_be_replayed() -> None:
    for made in (Gaussian(3.0), Gaussian(1e6), Laplace(5.0), LaplaceShare(5.0, 3)):
        assert made.draw(1000, stream(1)).tolist() == made.draw(1000, stream(1)).tolist()
        assert made.draw(1000, stream(1)).tolist() != made.draw(1000, stream(2)).tolist()


@given(st.integers(0, 200_000), st.integers(0, 200_000))
@settings(max_examples=20, deadline=None)
def test_no_number_of_draws_is_special(n: int, m: int) -> None:
    made = Gaussian(1000.0)
    assert made.draw(n, stream()).shape == (n,)
    assert made.draw(m, stream()).shape == (m,)


def test_impossible_widths_are_refused() -> None:
    for bad in (0.0, -1.0, math.inf, math.nan, 2.0**48):
        for kind in (Gaussian, Laplace):
            with pytest.raises(BadInput):
                kind(bad)
    with pytest.raises(BadInput):
        LaplaceShare(1025.0, 2)
    with pytest.raises(BadInput):
        LaplaceShare(1.0, 0)
    with pytest.raises(BadInput):
        sampler.share_sigma(1.0, 0)


def test_shares_are_never_too_narrow() -> None:
    assert sampler.share_sigma(3.0, 100) == sampler.SMALLEST_SHARE
    assert math.sqrt(100) * sampler.share_sigma(40.0, 100) >= 40.0
    assert sampler.sum_ratio(2.0, 100) < 1e-15
    assert sampler.sum_ratio(0.5, 100) > 0.1  # why there is a least


# -- other samplers --------------------------------------------------------------------------------------


def test_opendp_draws_from_the_same_distribution() -> None:
    """OpenDP's exact samplers, with their own randomness: p below 1e-9 would be a chance in a billion."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    domain = dp.vector_domain(dp.atom_domain(T=int))
    gaussian = dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale=4.0)
    draws = np.array(gaussian([0] * 60_000))
    assert chi_square_p(draws, lambda k: gaussian_pmf(4.0, k), 20) > 1e-9
    laplace = dp.m.make_laplace(domain, dp.l1_distance(T=int), scale=4.0)
    draws = np.array(laplace([0] * 60_000))
    assert chi_square_p(draws, lambda k: laplace_pmf(4.0, k), 36) > 1e-9


# All 49 draws of two files of divviup/libprio-rs, tests/test_vectors/discrete_gauss_*.json: an
# exact sampler that reads its seed differently, so the draws themselves cannot be equal; their fit can.
LIBPRIO = {
    2.342: "-1 -1 -2 -2 0 -3 0 -2 -4 0 0 1 3 -1 5 -1 5 -2 2 4 -3 0 1 -1 4 2 -1 3 2 -1 0 1 0 1 -1 -2 -3 -4 2"
    " 1 1 2 -2 -2 3 -1 -2 2 4",
    100.0: "-61 0 -55 5 -152 10 -134 -160 -82 132 -65 101 -126 254 39 -131 24 36 -148 46 -20 14 -205 100 38"
    " -24 -161 138 -24 100 -140 55 32 -11 149 100 -81 13 76 -83 87 -17 -60 6 84 -34 12 105 -14",
}


@pytest.mark.parametrize("sigma", LIBPRIO)
def test_vectors_of_libprio_fit_our_tables(sigma: float) -> None:
    from scipy.stats import kstwo

    draws = np.sort(np.array(LIBPRIO[sigma].split(), dtype=int))
    table = Gaussian(sigma)._terms[0][1]
    cumulative = np.array([*table._thresholds, 2**128], dtype=float) / 2.0**128
    ours = cumulative[draws - table._first]
    theirs = np.searchsorted(draws, draws, side="right") / len(draws)
    assert kstwo.sf(np.abs(ours - theirs).max(), len(draws)) > 0.001

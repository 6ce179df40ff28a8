"""A noisy sum: clipped by units, noise from every aggregator, paid before it is opened."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.compute import Hiding, Noise, split_data, total
from masquerade.compute import tree as trees
from masquerade.compute.aggregators import ShareAggregator
from masquerade.compute.noise import NoiseRule, bounded
from masquerade.dp.accountant import Event
from masquerade.dp.ledger import Budget, Ledger, Receipt
from masquerade.errors import BadInput, BudgetExceeded, PartFailed, ProtocolProblem
from tests.compute.jobs import CANARY, Here, HereActor

SIZE = 20_000


def rich() -> Ledger:
    return Ledger(Budget(1e6, 1e-6))


class Free(Ledger):
    """Pays whatever it costs."""

    def check(self, event: Event) -> Receipt:
        return Receipt("free", 0.0, 0.0, 0.0, 0.0, 0.0)

    def spend(self, event: Event, note: str = "") -> Receipt:
        return self.check(event)


def quiet(**changes: Any) -> Noise:
    """So little noise that a test can look through it."""
    return Noise(**{"ledger": Free(Budget(1.0)), "bound": 1.0, "noise_multiplier": 1e-4, **changes})


class Watched(Here):
    """Keeps what each aggregator held just before it opened, and what it gave."""

    def __init__(self) -> None:
        self.before: list[Any] = []
        self.given: list[Any] = []
        self.asked: list[str] = []

    def actor(self, make: type, *arguments: Any) -> Any:
        engine, inner = self, HereActor(make(*arguments))

        class Watching:
            def ask(self, method: str, *arguments: Any) -> Any:
                engine.asked.append(method)
                if method == "open":
                    engine.before.append(inner.made._total.copy())
                answer = inner.ask(method, *arguments)
                if method == "open":
                    engine.given.append(answer.words)
                return answer

            def stop(self) -> None:
                pass

        return Watching()


@pytest.mark.parametrize("aggregators", [2, 3])
def test_every_aggregator_adds_all_the_noise(aggregators: int) -> None:
    engine, noise = Watched(), Noise(rich(), bound=3.0, noise_multiplier=1.5)
    found = total(
        lambda x: np.zeros(SIZE), range(3), engine=engine, reveal="noisy", noise=noise,
        hiding=Hiding(aggregators=aggregators),
    )  # fmt: skip
    mechanism = noise.rule().mechanism(SIZE)
    assert mechanism.std >= 4.5
    assert found.noise is not None
    assert found.noise.std == pytest.approx(mechanism.std * math.sqrt(aggregators))
    allowed = 6 / math.sqrt(2 * SIZE)  # six standard deviations of an estimated one
    for before, given_words in zip(engine.before, engine.given, strict=True):
        own = mechanism.decode((given_words - before).view(np.int64))
        assert abs(np.std(own) / mechanism.std - 1) < allowed
        assert abs(np.mean(own)) < 6 * mechanism.std / math.sqrt(SIZE)
    assert abs(np.std(found.value) / found.noise.std - 1) < allowed
    added = [(given_words - before) for before, given_words in zip(engine.before, engine.given, strict=True)]
    between = np.corrcoef([words.view(np.int64) for words in added])
    assert np.abs(between - np.eye(aggregators)).max() < 6 / math.sqrt(SIZE)


def test_two_sums_have_noise_of_their_own() -> None:
    found = [
        total(
            lambda x: 0.0,
            range(3),
            engine=Here(),
            reveal="noisy",
            noise=Noise(rich(), 1.0, noise_multiplier=1.0),
        )
        for _ in range(2)
    ]
    assert found[0].value != found[1].value


def test_a_part_is_clipped_as_a_whole() -> None:
    def f(x: int) -> Any:
        return {"a": np.full((2, 2), 3.0 * x), "b": [4.0 * x]}

    found = total(f, [1, 1000, 0], engine=Here(), reveal="noisy", noise=quiet(bound=5.0))
    # (3, 3, 3, 3, 4) is longer than 5, and so both are shortened to a length of 5 in its direction
    unit = np.array([3, 3, 3, 3, 4]) * 5 / math.sqrt(52)
    assert found.value["a"] == pytest.approx(np.full((2, 2), 2 * unit[0]), abs=0.01)
    assert found.value["b"][0] == pytest.approx(2 * unit[4], abs=0.01)
    assert isinstance(found.value["b"][0], float)


@pytest.mark.parametrize(("norm", "expected"), [("l1", 4.0), ("l2", 4.0 * math.sqrt(2)), ("linf", 8.0)])
def test_records_are_clipped_one_by_one(norm: Any, expected: float) -> None:
    def f(rows: Any) -> Any:
        return {"first": rows[:, 0], "second": rows[:, 1:]}

    rows = np.tile([[100.0, -100.0], [0.25, 0.25]], (4, 1))  # each of the first kind shrinks to the bound
    bound = 2.0
    noise = quiet(bound=bound, norm=norm, unit="record")
    found = total(f, split_data(rows, 4), engine=Here(), reveal="noisy", noise=noise)
    assert found.value["first"] == pytest.approx(expected + 1.0, abs=0.02)
    assert found.value["second"] == pytest.approx([-expected + 1.0], abs=0.02)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=6),
    st.sampled_from(["l1", "l2", "linf"]),
    st.integers(0, 5),
)
def test_no_record_moves_the_words_by_more_than_the_sensitivity(rows: Any, norm: Any, which: int) -> None:
    rule = NoiseRule("gaussian", 1.0, 2.5, norm, "record")
    mechanism = rule.mechanism(3)
    words = []
    for some in (rows, rows[: which % len(rows)] + rows[which % len(rows) + 1 :]):
        form, leaves = trees.take_apart(np.array(some).reshape(-1, 3))
        words.append(bounded(rule, form, leaves, 4, 2)[1].view(np.int64))
    moved = mechanism.decode(words[0] - words[1])
    assert np.abs(moved).sum() <= mechanism.sensitivity.l1
    assert np.linalg.norm(moved) <= mechanism.sensitivity.l2
    assert np.abs(moved).max() <= mechanism.sensitivity.linf


def test_the_ledger_pays_before_anything_is_opened() -> None:
    engine, paid = Watched(), []

    class Watching(Ledger):
        def spend(self, event: Event, note: str = "") -> Receipt:
            paid.append(list(engine.asked))
            return super().spend(event, note)

    ledger = Watching(Budget(3.0, 1e-6))
    noise = Noise(ledger, 1.0, epsilon=1.0, delta=1e-6, note="mean of ages")
    found = total(lambda x: 0.5, range(4), engine=engine, reveal="noisy", noise=noise)
    assert len(paid) == 1
    assert "open" not in paid[0]
    assert paid[0].count("statement") == 2
    assert found.noise is not None
    assert 0.9 < found.noise.receipt.cost <= 1.0
    assert ledger.left == pytest.approx(3.0 - found.noise.receipt.cost)


def test_a_spent_ledger_refuses_before_the_work() -> None:
    ledger, ran = Ledger(Budget(1.2, 1e-6)), []
    noise = Noise(ledger, 1.0, epsilon=1.0, delta=1e-6)
    total(lambda x: 0.5, range(3), engine=Here(), reveal="noisy", noise=noise)
    left = ledger.left
    with pytest.raises(BudgetExceeded):
        total(lambda x: ran.append(x) or 0.5, range(3), engine=Here(), reveal="noisy", noise=noise)
    assert ran == []
    assert ledger.left == left


def test_a_ledger_that_is_spent_meanwhile_opens_nothing() -> None:
    engine = Watched()
    ledger = Ledger(Budget(1.2, 1e-6))
    noise = Noise(ledger, 1.0, epsilon=1.0, delta=1e-6)

    def another(progress: Any) -> None:
        if progress.done == 3 and ledger.spent == 0:
            ledger.spend(noise.rule().mechanism(1).event)

    with pytest.raises(BudgetExceeded):
        total(lambda x: 0.5, range(3), engine=engine, reveal="noisy", noise=noise, progress=another)
    assert "open" not in engine.asked


def test_laplace_noise_costs_no_delta() -> None:
    ledger = Ledger(Budget(1.0, 0.0))
    noise = Noise(ledger, 1.0, epsilon=0.5, delta=0.0, norm="l1")
    found = total(lambda x: np.zeros(SIZE), range(3), engine=Here(), reveal="noisy", noise=noise)
    assert found.noise is not None
    assert ledger.spent == pytest.approx(0.5)
    assert found.noise.std == pytest.approx(2 * math.sqrt(2) * math.sqrt(2), rel=0.05)  # scale 2, two of them
    assert np.std(found.value) == pytest.approx(found.noise.std, rel=0.1)


def test_too_small_a_cohort_costs_nothing() -> None:
    ledger = rich()

    def f(x: int) -> float:
        if x == 0:
            raise KeyError(CANARY)
        return 1.0

    noise = Noise(ledger, 1.0, noise_multiplier=1.0)
    with pytest.raises(PartFailed) as caught:
        total(f, range(3), engine=Here(), reveal="noisy", noise=noise)
    with pytest.raises(ProtocolProblem, match="least cohort"):
        caught.value.rest()
    assert ledger.spent == 0


def test_what_cannot_be_clipped_is_refused() -> None:
    for bad in (float("nan"), [np.zeros(2), np.inf]):
        with pytest.raises(PartFailed, match="not every value is finite"):
            total(lambda x, bad=bad: bad, range(3), engine=Here(), reveal="noisy", noise=quiet())
    for bad in (1.0, [np.zeros(2), np.zeros(3)], []):
        with pytest.raises(PartFailed, match="one row for each record"):
            total(lambda x, bad=bad: bad, range(3), engine=Here(), reveal="noisy", noise=quiet(unit="record"))
    with pytest.raises(PartFailed, match="without numbers"):
        total(lambda x: {}, range(3), engine=Here(), reveal="noisy", noise=quiet())


def test_a_sum_that_could_wrap_around_is_refused() -> None:
    rule = NoiseRule("gaussian", 1e-12, 1.0, "l2", "record")
    form, leaves = trees.take_apart(np.ones((4, 1)))
    with pytest.raises(BadInput, match=r"wrap around|too large"):
        bounded(rule, form, leaves, 1 << 20, 2)


def test_bad_arguments() -> None:
    ledger = rich()
    for changes in (
        {},
        {"epsilon": 1.0},
        {"epsilon": 1.0, "delta": 1e-6, "noise_multiplier": 1.0},
        {"epsilon": 1.0, "noise_multiplier": 1.0},
        {"delta": 1e-6, "noise_multiplier": 1.0},
        {"noise_multiplier": -1.0},
        {"noise_multiplier": 1.0, "bound": 0.0},
        {"noise_multiplier": 1.0, "norm": "l3"},
        {"noise_multiplier": 1.0, "unit": "table"},
    ):
        noise = Noise(**{"ledger": ledger, "bound": 1.0, **changes})  # type: ignore[arg-type]
        with pytest.raises(BadInput):
            total(lambda x: 1.0, range(3), engine=Here(), reveal="noisy", noise=noise)
    for reveal, given_noise in (("noisy", None), ("sum", quiet()), ("parts", quiet())):
        with pytest.raises(BadInput, match="go together"):
            total(lambda x: 1.0, range(3), engine=Here(), reveal=reveal, noise=given_noise)  # type: ignore[arg-type]
    assert ledger.spent == 0
    assert repr(ShareAggregator()) == "ShareAggregator(0 parts)"

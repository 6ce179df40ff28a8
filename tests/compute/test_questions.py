"""Each question against NumPy, its sensitivity by trying, its errors by repeating."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.compute.questions import (
    STEP,
    Answer,
    Bounds,
    Count,
    Histogram,
    LinearRegression,
    Mean,
    Quantiles,
    Question,
    Sum,
    Variance,
    direct,
    noisy_part,
    size,
    table,
)
from masquerade.crypto import STREAM_KEY_BYTES, Keystream
from masquerade.dp.mechanism import Mechanism, Sensitivity, gaussian, quieter
from masquerade.errors import BadInput
from masquerade.serve.options import QUESTIONS

AGES = Bounds(0, 120)
ALL: list[Question] = [
    Count(),
    Sum(Bounds(-50, 120)),
    Mean(AGES),
    Variance(AGES),
    Histogram(AGES, 7),
    Quantiles(AGES, (0.1, 0.5)),
    LinearRegression((Bounds(-10, 400), AGES, Bounds(1, 2))),
]
IDS = [question.name for question in ALL]
EDGES = [-1e300, -50.0, -0.1, 0.0, 1e-9, 17.14, 60.0, 119.999999999, 120.0, 120.1, 1.5, 1e300]


def close(sensitivity: Sensitivity) -> Mechanism:
    """Noise so narrow that an answer is all but exact."""
    return gaussian(sensitivity, noise_multiplier=1e-8, fraction_bits=40, step=STEP)


def people(n: int = 4000) -> np.ndarray:
    """Age, income by age, height: made up, the same each time."""
    words = np.frombuffer(Keystream(bytes(STREAM_KEY_BYTES)).read(24 * n), dtype="<u8") / 2.0**64
    u = words.reshape(n, 3)
    age = 18 + 70 * u[:, 0] ** 1.5
    return np.column_stack([age, 20 + 3 * age + 30 * u[:, 1], 1.4 + 0.5 * u[:, 2]])


def exact(question: Question, values: np.ndarray) -> Answer:
    replayed = Keystream(bytes(STREAM_KEY_BYTES)).read  # the same noise each time: nothing is left to luck
    return direct(question, values, close(question.sensitivity), replayed)


def values_of(answer: Answer) -> list[float]:
    return [figure.value for figure in answer.figures]


# -- what they say ---------------------------------------------------------------------------------------


def test_the_names_are_those_of_the_command() -> None:
    assert tuple(question.name for question in ALL) == QUESTIONS


def test_answers_are_those_of_numpy() -> None:
    data = people()
    age = data[:, 0]
    n = len(age)
    assert values_of(exact(Count(), np.empty((n, 0)))) == pytest.approx([n], abs=1e-3)
    assert values_of(exact(Sum(AGES), age)) == pytest.approx([age.sum()], rel=1e-6)
    assert values_of(exact(Mean(AGES), age)) == pytest.approx([age.mean(), n], rel=1e-6)
    assert values_of(exact(Variance(AGES), age)) == pytest.approx([age.var(), age.std(), n], rel=1e-5)
    counts, edges = np.histogram(age, 7, AGES)
    assert Histogram(AGES, 7).edges.tolist() == edges.tolist()
    assert values_of(exact(Histogram(AGES, 7), age)) == pytest.approx([0, *counts, 0], abs=1e-3)
    fractions = (0.05, 0.5, 0.9, 0.99)
    found = values_of(exact(Quantiles(AGES, fractions), age))
    assert found == pytest.approx([*np.quantile(age, fractions), n], abs=1.5 * 120 / 1024)


def test_a_line_is_that_of_least_squares() -> None:
    age, income, height = people().T
    inside = (Bounds(0, 400), AGES, Bounds(1, 2))
    answer = exact(LinearRegression(inside, ("age", "height")), np.column_stack([income, age, height]))
    design = np.column_stack([np.ones(len(age)), age, height])
    expected = np.linalg.lstsq(design, income, rcond=None)[0]
    assert [figure.name for figure in answer.figures] == [
        "intercept",
        "slope of age",
        "slope of height",
        "count",
    ]
    assert values_of(answer)[:3] == pytest.approx(expected, rel=1e-4)


def test_values_outside_are_moved_and_counted() -> None:
    column = np.array([-5.0] * 10 + [60.0] * 70 + [500.0] * 20)
    moved = np.clip(column, *AGES)
    for question, expected in (
        (Mean(AGES), moved.mean()),
        (Variance(AGES), moved.var()),
        (Sum(AGES), moved.sum()),
    ):
        answer = exact(question, column)
        assert values_of(answer)[0] == pytest.approx(expected, rel=1e-5)
        assert answer.outside is not None
        assert answer.outside.value == pytest.approx(30, abs=1e-3)
    counts = values_of(exact(Histogram(AGES, 2), column))
    assert counts == pytest.approx([10, 0, 70, 20], abs=1e-3)


def test_the_ends_of_a_histogram() -> None:
    counts = values_of(exact(Histogram(Bounds(0, 3), 3), np.array([-1e-9, 0.0, 1.0, 2.0, 3.0, 3.000001])))
    assert counts == pytest.approx([1, 1, 1, 2, 1], abs=1e-3)


# -- sensitivity -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ALL, ids=IDS)
def test_one_record_changes_no_more_than_stated(question: Question) -> None:
    """Every combination of values in, on and beyond the bounds; vectors on the grid, so this is exact."""
    some = question.part(np.full((3, question.columns), 33.3))
    worst = [0.0, 0.0, 0.0]
    for record in itertools.product(EDGES, repeat=question.columns):
        more = question.part(np.array([[33.3] * question.columns] * 3 + [list(record)]))
        change = more - some
        assert np.array_equal(change / STEP, np.rint(change / STEP))
        assert np.count_nonzero(change) <= question.sensitivity.coordinates
        norms = np.abs(change).sum(), np.linalg.norm(change), np.abs(change).max()
        worst = [max(pair) for pair in zip(worst, norms, strict=True)]
        if question.columns > 2 and sum(abs(x) > 1e9 for x in record) > 1:
            continue
    stated = question.sensitivity.l1, question.sensitivity.l2, question.sensitivity.linf
    assert all(found <= norm * (1 + 1e-12) for found, norm in zip(worst, stated, strict=True))
    assert worst[1] > 0.8 * stated[1]  # and hardly less, or noise is wasted


@given(st.lists(st.floats(-1e6, 1e6), max_size=50), st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_parts_add_up_exactly(column: list[float], at: int) -> None:
    values = np.array(column).reshape(-1, 1)
    for question in ALL[1:6]:
        whole = question.part(values)
        parts = question.part(values[:at]) + question.part(values[at:])
        assert whole.tolist() == parts.tolist() == question.part(values[::-1]).tolist()


# -- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", ["quieter", "gaussian"])
def test_errors_hold_in_95_of_100_runs(noise: str) -> None:
    data = people()
    age, income, height = data.T
    asked: list[tuple[Question, np.ndarray]] = [
        *((question, age[:, None]) for question in ALL[1:6]),
        (LinearRegression((Bounds(0, 400), AGES, Bounds(1, 2))), np.column_stack([income, age, height])),
    ]
    for question, values in asked:
        truth = values_of(exact(question, values))
        make = quieter if noise == "quieter" else gaussian
        mechanism = make(question.sensitivity, epsilon=2, delta=1e-6, survivors=2, step=STEP)
        vector, read = mechanism.encode(question.part(values)), Keystream(b"0123456789abcdef").read
        held = np.zeros(len(truth))
        for _ in range(200):
            noisy = vector + mechanism.share(len(vector), read) + mechanism.share(len(vector), read)
            answer = question.answer(mechanism.decode(noisy), mechanism)
            slack = 120 / 1024 if question.name == "quantiles" else 1e-6  # that is how fine it can tell
            held += [f.low - slack <= t <= f.high + slack for f, t in zip(answer.figures, truth, strict=True)]
        assert (held >= 200 * 0.95 - 14).all(), (question.name, held)  # three standard deviations and a half


def test_shares_of_parts_are_the_whole_noise() -> None:
    question = Mean(AGES)
    mechanism = quieter(question.sensitivity, epsilon=1, delta=1e-6, survivors=3, step=STEP)
    data = people(300)[:, :1]
    means, read = [], Keystream(b"fedcba9876543210").read
    for _ in range(200):
        units = sum(noisy_part(question, mechanism, data[i::3], read) for i in range(3))
        means.append(question.answer(mechanism.decode(units), mechanism).figures[1].value)
    assert np.std(means) == pytest.approx(mechanism.std, rel=0.2)
    assert abs(np.mean(means) - 300) < 5 * mechanism.std / math.sqrt(200)


@pytest.mark.parametrize("question", ALL[2:4] + ALL[5:], ids=IDS[2:4] + IDS[5:])
def test_too_few_records_have_no_answer_and_no_error_is_raised(question: Question) -> None:
    mechanism = quieter(question.sensitivity, epsilon=0.1, delta=1e-6, step=STEP)
    for records in (0, 1, 3):
        read = Keystream(b"0123456789abcdef").read
        answer = direct(question, np.full((records, question.columns), 1.5), mechanism, read)
        assert math.isnan(answer.figures[0].value)
        assert answer.figures[-1].name == "count"
        assert answer.figures[-1].value >= 0


def test_a_line_through_one_point_is_none() -> None:
    question = LinearRegression((AGES, AGES))
    answer = direct(
        question, np.full((100_000, 2), 40.0), quieter(question.sensitivity, epsilon=1, delta=1e-6)
    )
    assert math.isnan(answer.figures[1].value)


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Mean(Bounds(1, 1)),
        lambda: Sum(Bounds(2, 1)),
        lambda: Variance(Bounds(0, math.inf)),
        lambda: Variance(Bounds(-1e308, 1e308)),
        lambda: Histogram(Bounds(math.nan, 1)),
        lambda: Histogram(AGES, 0),
        lambda: Quantiles(AGES, ()),
        lambda: Quantiles(AGES, (1.0,)),
        lambda: LinearRegression((AGES,)),
        lambda: LinearRegression((AGES, AGES), ("a", "b")),
        lambda: LinearRegression((AGES, Bounds(1, 0))),
        lambda: table([[1.0, 2.0]], 1),
        lambda: table([[math.nan]], 1),
        lambda: table([math.inf], 1),
    ],
)
def test_impossible_questions_are_refused(wrong: object) -> None:
    with pytest.raises(BadInput) as refused:
        wrong()  # type: ignore[operator]
    assert not re.search(r"\bnan\b|\binf\b", str(refused.value))


def test_sizes() -> None:
    assert [size(question) for question in ALL] == [1, 2, 3, 4, 9, 4 + 16 + 64 + 256 + 1024 + 1, 11]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "bounds",
    [
        (0.0, 5e-324),
        (-5e-324, 5e-324),
        (0.0, 1e-310),
        (1e308, 1.7e308),
        (0.0, 1e-300),
        (1.0, 1.0 + 2**-52),
        (2.0**53, 2.0**53 + 2),
        (-8e307, 8e307),
    ],
)
def test_bounds_at_the_ends_of_floating_point_keep_their_promise(bounds: tuple[float, float]) -> None:
    extreme = [[0.0], [-0.0], [5e-324], [1.0], [1 + 2**-52], [2.0**53 + 2], [1.7e308], [-1.7e308]]
    for make in (Sum, Mean, Variance, Histogram, Quantiles):
        try:
            question = make(Bounds(*bounds))
        except BadInput:
            assert bounds in ((0.0, 5e-324), (-5e-324, 5e-324), (0.0, 1e-310), (1e308, 1.7e308))
            continue
        for record in extreme:
            change = np.abs(question.part(np.array([record])))
            assert change.sum() <= question.sensitivity.l1
            assert np.linalg.norm(change) <= question.sensitivity.l2 * (1 + 1e-15)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_part_computes_nothing_of_what_is_not_finite(wrong: float) -> None:
    question = Mean(AGES)
    with pytest.raises(BadInput, match="finite"):
        noisy_part(question, close(question.sensitivity), np.array([[1.0], [wrong]]))

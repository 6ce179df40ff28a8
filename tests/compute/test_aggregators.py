"""What one aggregator may do, see and open."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade import crypto
from masquerade.compute import aggregators, sharing, tree
from masquerade.compute.aggregators import Contribution, Session, ShareAggregator, contribute, decode
from masquerade.errors import BadInput, ProtocolProblem

quick = settings(max_examples=40, deadline=None)


def start(
    parts: int = 4, aggregators: int = 2, minimum: int = 2, **changes: Any
) -> tuple[Session, list[ShareAggregator]]:
    made = [ShareAggregator() for _ in range(aggregators)]
    names = tuple(f"part {i}" for i in range(parts))
    keys = tuple(each.key() for each in made)
    session = Session(crypto.random_bytes(16), keys, names, minimum, b"task", 24)
    session = dataclasses.replace(session, **changes)
    for each in made:
        each.begin(session)
    return session, made


def add(made: list[ShareAggregator], contribution: Contribution) -> None:
    for each in made:
        assert each.take(contribution) == (contribution.attempt, None)
    for each in made:
        each.settle(contribution.part, contribution.attempt)


def flat(share: Any) -> bytes:
    """All that an aggregator holds of a part."""
    return bytes(share.form_id + share.form + share.share)


def finish(session: Session, made: list[ShareAggregator]) -> Any:
    import pickle

    statements = [each.statement() for each in made]
    opened = [each.open([s[i] for s in statements]) for i, each in enumerate(made)]
    words = sum((each.words for each in opened[1:]), opened[0].words)
    form = pickle.loads(opened[0].form)
    return tree.put_together(form, decode(session, form, words)), opened


@quick
@given(
    st.integers(2, 5),
    st.lists(st.tuples(st.integers(-(2**40), 2**40), st.floats(-1e6, 1e6)), min_size=2, max_size=6),
    st.integers(0, 3),
)
def test_the_sum_is_the_sum(aggregators: int, values: list[tuple[int, float]], size: int) -> None:
    session, made = start(len(values), aggregators)
    for part, (whole, real) in enumerate(values):
        result = {"whole": whole, "real": np.full((size, 2), real)}
        add(made, contribute(lambda result=result: result, session, part))
    found, opened = finish(session, made)
    assert found["whole"] == sum(whole for whole, _ in values)
    assert found["real"].shape == (size, 2)
    expected = sum(real for _, real in values)
    assert np.all(np.abs(found["real"] - expected) <= (len(values) + 1) * 2.0**-25)
    assert all(each.parts == tuple(range(len(values))) for each in opened)


def test_all_but_one_see_uniform_words() -> None:
    """Chi-square of the bytes that each aggregator holds, for a result that is all zeros; and of its own
    sum."""
    session, made = start(2)
    views = [[], []]  # type: list[list[bytes]]
    original = ShareAggregator.take

    def watch(self: ShareAggregator, contribution: Contribution) -> Any:
        answer = original(self, contribution)
        views[made.index(self)].append(flat(self._waiting[contribution.part][1]))
        return answer

    for part in range(2):
        contribution = contribute(lambda: np.zeros(50_000), session, part)
        for each in made:
            watch(each, contribution)
            each.settle(part, contribution.attempt)
    _, opened = finish(session, made)
    shares = [each.words.tobytes() for each in opened] + [view[-400_000:] for view in views[1]]
    assert all(len(view) < 2_000 for view in views[0])  # a form, and a key of 16 bytes, whatever the result
    for share in shares:
        counts = np.bincount(np.frombuffer(share, np.uint8), minlength=256)
        expected = len(share) / 256
        chi2 = float(((counts - expected) ** 2 / expected).sum())
        assert 255 - 6 * np.sqrt(510) < chi2 < 255 + 6 * np.sqrt(510)  # six standard deviations
    assert np.array_equal(opened[0].words + opened[1].words, np.zeros(50_000, np.uint64))


def test_a_cohort_that_is_too_small_is_not_opened() -> None:
    session, made = start(4, minimum=3)
    for part in (0, 2):
        add(made, contribute(lambda: 1, session, part))
    with pytest.raises(ProtocolProblem, match="2 parts are in, and the least cohort is 3"):
        finish(session, made)


@pytest.mark.parametrize("minimum", [0, 1, 5])
def test_impossible_cohorts(minimum: int) -> None:
    with pytest.raises(BadInput, match="least cohort"):
        start(4, minimum=minimum)


def test_one_aggregator_is_none() -> None:
    with pytest.raises(BadInput, match="two aggregators"):
        start(aggregators=1)
    one = ShareAggregator()
    with pytest.raises(BadInput, match="two aggregators"):
        Session(b"", (one.key(), one.key()), ("a", "b"), 2, b"", 24)


def test_aggregators_that_disagree_open_nothing() -> None:
    session, made = start(3)
    for part in range(2):
        add(made, contribute(lambda: 1, session, part))
    late = contribute(lambda: 5, session, 2)
    made[0].take(late)
    made[0].settle(2, late.attempt)  # the other one never hears of it
    statements = [each.statement() for each in made]
    for i, each in enumerate(made):
        with pytest.raises(ProtocolProblem, match="do not agree"):
            each.open([s[i] for s in statements])


def test_two_attempts_of_one_part_are_never_mixed() -> None:
    session, made = start(2)
    add(made, contribute(lambda: 1, session, 0))
    first, second = (contribute(lambda: 7, session, 1) for _ in range(2))
    assert first.attempt != second.attempt
    assert made[0].take(first)[0] != made[1].take(second)[0]  # seen by who asks, and
    with pytest.raises(ProtocolProblem, match="does not hold"):
        made[1].settle(1, first.attempt)
    made[0].settle(1, first.attempt)  # even if he does not look,
    made[1].settle(1, second.attempt)
    with pytest.raises(ProtocolProblem, match="do not agree"):  # they do
        finish(session, made)


def test_a_later_attempt_replaces_one_that_was_not_settled() -> None:
    session, made = start(2)
    add(made, contribute(lambda: 1, session, 0))
    made[0].take(contribute(lambda: 100, session, 1))
    add(made, contribute(lambda: 7, session, 1))
    assert finish(session, made)[0] == 8


def test_a_settled_part_is_resent_as_it_was_and_not_otherwise() -> None:
    session, made = start(2)
    first = contribute(lambda: 1, session, 0)
    add(made, first)
    add(made, first)
    with pytest.raises(ProtocolProblem, match="already brings another") as caught:
        made[0].take(contribute(lambda: 1, session, 0))
    assert caught.value.client == 0
    add(made, contribute(lambda: 2, session, 1))
    assert finish(session, made)[0] == 3


def test_a_sum_opens_once_and_nobody_joins_after_the_agreement() -> None:
    session, made = start(3)
    for part in range(2):
        add(made, contribute(lambda: 1, session, part))
    assert finish(session, made)[0] == 2
    with pytest.raises(ProtocolProblem, match="opened before"):
        finish(session, made)
    with pytest.raises(ProtocolProblem, match="nobody joins"):
        made[0].take(contribute(lambda: 1, session, 2))
    with pytest.raises(ProtocolProblem, match="has a session already"):
        made[0].begin(session)


@pytest.mark.parametrize(
    "change",
    [
        {"id": bytes(16)},
        {"parts": ("part 0", "another")},
        {"minimum": 3},
        {"task": b"another"},
        {"fraction_bits": 23},
    ],
    ids=lambda change: next(iter(change)),
)
def test_shares_for_another_session_are_refused(change: dict[str, Any]) -> None:
    session, made = start(3)
    other = dataclasses.replace(session, parts=("part 0", "part 1", "part 2"))
    add(made, contribute(lambda: 1, other, 0))  # equal in all, so it is the same
    if "parts" in change:
        change = {"parts": (*change["parts"], "part 2")}
    strange = contribute(lambda: 1, dataclasses.replace(session, **change), 1)
    for each in made:
        with pytest.raises(ProtocolProblem, match="sealed for another sum"):
            each.take(strange)


def test_any_changed_byte_is_refused() -> None:
    session, made = start(2)
    contribution = contribute(lambda: [1, 2.5], session, 0)
    for box in range(2):
        whole = contribution.boxes[box]
        for at in range(0, len(whole), 7):
            broken = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
            for bad in (broken, whole[:at]):
                boxes = list(contribution.boxes)
                boxes[box] = bad
                with pytest.raises(ProtocolProblem):
                    made[box].take(dataclasses.replace(contribution, boxes=tuple(boxes)))
    swapped = dataclasses.replace(contribution, boxes=contribution.boxes[::-1])
    moved = dataclasses.replace(contribution, part=1)
    renamed = dataclasses.replace(contribution, attempt=bytes(16))
    fewer = dataclasses.replace(contribution, boxes=contribution.boxes[:1])
    outside = dataclasses.replace(contribution, part=2)
    for bad_one in (swapped, moved, renamed, fewer, outside):
        with pytest.raises(ProtocolProblem):
            made[0].take(bad_one)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes(32),
        bytes(32) + (1 << 40).to_bytes(8, "little") + bytes(24),
        bytes(32) + (1 << 63).to_bytes(8, "little") + bytes(24),
        bytes(32) + (5).to_bytes(8, "little") + bytes(15),
        bytes(32) + (5).to_bytes(8, "little") + (1 << 50).to_bytes(8, "little") + bytes(40),
    ],
    ids=["nothing", "short", "8 TiB", "more than there is", "half a word", "a form beyond its end"],
)
def test_a_worker_that_lies_about_sizes_spoils_its_own_part_only(side: int, payload: bytes) -> None:
    """Properly sealed, but no share: refused, without an allocation, and the others still add up."""
    session, made = start(3)
    attempt = crypto.random_bytes(16)
    boxes = tuple(
        aggregators._seal(key, session.context, aggregators._share_info(i, 0, attempt), payload)
        for i, key in enumerate(session.aggregators)
    )
    with pytest.raises(ProtocolProblem, match="another size") as caught:
        made[side].take(Contribution(0, attempt, boxes))
    assert caught.value.client == 0
    for part in (1, 2):
        add(made, contribute(lambda: [1, 2.5], session, part))
    assert finish(session, made)[0] == [2, 5.0]


def test_a_statement_that_was_changed_or_moved_is_refused() -> None:
    session, made = start(2, aggregators=3)
    for part in range(2):
        add(made, contribute(lambda: 1, session, part))
    statements = [each.statement() for each in made]
    to_first = [s[0] for s in statements]
    wrong = [
        [b"", to_first[2], to_first[1]],
        [b"", to_first[1], to_first[1]],
        [b"", to_first[1][:-1], to_first[2]],
        [b"", statements[1][2], to_first[2]],
        [b"", b"", to_first[2]],
    ]
    for bad in wrong:
        with pytest.raises(ProtocolProblem):
            made[0].open(bad)
    with pytest.raises(ProtocolProblem, match="not all stated"):
        made[0].open(to_first[:2])
    assert made[0].open(to_first).parts == (0, 1)


def test_forms_that_differ_are_named_by_the_part_that_came_first() -> None:
    session, made = start(3)
    add(made, contribute(lambda: {"a": 1}, session, 1))
    other = contribute(lambda: {"b": 1}, session, 2)
    for each in made:
        assert each.take(other) == (other.attempt, 1)
        with pytest.raises(ProtocolProblem, match="does not hold"):
            each.settle(2, other.attempt)


def test_what_does_not_fit_is_refused_in_the_worker() -> None:
    session, _ = start(8)
    for bad in (2**60, 2.0**36, float("nan"), np.array([0, np.inf]), "text", -(2.0**36)):
        with pytest.raises(BadInput):
            contribute(lambda bad=bad: bad, session, 0)
    for good in (2**59, -(2**59), 2.0**35, -(2.0**35)):
        contribute(lambda good=good: good, session, 0)


def test_the_largest_values_of_all_parts_do_not_wrap_around() -> None:
    for parts in (2, 3, 8, 9):
        for value in (2 ** (62 - (parts - 1).bit_length()), -(2.0 ** (38 - (parts - 1).bit_length()))):
            session, made = start(parts)
            for part in range(parts):
                add(made, contribute(lambda value=value: value, session, part))
            assert finish(session, made)[0] == parts * value


def test_an_aggregator_without_a_session() -> None:
    lone, (session, made) = ShareAggregator(), start(2)
    with pytest.raises(ProtocolProblem, match="does not belong"):
        lone.begin(session)
    with pytest.raises(ProtocolProblem, match="no session yet"):
        lone.take(contribute(lambda: 1, session, 0))
    assert repr(made[0]) == "ShareAggregator(0 parts)"


def test_views_are_the_same_under_swapped_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same randomness, who holds keys sees the same bytes, and so does who gets the opened sums."""
    keys = {part: bytes([part]) * crypto.STREAM_KEY_BYTES for part in range(2)}
    session, made = start(2)
    inputs = [np.arange(100.0), np.full(100, -7.25)]
    held: list[list[bytes]] = []
    opened: list[list[Any]] = []
    for order in (inputs, inputs[::-1]):
        made = [ShareAggregator(), ShareAggregator()]
        session = dataclasses.replace(session, aggregators=tuple(each.key() for each in made))
        for each in made:
            each.begin(session)
        seen = []
        for part, value in enumerate(order):
            monkeypatch.setattr(sharing, "share_keys", lambda holders, part=part: [keys[part]])
            contribution = contribute(lambda value=value: value, session, part)
            for each in made:
                each.take(contribution)
            seen.append(flat(made[0]._waiting[part][1]))
            for each in made:
                each.settle(part, contribution.attempt)
        held.append(seen)
        opened.append([each.words.tolist() for each in finish(session, made)[1]])
    assert held[0] == held[1]
    assert opened[0] == opened[1]


def test_an_aggregator_whose_key_is_a_point_of_small_order_is_refused() -> None:
    honest = ShareAggregator()
    for key in (bytes(32), b"\1" + bytes(31), b"short"):
        session = Session(bytes(16), (honest.key(), key), ("a", "b"), 2, b"task", 24)
        with pytest.raises(ProtocolProblem, match="no usable point"):
            honest.begin(session)

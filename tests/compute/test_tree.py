"""Results as trees: there and back, what can be added, and what a message may say."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from masquerade.compute import tree
from masquerade.errors import BadInput
from tests.compute.jobs import Moments, Pair

CANARY = "canary-81aa"
quick = settings(max_examples=80, deadline=None)


numbers = st.one_of(
    st.integers(-(2**61), 2**61), st.floats(-1e9, 1e9), st.booleans(), st.integers(0, 255).map(np.uint8)
)
leaf_arrays = arrays.arrays(
    st.sampled_from(["bool", "u1", "i2", ">i4", "f2", "f4"]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    elements={"allow_nan": False, "allow_infinity": False},
)
results = st.recursive(
    numbers | leaf_arrays,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3) | st.integers(-5, 5), inner, max_size=3),
        st.builds(Moments, inner, inner),
        st.builds(Pair, inner, inner),
    ),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, (Moments, Pair, list, tuple)):
        parts = (vars(x).values() if isinstance(x, Moments) else x for x in (a, b))
        return type(a) is type(b) and all(same(x, y) for x, y in zip(*parts, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return np.shape(a) == np.shape(b) and bool(np.all(np.equal(a, b)))


@quick
@given(results)
def test_there_and_back(result: Any) -> None:
    form, leaves = tree.take_apart(result)
    assert all(leaf.dtype in (np.int64, np.float64) for leaf in leaves)
    assert [leaf.shape for leaf in leaves] == [leaf.shape for leaf in form.leaves()]
    back = tree.put_together(form, leaves)
    assert same(result, back)
    again, _ = tree.take_apart(back)
    assert again.digest() == form.digest()
    assert tree.difference(form, again) is None


@quick
@given(results)
def test_doubling_a_result(result: Any) -> None:
    form, leaves = tree.take_apart(result)
    total = tree.add(tree.add(None, leaves), leaves)
    assert all(np.array_equal(a, 2 * b) for a, b in zip(total, leaves, strict=True))
    assert same(tree.put_together(form, leaves), result)  # the summands are as they were


def test_order_of_keys_and_kind_of_mapping_do_not_matter() -> None:
    a, _ = tree.take_apart({"a": 1, "b": 2})
    b, leaves = tree.take_apart(OrderedDict(b=2, a=1))
    assert a.digest() == b.digest()
    assert [int(leaf) for leaf in leaves] == [1, 2]


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (np.zeros(3), np.zeros(4), r"leaf 1 of 1 has shape \(4,\), not \(3,\)"),
        ([0, 1], [0, 1.5], "leaf 2 of 2 holds fractions, not whole numbers"),
        ([0], [0, 0], "2 leaves, not 1"),
        (0, np.array(0), "leaf 1 of 1 is an array, not a number"),
        ({CANARY: 0}, {"b": 0}, "other containers or keys"),
        ({1: 0}, {"1": 0}, "other containers or keys"),
        ([0], (0,), "other containers or keys"),
        (Pair(0, 1), (0, 1), "other containers or keys"),
        (Moments(0, 1), Pair(0, 1), "other containers or keys"),
    ],
)
def test_a_difference_is_named_without_keys(one: Any, other: Any, said: str) -> None:
    forms = [tree.take_apart(each)[0] for each in (one, other)]
    assert forms[0].digest() != forms[1].digest()
    found = tree.difference(*forms)
    assert found is not None
    assert re.fullmatch(said, found)
    assert CANARY not in found
    assert CANARY not in repr(forms[0])


@pytest.mark.parametrize(
    "bad",
    [
        CANARY,
        None,
        1j,
        np.array([CANARY]),
        {CANARY: None},
        {(CANARY,): 1},
        [[1, 2], object()],
        np.array([1, 2j]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_number_is_refused(bad: Any) -> None:
    with pytest.raises(BadInput) as caught:
        tree.take_apart(bad)
    assert CANARY not in str(caught.value)


def test_whole_numbers_stay_in_64_bits() -> None:
    for bad in (2**63, -(2**63) - 1, 2**200, np.uint64(2**63), np.array([2**64 - 1], np.uint64)):
        with pytest.raises(BadInput, match="beyond 64 bits"):
            tree.take_apart(bad)
    for good in (2**63 - 1, -(2**63), np.uint64(2**63 - 1)):
        form, leaves = tree.take_apart(good)
        assert tree.put_together(form, leaves) == good
        with pytest.raises(BadInput, match="does not fit 64 bits"):
            tree.add(tree.add(None, leaves), [np.array(np.sign(leaves[0]))])
    small = np.array([200, 200], np.uint8)
    form, leaves = tree.take_apart(small)
    assert tree.put_together(form, tree.add(tree.add(None, leaves), leaves)).tolist() == [400, 400]


def test_deep_nesting_is_refused() -> None:
    value: Any = 1
    for _ in range(100):
        value = [value]
    with pytest.raises(BadInput, match="deeper"):
        tree.take_apart(value)


def test_hidden_values_come_not_back_unasked() -> None:
    with pytest.raises(BadInput, match="leaf 2 of a result has values that a mask"):
        tree.take_apart([1, np.ma.array([1.0, 2.0], mask=[0, 1])])

"""Law 6: a secure sum is that of its survivors, or refused; and any s - 1 shares say nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from masquerade.compute import sharing
from masquerade.compute.messages import Kind
from masquerade.compute.protocol import run
from masquerade.errors import ProtocolProblem
from tests.compute.rig import STAGES, a_round, signers, total, vectors


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_the_sum_is_that_of_the_survivors_or_it_is_refused(data: st.DataObject) -> None:
    count = data.draw(st.integers(3, 8))
    round = a_round(count, data.draw(st.integers(1, 9)), bits=data.draw(st.sampled_from([32, 64])))
    silent = data.draw(st.dictionaries(st.integers(0, count - 1), st.sampled_from(STAGES), max_size=count))
    words = vectors(round)
    uploaded = {i for i in range(count) if silent.get(i, Kind.OPENING) > Kind.UPLOAD}
    stayed = count - len(silent)
    try:
        got = run(round, signers(count), words, silent=silent)
    except ProtocolProblem:
        assert stayed < round.plan.threshold or len(uploaded) < round.plan.minimum
        return
    assert stayed >= round.plan.threshold
    assert set(got.survivors) == uploaded
    np.testing.assert_array_equal(got.words, total(words, got.survivors))


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_shares_without_one_fit_every_secret(data: st.DataObject) -> None:
    """For all but one of the shares of x, and any y, there is a last share with which they make y: what is
    missing takes every value equally often, so what is there says nothing."""
    dtype = data.draw(st.sampled_from([np.dtype(np.uint32), np.dtype(np.uint64)]))
    size, holders = data.draw(st.integers(1, 9)), data.draw(st.integers(2, 5))
    x, y = (data.draw(arrays(dtype, size)) for _ in range(2))
    keys = sharing.share_keys(holders)
    shares = [sharing.split(x, keys), *(sharing.expand(key, size, dtype) for key in keys)]
    np.testing.assert_array_equal(sharing.join(shares), x)
    missing = data.draw(st.integers(0, holders - 1))
    shares[missing] = shares[missing] + (y - x)
    np.testing.assert_array_equal(sharing.join(shares), y)

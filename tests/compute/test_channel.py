"""The sealed line between client and aggregator: pinned on both sides, one key a message."""

from __future__ import annotations

import numpy as np
import pytest

from masquerade import crypto
from masquerade.compute.channel import HELLO_BYTES, OVERHEAD, ToAggregator, ToClients
from masquerade.compute.field import Words
from masquerade.compute.messages import Kind
from masquerade.errors import ProtocolProblem
from tests.compute.rig import HIGH, LOW, Table, a_round, chi_square, signers

CONTEXT = crypto.sha256(b"context")
CLIENTS = signers(3)
AGGREGATOR = crypto.Signer(crypto.sha256(b"aggregator"))
ROSTER = tuple(signer.public for signer in CLIENTS)


def ends(client: int = 0, context: bytes = CONTEXT) -> tuple[ToAggregator, ToClients]:
    desk = ToClients(context, AGGREGATOR, ROSTER)
    return ToAggregator(context, client, CLIENTS[client], AGGREGATOR.public, desk.hello), desk


def test_each_end_opens_what_the_other_sealed() -> None:
    line, desk = ends(1)
    for kind in (1, 3, 5):
        sealed = line.seal(kind, b"up %d" % kind)
        assert len(sealed) == len(b"up 0") + OVERHEAD
        assert desk.open(1, kind, sealed) == b"up %d" % kind
        assert line.open(kind + 1, desk.seal(1, kind + 1, b"down")) == b"down"


def test_an_aggregator_that_is_not_pinned_is_refused() -> None:
    stranger = ToClients(CONTEXT, CLIENTS[2], ROSTER)
    elsewhere = ToClients(crypto.sha256(b"another"), AGGREGATOR, ROSTER)
    for hello in (stranger.hello, elsewhere.hello, b"", bytes(HELLO_BYTES), ends()[1].hello[:-1]):
        with pytest.raises(ProtocolProblem, match="hello is not signed"):
            ToAggregator(CONTEXT, 0, CLIENTS[0], AGGREGATOR.public, hello)


def test_a_client_that_is_not_pinned_is_refused() -> None:
    _, desk = ends()
    stranger = ToAggregator(CONTEXT, 0, CLIENTS[1], AGGREGATOR.public, desk.hello)
    with pytest.raises(ProtocolProblem, match="client 0: its greeting is not signed"):
        desk.open(0, 1, stranger.seal(1, b"text"))
    # A greeting to another hello of the same round is no greeting here.
    other_line, _ = ends()
    with pytest.raises(ProtocolProblem, match="greeting is not signed"):
        desk.open(0, 1, other_line.seal(1, b"text"))


def test_a_second_start_is_refused() -> None:
    line, desk = ends()
    desk.open(0, 1, line.seal(1, b"text"))
    again = ToAggregator(CONTEXT, 0, CLIENTS[0], AGGREGATOR.public, desk.hello)
    with pytest.raises(ProtocolProblem, match="new session"):
        desk.open(0, 3, again.seal(3, b"text"))


def test_any_changed_byte_is_noticed() -> None:
    line, desk = ends()
    sealed = line.seal(1, b"some text")
    for at in range(len(sealed)):
        bad = bytearray(sealed)
        bad[at] ^= 1
        with pytest.raises(ProtocolProblem):
            desk.open(0, 1, bytes(bad))
    for bad_length in (b"", sealed[:50], sealed[:-1], sealed + b"x"):
        with pytest.raises(ProtocolProblem):
            desk.open(0, 1, bad_length)
    assert desk.open(0, 1, sealed) == b"some text"
    for kind, client in ((2, 0), (1, 1)):
        with pytest.raises(ProtocolProblem):
            desk.open(client, kind, sealed)
    down = desk.seal(0, 2, b"down")
    with pytest.raises(ProtocolProblem, match="did not authenticate"):
        line.open(4, down)


def test_what_is_sent_back_to_its_sender_is_not_opened() -> None:
    """Else whoever carries messages could end a client's round with the client's own bytes."""
    line, desk = ends()
    up = line.seal(1, b"up")
    with pytest.raises(ProtocolProblem, match="goes to the aggregator"):
        line.open(1, up[4 + HELLO_BYTES :])
    assert desk.open(0, 1, up) == b"up"
    down = desk.seal(0, 2, b"down")
    with pytest.raises(ProtocolProblem, match="goes to clients"):
        desk.open(0, 2, up[: 4 + HELLO_BYTES] + down)
    assert line.open(2, down) == b"down"


def test_a_key_of_small_order_is_refused() -> None:
    hello = bytes(32) + AGGREGATOR.sign(b"masquerade sum hello" + CONTEXT + bytes(32))
    line = ToAggregator(CONTEXT, 0, CLIENTS[0], AGGREGATOR.public, hello)
    with pytest.raises(ProtocolProblem, match="no usable point"):
        line.seal(1, b"text")


def carried(words: list[Words]) -> dict[tuple[Kind, int], bytes]:
    """All that a mailbox sees of a round whose randomness is the same at every call."""
    table = Table(a_round(3, len(words[0])), words).play(Kind.OPENING)
    context, log = table.round.context, table.log
    desk = ToClients(context, AGGREGATOR, ROSTER, crypto.sha256(b"desk"))
    lines = [
        ToAggregator(context, i, signer, AGGREGATOR.public, desk.hello, crypto.sha256(b"line %d" % i))
        for i, signer in enumerate(CLIENTS)
    ]
    seen = {}
    for kind in sorted(log):
        for i, message in log[kind].items():
            if kind % 2:
                seen[kind, i] = lines[i].seal(kind, message)
                assert desk.open(i, kind, seen[kind, i]) == message
            else:
                seen[kind, i] = desk.seal(i, kind, message)
    return seen


def test_a_mailbox_sees_the_same_under_swapped_inputs() -> None:
    """Replayed: every message, byte for byte, but for the masked words, which are as long and as random."""
    words = [np.full(20_000, value, np.uint32) for value in (0, 7, 1 << 31)]
    one, other = carried(words), carried([words[1], words[0], words[2]])
    assert len(one) == 3 * 9
    assert one.keys() == other.keys()
    differ = {place for place in one if one[place] != other[place]}
    assert differ == {(Kind.UPLOAD, 0), (Kind.UPLOAD, 1)}
    for place in differ:
        assert len(one[place]) == len(other[place])
        for view in (one, other):
            assert LOW < chi_square(view[place][-80_000:]) < HIGH

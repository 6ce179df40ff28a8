"""A secure sum equals the sum of its survivors, or is refused; and shows nothing else."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade import crypto
from masquerade.compute import messages, sharing
from masquerade.compute.field import FixedPoint
from masquerade.compute.messages import Kind
from masquerade.compute.protocol import Aggregator, Client, Round, _keys_text, _mask_key, _self_mask, run
from masquerade.errors import ProtocolProblem
from tests.compute.rig import HIGH, LOW, STAGES, Table, a_round, chi_square, seeds, signers, total, vectors

CANARY = 0xCA7A12


# -- the sum ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES, ids=lambda kind: kind.name)
def test_a_client_may_drop_out_at_every_stage(stage: Kind) -> None:
    """Also while keys are shared, which fails a peer's whole round."""
    round = a_round(10)
    words = vectors(round)
    got = run(round, signers(10), words, silent={0: stage, 6: stage, 9: stage})
    expected = set(range(10)) if stage > Kind.UPLOAD else set(range(10)) - {0, 6, 9}
    assert set(got.survivors) == expected
    np.testing.assert_array_equal(got.words, total(words, got.survivors))


def test_drops_at_all_stages_at_once() -> None:
    round = a_round(14, bits=64)
    words = vectors(round)
    got = run(round, signers(14), words, silent=dict(zip((1, 3, 5, 8, 13), STAGES, strict=True)))
    assert set(got.survivors) == set(range(14)) - {1, 3, 5}
    np.testing.assert_array_equal(got.words, total(words, got.survivors))


@pytest.mark.heavy
def test_a_full_graph_of_more_than_255_clients_gives_the_same_sum() -> None:
    """Shares stand at places beyond a byte's; five clients drop out at each stage, the first among them."""
    round = a_round(280, 8)
    assert round.plan.full
    words = vectors(round)
    out = {client: STAGES[i % 5] for i, client in enumerate([*range(12), *range(254, 258), *range(271, 280)])}
    got = run(round, signers(280), words, silent=out)
    assert set(got.survivors) == {i for i in range(280) if out.get(i, Kind.OPENING) > Kind.UPLOAD}
    np.testing.assert_array_equal(got.words, total(words, got.survivors))


def test_a_sparse_graph_gives_the_same_sum() -> None:
    """Among 310 clients each has 96 neighbours; here the few that a weaker promise needs."""
    round = a_round(301, 3, corrupt=0.02, dropped=0.02, semi_honest=True)
    assert not round.plan.full
    assert round.plan.degree < 40
    words = vectors(round)
    got = run(
        round,
        signers(301),
        words,
        silent={7: Kind.KEYS, 50: Kind.SHARES, 200: Kind.UPLOAD, 300: Kind.OPENING},
    )
    assert set(got.survivors) == set(range(301)) - {7, 50, 200}
    np.testing.assert_array_equal(got.words, total(words, got.survivors))


@pytest.mark.heavy
def test_eleven_hundred_clients_of_largest_weight_in_a_whole_round() -> None:
    fixed = FixedPoint(64, 16, 8.0, weight_bound=1000.0)
    round = a_round(1100, 5, bits=64, corrupt=0.1, semi_honest=True)
    words = [fixed.encode(np.ones(4), clients=1100, weight=1000.0).words] * 1100
    mean, weight = fixed.decode_mean(
        run(round, signers(1100), words, silent=dict.fromkeys(range(50), Kind.UPLOAD)).words
    )
    assert weight == 1_050_000.0
    np.testing.assert_array_equal(mean, np.ones(4))


def test_a_replayed_round_is_the_same_byte_for_byte() -> None:
    round = a_round(5)
    logs = [Table(round).play(Kind.OPENING).log for _ in range(2)]
    assert logs[0] == logs[1]


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES, ids=lambda kind: kind.name)
def test_below_the_threshold_the_sum_is_refused(stage: Kind) -> None:
    round = a_round(10)
    gone = dict.fromkeys(range(round.plan.threshold - 1, 10), stage)
    with pytest.raises(ProtocolProblem, match=r"takes|threshold"):
        run(round, signers(10), vectors(round), silent=gone)


def test_a_client_opens_no_sum_of_too_few() -> None:
    """However many signed: a sum of one is that one's value."""
    table = Table(a_round(5)).play(Kind.SURVIVORS)
    alive = np.array([True, False, False, False, False])
    body = messages.bits(alive) + messages.bits(~alive)
    with pytest.raises(ProtocolProblem, match="1 clients are left"):
        table.clients[0].receive(messages.head(Kind.SURVIVORS, table.round.context, 0) + body)


def test_lists_that_overlap_are_refused() -> None:
    """Answering for a client as staying and as gone gives away both its masks."""
    table = Table(a_round(5)).play(Kind.SURVIVORS)
    everyone, one = np.ones(5, bool), np.array([False, True, False, False, False])
    body = messages.bits(everyone) + messages.bits(one)
    client = table.clients[0]
    with pytest.raises(ProtocolProblem, match="staying and as gone"):
        client.receive(messages.head(Kind.SURVIVORS, table.round.context, 0) + body)
    with pytest.raises(ProtocolProblem, match="refused"):
        client.receive(table.given[0])


def survivors(table: Table, client: int, gone: set[int]) -> bytes:
    alive = np.array([i not in gone for i in range(len(table.clients))])
    return (
        messages.head(Kind.SURVIVORS, table.round.context, client)
        + messages.bits(alive)
        + messages.bits(~alive)
    )


def test_different_lists_for_different_clients_are_refused() -> None:
    """The aggregator tells one half that client 9 stays, the other that it is gone, and shows each half its
    own signatures: neither is enough to open anything."""
    table = Table(a_round(10)).play(Kind.SURVIVORS)
    halves = {i: (set() if i < 5 else {9}) for i in range(9)}
    signed = {i: table.clients[i].receive(survivors(table, i, gone)) for i, gone in halves.items()}
    for i, gone in halves.items():
        rows = np.zeros(sum(halves[j] == gone for j in halves if j != i), messages.SIGNATURE)
        same = [j for j in halves if halves[j] == gone and j != i]
        rows["client"] = same
        for row, j in enumerate(same):
            rows["signature"][row] = np.frombuffer(signed[j][messages.HEAD_BYTES :], np.uint8)
        message = messages.head(Kind.SIGNATURES, table.round.context, i) + messages.table(rows)
        with pytest.raises(ProtocolProblem, match="too few neighbours signed the same lists"):
            table.clients[i].receive(message)


def test_a_signature_of_other_lists_is_refused_by_both_sides() -> None:
    table = Table(a_round(10)).play(Kind.SURVIVORS)
    other = table.clients[3].receive(survivors(table, 3, {9}))
    with pytest.raises(ProtocolProblem, match="client 3: SIGNATURE is not"):
        table.aggregator.receive(other)
    for i in range(10):
        if i != 3:
            table.aggregator.receive(table.clients[i].receive(table.given[i]))
    out = table.aggregator.close()[0]
    rows = np.frombuffer(out, messages.SIGNATURE, offset=messages.HEAD_BYTES + 4).copy()
    rows["client"][2], rows["signature"][2] = 3, np.frombuffer(other[messages.HEAD_BYTES :], np.uint8)
    rows = rows[np.argsort(rows["client"])]
    with pytest.raises(ProtocolProblem, match="signed other lists"):
        table.clients[0].receive(
            messages.head(Kind.SIGNATURES, table.round.context, 0) + messages.table(rows)
        )


@pytest.mark.parametrize("forged", ["unsigned", "another identity", "another round", "changed"])
def test_keys_that_the_pinned_identity_did_not_sign_are_refused(forged: str) -> None:
    table = Table(a_round(5))
    message = bytearray(table.sent[2])
    if forged == "unsigned":
        message[-64:] = bytes(64)
    elif forged == "another identity":
        text = b"masquerade sum keys" + table.round.context + (2).to_bytes(4, "little")
        message[-64:] = signers(5)[1].sign(text + bytes(message[messages.HEAD_BYTES : -64]))
    elif forged == "another round":
        message[-64:] = Table(a_round(5, number=1)).sent[2][-64:]
    else:
        message[messages.HEAD_BYTES] ^= 1
    with pytest.raises(ProtocolProblem, match="client 2: its keys are not signed"):
        table.aggregator.receive(bytes(message))
    # An aggregator that does not care passes them on, and every client refuses them.
    for i in (0, 1, 3, 4):
        table.aggregator.receive(table.sent[i])
    table.aggregator._arrived[2] = True
    table.aggregator._keys[2] = np.frombuffer(bytes(message[messages.HEAD_BYTES :]), messages.KEYS)[0]
    with pytest.raises(ProtocolProblem, match="client 2: its keys are not signed"):
        table.clients[0].receive(table.aggregator.close()[0])


# The points of order 1, 2, 4 and 8 (RFC 7748, section 6.1, and Curve25519's page "Do I need to validate?").
SMALL = (
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
)


@pytest.mark.parametrize("field", ["masks", "channel"])
@pytest.mark.parametrize("point", SMALL, ids=range(len(SMALL)))
def test_one_client_with_a_key_of_small_order_spoils_no_round(field: str, point: bytes) -> None:
    """It drops out when it advertises the key: taken, the key would make every neighbour refuse."""
    table = Table(a_round(7))
    keys = np.frombuffer(table.sent[3][messages.HEAD_BYTES :], messages.KEYS).copy()
    keys[field][0] = np.frombuffer(point, np.uint8)
    text = _keys_text(table.round.context, 3, keys[0])
    keys["signature"][0] = np.frombuffer(signers(7)[3].sign(text), np.uint8)
    bad = table.sent.pop(3)[: messages.HEAD_BYTES] + keys.tobytes()
    with pytest.raises(ProtocolProblem, match="no usable point") as caught:
        table.aggregator.receive(bad)
    assert caught.value.client == 3
    table.play(Kind.OPENING)
    for message in table.sent.values():
        table.aggregator.receive(message)
    assert table.aggregator.finish().survivors == (0, 1, 2, 4, 5, 6)


def test_a_false_share_is_noticed() -> None:
    for secret in (messages.SELF_MASK, messages.MASK_KEY):
        table = Table(a_round(10)).play(Kind.OPENING, {9: Kind.UPLOAD})
        for i, message in table.sent.items():
            if i == 4:
                rows = np.frombuffer(message, messages.OPENING, offset=messages.HEAD_BYTES + 4).copy()
                # Not the lowest three bits of the first byte: X25519 takes no notice of them.
                rows["share"][np.flatnonzero(rows["secret"] == secret)[0], 0] ^= 8
                table.aggregator.receive(message[: messages.HEAD_BYTES] + messages.table(rows))
            else:
                table.aggregator.receive(message)
        with pytest.raises(ProtocolProblem, match="do not fit what it advertised"):
            table.aggregator.finish()


def test_an_opening_of_the_other_secret_is_refused() -> None:
    table = Table(a_round(10)).play(Kind.OPENING, {9: Kind.UPLOAD})
    rows = np.frombuffer(table.sent[0], messages.OPENING, offset=messages.HEAD_BYTES + 4).copy()
    assert rows["secret"].tolist() == [1] * 9 + [0]
    rows["secret"][9] = messages.SELF_MASK
    with pytest.raises(ProtocolProblem, match="client 0: OPENING has not exactly one share"):
        table.aggregator.receive(table.sent[0][: messages.HEAD_BYTES] + messages.table(rows))


def test_more_openings_may_come_when_they_were_too_few() -> None:
    round = a_round(5)
    table = Table(round).play(Kind.OPENING)
    for i in range(3):
        table.aggregator.receive(table.sent[i])
    with pytest.raises(ProtocolProblem, match="3 of its holders opened"):
        table.aggregator.finish()
    assert table.aggregator.awaited == (3, 4)
    table.aggregator.receive(table.sent[3])
    np.testing.assert_array_equal(table.aggregator.finish().words, total(table.words, (0, 1, 2, 3, 4)))
    assert table.aggregator.finish() is table.aggregator.finish()


def test_a_retry_with_other_data_is_a_new_session() -> None:
    """One client covers one vector: it cannot be started or asked for an upload again."""
    round = a_round(5)
    table = Table(round).play(Kind.SEALED)
    client, given = table.clients[0], table.given[0]
    client.receive(given)
    with pytest.raises(ProtocolProblem, match="new session for other data"):
        client.start()
    with pytest.raises(ProtocolProblem, match="SEALED came where SURVIVORS belongs"):
        client.receive(given)
    # And a new session has new masks, even if all its randomness were the same.
    other = Table(a_round(5, session=crypto.sha256(b"another"))).play(Kind.UPLOAD)
    same = Table(round).play(Kind.UPLOAD)
    for i in range(5):
        one, two = same.log[Kind.UPLOAD][i], other.log[Kind.UPLOAD][i]
        assert one[messages.HEAD_BYTES :] != two[messages.HEAD_BYTES :]
        assert same.log[Kind.KEYS][i][41:137] != other.log[Kind.KEYS][i][41:137]


@pytest.mark.parametrize(
    "told",
    [
        {"session": bytes(32)},
        {"task": bytes(32)},
        {"number": 1},
        {"semi_honest": True},
        {"bits": 64},
        {"length": 8},
        {"roster": tuple(reversed([s.public for s in signers(5)]))},
    ],
    ids=lambda told: next(iter(told)),
)
def test_clients_that_were_told_different_things_do_not_add_up(told: dict) -> None:  # type: ignore[type-arg]
    """A model of one's own for one client is a way to its value; here its messages are of another round."""
    table = Table(a_round(5)).play(Kind.PEERS)
    merged = {"length": 7, "bits": 32} | told
    other = a_round(5, **merged)
    words = np.zeros(other.length, other.dtype)
    index = other.roster.index(signers(5)[0].public)
    client = Client(other, index, signers(5)[0], words, seeds(5)[0])
    with pytest.raises(ProtocolProblem, match="belongs to another round"):
        table.aggregator.round and Aggregator(table.round).receive(client.start())
    with pytest.raises(ProtocolProblem, match="belongs to another round"):
        client.receive(table.given[0])


# -- malformed messages ----------------------------------------------------------------------------------


def bend(message: bytes) -> dict[str, bytes]:
    """One message, wrong in every simple way."""
    number = messages.HEAD_BYTES - 4
    return {
        "nothing": b"",
        "head only": message[: messages.HEAD_BYTES],
        "cut": message[:-1],
        "too long": message + b"\0",
        "another protocol": b"mqs2" + message[4:],
        "unknown kind": message[:4] + b"\x0a" + message[5:],
        "another kind": message[:4] + bytes([message[4] % 9 + 1]) + message[5:],
        "another context": message[:5] + bytes(32) + message[37:],
        "outside the roster": message[:number] + b"\xff\xff\xff\xff" + message[number + 4 :],
        "text": b"GET / HTTP/1.1\r\n" * 40,
    }


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name)
@pytest.mark.parametrize("fault", bend(bytes(200)))
def test_malformed_messages_are_refused(kind: Kind, fault: str) -> None:
    table = Table(a_round(4)).play(kind)
    bad = bend(table.log[kind][1])[fault]
    if kind % 2:
        before = table.aggregator.awaited
        with pytest.raises(ProtocolProblem):
            table.aggregator.receive(bad)
        assert table.aggregator.awaited == before
        table.aggregator.receive(table.log[kind][1])
    else:
        with pytest.raises(ProtocolProblem):
            table.clients[1].receive(bad)
        assert table.clients[1].state == "refused"


TABLES = (Kind.PEERS, Kind.SHARES, Kind.SEALED, Kind.SIGNATURES, Kind.OPENING)


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.name)
def test_tables_have_one_form(kind: Kind) -> None:
    for change in (double_first, swap, too_many, drop_one):
        table = Table(a_round(4)).play(kind)
        message = table.log[kind][1]
        bad = message[: messages.HEAD_BYTES] + change(message[messages.HEAD_BYTES :])
        if kind % 2:
            with pytest.raises(ProtocolProblem):
                table.aggregator.receive(bad)
        elif change is drop_one and kind != Kind.SIGNATURES:
            table.clients[1].receive(bad)  # a client that drops out is no fault
        elif change is not drop_one:
            with pytest.raises(ProtocolProblem):
                table.clients[1].receive(bad)


def rows_of(body: bytes) -> list[bytes]:
    count = int.from_bytes(body[:4], "little")
    size = (len(body) - 4) // count
    return [body[4 + i * size : 4 + (i + 1) * size] for i in range(count)]


def packed(rows: list[bytes], count: int | None = None) -> bytes:
    return (len(rows) if count is None else count).to_bytes(4, "little") + b"".join(rows)


def double_first(body: bytes) -> bytes:
    rows = rows_of(body)
    return packed([rows[0], rows[0], *rows[2:]])


def swap(body: bytes) -> bytes:
    rows = rows_of(body)
    return packed([rows[1], rows[0], *rows[2:]])


def too_many(body: bytes) -> bytes:
    return packed(rows_of(body), 1 << 31)


def drop_one(body: bytes) -> bytes:
    return packed(rows_of(body)[:-1])


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_no_flipped_bit_changes_a_sum(data: st.DataObject) -> None:
    """Save in the words and the sender of an UPLOAD, which whoever carries it must authenticate."""
    kind = data.draw(st.sampled_from(list(Kind)))
    table = Table(a_round(4)).play(kind, {3: Kind.SIGNATURE})
    victim = data.draw(st.sampled_from(sorted(table.log[kind])))
    message = bytearray(table.log[kind][victim])
    end = messages.HEAD_BYTES - 4 if kind == Kind.UPLOAD else len(message)
    message[data.draw(st.integers(0, end - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        (table.sent if kind % 2 else table.given)[victim] = bytes(message)
        finish_the_rest(table, kind)
        got = table.aggregator.finish()
    except ProtocolProblem:
        return
    np.testing.assert_array_equal(got.words, total(table.words, got.survivors))


def finish_the_rest(table: Table, kind: Kind) -> None:
    """Play on; a client that refuses has dropped out, a message that is refused is lost."""

    def answer() -> None:
        table.sent = {}
        for i, message in table.given.items():
            try:
                table.sent[i] = table.clients[i].receive(message)
            except ProtocolProblem:
                continue

    if kind % 2 == 0:
        answer()
    while True:
        for message in table.sent.values():
            try:
                table.aggregator.receive(message)
            except ProtocolProblem:
                continue
        if table.aggregator.stage == Kind.OPENING:
            return
        table.given = table.aggregator.close()
        answer()


def _last(round: Round) -> Aggregator:
    return Table(round).play(Kind.OPENING).aggregator


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: a_round(4, session=b"short"), "32 bytes each"),
        (lambda: a_round(4, task=b""), "32 bytes each"),
        (lambda: a_round(4, roster=(b"a", b"b", b"c")), "public keys of 32 bytes"),
        (lambda: a_round(4, roster=(bytes(32),) * 3), "twice"),
        (lambda: a_round(2), "at least three"),
        (lambda: a_round(4, length=0), "length is"),
        (lambda: a_round(4, length=1 << 40), "length is"),
        (lambda: a_round(4, bits=16), "bits is"),
        (lambda: a_round(4, number=-1), "number counts"),
        (lambda: Client(a_round(4), 1, signers(4)[0], np.zeros(7, np.uint32)), "another identity"),
        (lambda: Client(a_round(4), 4, signers(4)[0], np.zeros(7, np.uint32)), "another identity"),
        (lambda: Client(a_round(4), 0, signers(4)[0], np.zeros(8, np.uint32)), "7 words of uint32"),
        (lambda: Client(a_round(4), 0, signers(4)[0], np.zeros(7, np.uint64)), "7 words of uint32"),
        (lambda: Client(a_round(4), 0, signers(4)[0], np.zeros(7, np.uint32), b"short"), "32 random bytes"),
        (lambda: Aggregator(a_round(4)).finish(), "stage KEYS"),
        (Aggregator(a_round(4)).close, "0 clients sent KEYS"),
        (lambda: _last(a_round(4)).close(), "ends with finish"),
    ],
)
def test_impossible_rounds_and_turns_are_refused(make: Callable[[], object], told: str) -> None:
    with pytest.raises(ProtocolProblem, match=told):
        make()


# -- what is seen ----------------------------------------------------------------------------------------


def uploads(table: Table) -> list[np.ndarray]:  # type: ignore[type-arg]
    return [
        np.frombuffer(table.log[Kind.UPLOAD][i], table.round.dtype, offset=messages.HEAD_BYTES)
        if messages.HEAD_BYTES % table.round.dtype.itemsize == 0
        else np.frombuffer(table.log[Kind.UPLOAD][i][messages.HEAD_BYTES :], table.round.dtype)
        for i in sorted(table.log[Kind.UPLOAD])
    ]


@pytest.mark.parametrize("bits", [32, 64])
def test_what_is_uploaded_is_uniform(bits: int) -> None:
    """Of clients that all have nothing but zeros; and so are sums and differences of some of them."""
    round = a_round(5, 20_000, bits=bits)
    zeros = [np.zeros(round.length, round.dtype)] * 5
    seen = uploads(Table(round, zeros).play(Kind.UPLOAD))
    for view in (*seen, seen[0] + seen[1], seen[2] - seen[3], sum(seen[:4]), seen[0] ^ seen[4]):
        assert LOW < chi_square(np.asarray(view).tobytes()) < HIGH
        assert len(np.unique(view[:1000])) > 990  # and no mask is one number over and over


def test_all_that_is_opened_leaves_each_single_value_uniform() -> None:
    """The aggregator at the end: it has every seed of who stayed, and takes those masks away from each."""
    round = a_round(6, 30_000)
    table = Table(round, [np.zeros(round.length, round.dtype)] * 6).play(Kind.OPENING, {5: Kind.UPLOAD})
    for message in table.sent.values():
        table.aggregator.receive(message)
    secrets = table.aggregator._opened()
    bare = {}
    for i, y in enumerate(uploads(table)[:5]):
        bare[i] = y - sharing.expand(_self_mask(round.context, secrets[i]), round.length, round.dtype)
        key = _mask_key(
            crypto.Agreement(secrets[5]), table.aggregator._keys[i]["masks"].tobytes(), round.context, i, 5
        )
        bare[i] = bare[i] - sharing.expand(key, round.length, round.dtype)
    for view in (*bare.values(), bare[0] + bare[1], bare[2] - bare[4], bare[0] + bare[1] + bare[2] + bare[3]):
        assert LOW < chi_square(view.tobytes()) < HIGH
    assert not sum(bare.values()).any()  # type: ignore[union-attr]


def test_an_upload_that_comes_too_late_stays_covered() -> None:
    """Its sender is gone, so the key behind its masks with others is opened: its own mask is what is left."""
    round = a_round(6, 30_000)
    table = Table(round, [np.zeros(round.length, round.dtype)] * 6).play(Kind.OPENING, {5: Kind.UPLOAD})
    late = table.log[Kind.UPLOAD][5]
    with pytest.raises(ProtocolProblem, match="UPLOAD came where OPENING belongs"):
        table.aggregator.receive(late)
    for message in table.sent.values():
        table.aggregator.receive(message)
    opened = crypto.Agreement(table.aggregator._opened()[5])
    y = np.frombuffer(late[messages.HEAD_BYTES :], round.dtype).copy()
    for i in range(5):
        key = _mask_key(opened, table.clients[i]._masks.public, round.context, 5, i)
        y += sharing.expand(key, round.length, round.dtype)
    assert LOW < chi_square(y.tobytes()) < HIGH
    y -= sharing.expand(_self_mask(round.context, table.clients[5]._self_seed), round.length, round.dtype)
    assert not y.any()


@pytest.mark.parametrize("kind", [Kind.PEERS, Kind.SEALED, Kind.SIGNATURES], ids=lambda kind: kind.name)
def test_a_client_goes_on_with_a_threshold_of_neighbours_or_not_at_all(kind: Kind) -> None:
    """However few an aggregator shows it."""
    for left in (6, 5):
        table = Table(a_round(10)).play(kind)
        assert table.round.plan.threshold == 7
        rows = rows_of(table.given[0][messages.HEAD_BYTES :])[:left]
        message = table.given[0][: messages.HEAD_BYTES] + packed(rows)
        if left + 1 >= 7:
            table.clients[0].receive(message)
        else:
            with pytest.raises(ProtocolProblem, match="too few neighbours"):
                table.clients[0].receive(message)


def test_a_client_is_no_neighbour_of_its_own() -> None:
    table = Table(a_round(4)).play(Kind.PEERS)
    rows = rows_of(table.given[1][messages.HEAD_BYTES :])
    own = (1).to_bytes(4, "little") + table.log[Kind.KEYS][1][messages.HEAD_BYTES :]
    message = table.given[1][: messages.HEAD_BYTES] + packed([rows[0], own, *rows[1:]])
    with pytest.raises(ProtocolProblem, match="at most 3"):
        table.clients[1].receive(message)
    table = Table(a_round(4)).play(Kind.PEERS)
    with pytest.raises(ProtocolProblem, match="no neighbour"):
        table.clients[1].receive(table.given[1][: messages.HEAD_BYTES] + packed([rows[0], own, rows[2]]))


def test_views_of_swapped_inputs_are_equal_but_for_the_masked_words() -> None:
    """Replayed: nothing but UPLOAD depends on the inputs, and their sum only on the sum of the inputs."""
    round = a_round(5, 50)
    words = vectors(round)
    swapped = [words[1], words[0], *words[2:]]
    one, other = (Table(round, w).play(Kind.OPENING, {4: Kind.UPLOAD}).log for w in (words, swapped))
    for kind in Kind:
        if kind != Kind.UPLOAD:
            assert one[kind] == other[kind], kind.name
    assert one[Kind.UPLOAD][2] == other[Kind.UPLOAD][2]
    assert one[Kind.UPLOAD][0] != other[Kind.UPLOAD][0]
    both = [uploads(Table(round, w).play(Kind.UPLOAD)) for w in (words, swapped)]
    np.testing.assert_array_equal(sum(both[0]), sum(both[1]))
    np.testing.assert_array_equal(both[0][0] - words[0], both[1][0] - words[1])


def test_masks_are_keyed_by_128_bits_and_differ_between_all_pairs() -> None:
    """A peer's come from a statistics generator with a seed of 32 bits."""
    round = a_round(6)
    table = Table(round)
    keys = set()
    for i, one in enumerate(table.clients):
        for j, other in enumerate(table.clients):
            if i != j:
                key = _mask_key(one._masks, other._masks.public, round.context, i, j)
                assert key == _mask_key(other._masks, one._masks.public, round.context, j, i)
                assert len(key) == 16
                keys.add(key)
    assert len(keys) == 15


def test_each_client_opens_one_secret_of_each() -> None:
    table = Table(a_round(10)).play(Kind.OPENING, {9: Kind.UPLOAD, 8: Kind.SHARES, 7: Kind.KEYS})
    for i, message in table.sent.items():
        rows = np.frombuffer(message, messages.OPENING, offset=messages.HEAD_BYTES + 4)
        assert rows["client"].tolist() == [0, 1, 2, 3, 4, 5, 6, 9]
        assert rows["secret"].tolist() == [1, 1, 1, 1, 1, 1, 1, 0], i


def test_nothing_shows_a_value() -> None:
    round = a_round(4, 3)
    table = Table(round, [np.full(3, CANARY, np.uint32)] * 4).play(Kind.SURVIVORS)
    told = [repr(client) for client in table.clients] + [repr(table.aggregator)]
    for client in table.clients:
        with pytest.raises(ProtocolProblem) as caught:
            client.receive(b"nonsense")
        told.append(str(caught.value))
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(client)
    for text in told:
        assert str(CANARY) not in text
        assert f"{CANARY:x}" not in text.lower()
    for log in table.log.values():
        for message in log.values():
            assert CANARY.to_bytes(4, "little") not in message


def test_the_words_given_stay_as_they_are() -> None:
    round = a_round(4, 100)
    words = vectors(round)
    kept = [w.copy() for w in words]
    run(round, signers(4), words)
    for one, other in zip(words, kept, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_round_of_two_sizes_of_words_has_two_contexts() -> None:
    contexts = {
        Round(bytes(32), a_round(4).roster, bytes(32), 5, bits, number, corrupt).context
        for bits in (32, 64)
        for number in (0, 1)
        for corrupt in (0.2, 0.5)
    }
    assert len(contexts) == 8

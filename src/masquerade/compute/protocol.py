"""A sum over clients of which the aggregator learns nothing but the sum: double masking.

Bonawitz et al., "Practical Secure Aggregation", CCS 2017, with the sparse graph of Bell et al., CCS 2020.
Client i uploads its words x_i under two masks, each a keystream as long as they are:

    y_i = x_i + PRG(b_i) + sum over neighbours j > i of PRG(s_ij) - sum over neighbours j < i of PRG(s_ij)

The masks s_ij between two cancel in the sum. Those of a client that drops out do not: its neighbours hold
shares of the key behind them, after Shamir, and open it. Of a client that stays they open b_i instead. Never
both: whoever had both would have x_i.

    client                                            aggregator
    start        -- KEYS: signed public keys -->      checks the signature
    advertised  <-- PEERS: the neighbours' KEYS --
                 -- SHARES: sealed to neighbours -->
    shared      <-- SEALED: from neighbours --
                 -- UPLOAD: y_i -->                   adds it to the total
    uploaded    <-- SURVIVORS: who stays, who went --
                 -- SIGNATURE: of these lists -->     checks the signature
    signed      <-- SIGNATURES: of the neighbours --
                 -- OPENING: one share for each -->   opens, and takes the masks away
    done

``Client`` and ``Aggregator`` are state machines: bytes in, bytes out, no clock and no socket. A client that
refuses something is ``refused`` for good; an aggregator refuses a message and waits for the right one.

Against whom: the clients that conspire, up to the fraction promised, and the aggregator, who may lie (unless
the round says ``semi_honest``), see the sum of the survivors, at least ``plan.minimum`` of them, and nothing
else. Anyone can spoil a round: the sum is refused then, or, where a client uploads another value than it
should, it is the sum of what was uploaded. The order of the ring is public and comes from the session: with
more than 300 clients, whoever picks the session must not conspire with clients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masquerade import crypto
from masquerade.compute import messages, sharing
from masquerade.compute.field import Words
from masquerade.compute.graph import Graph, Plan, plan
from masquerade.compute.messages import MASK_KEY, SELF_MASK, Kind
from masquerade.errors import ProtocolProblem, Tampered

RAND_SIZE = 32
"""Uniform bytes that a client takes for one round, all of its randomness."""

MOST_WORDS = 1 << 28
"""The longest vector: 1 GiB of uint32."""

_MASKS_AT_ONCE = 1024  # ciphers that are open together


@dataclass(frozen=True)
class Round:
    """What all who take part in one round must agree on; :attr:`context` binds it into every key.

    Clients that were told different things (another model, another roster) derive different masks, which do
    not cancel: the sum is noise then, and nobody's value.

    Raises:
        ProtocolProblem: a size is wrong, a key is in the roster twice, or there is no plan.
    """

    session: bytes
    """32 public bytes, fresh for each round: never used again with other data."""
    roster: tuple[bytes, ...]
    """The Ed25519 public keys of the clients, pinned beforehand; a client's index is its place here."""
    task: bytes
    """32 bytes: the SHA-256 of what is being computed, with the format of its numbers."""
    length: int
    """Words in each client's vector."""
    bits: int = 32
    """32 or 64: the ring Z_2^bits."""
    number: int = 0
    """Counts the rounds of one training."""
    corrupt: float = 0.2
    """The fraction of clients that may conspire."""
    dropped: float = 0.1
    """The fraction that may drop out."""
    semi_honest: bool = False
    """Whether the aggregator is trusted to follow the protocol, though not to close its eyes."""

    def __post_init__(self) -> None:
        if len(self.session) != 32 or len(self.task) != 32:
            raise ProtocolProblem("session and task are 32 bytes each")
        if any(len(key) != 32 for key in self.roster):
            raise ProtocolProblem("the roster holds Ed25519 public keys of 32 bytes")
        if len(set(self.roster)) != len(self.roster):
            raise ProtocolProblem("a key is in the roster twice: one client would count as two")
        if not 0 < self.length <= MOST_WORDS:
            raise ProtocolProblem(f"the length is 1 to {MOST_WORDS:,} words")
        if self.bits not in (32, 64) or not 0 <= self.number < 1 << 64:
            raise ProtocolProblem("bits is 32 or 64, number counts from 0")
        _ = self.plan

    @cached_property
    def plan(self) -> Plan:
        """Degree, threshold and minimum, computed."""
        return plan(len(self.roster), self.corrupt, self.dropped, self.semi_honest)

    @cached_property
    def context(self) -> bytes:
        """32 bytes that stand for all of this; in the head of every message and the salt of every key."""
        return crypto.sha256(
            b"masquerade sum"
            + self.session
            + crypto.sha256(b"".join(self.roster))
            + self.task
            + self.number.to_bytes(8, "little")
            + self.length.to_bytes(8, "little")
            + self.bits.to_bytes(1, "little")
            + self.plan.clients.to_bytes(4, "little")
            + self.plan.degree.to_bytes(4, "little")
            + self.plan.threshold.to_bytes(4, "little")
            + self.plan.minimum.to_bytes(4, "little")
        )

    @cached_property
    def graph(self) -> Graph:
        """Who is whose neighbour."""
        return Graph(self.plan, crypto.sha256(b"masquerade sum graph" + self.context)[:16])

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint32 or uint64."""
        return np.dtype(np.uint32 if self.bits == 32 else np.uint64)


@dataclass(frozen=True, slots=True)
class Sum:
    """What a round gives."""

    words: Words
    """The sum of the survivors' words modulo 2^bits; (length,)."""
    survivors: tuple[int, ...]
    """Whose words are in it: indices into the roster, ascending."""


def run(
    round: Round,
    signers: Sequence[crypto.Signer],
    vectors: Sequence[Words],
    *,
    silent: Mapping[int, Kind] | None = None,
    randomness: Sequence[bytes] | None = None,
) -> Sum:
    """One whole round in one place, in the order in which it happens.

    Args:
        signers: the clients' identities, in the order of the roster.
        vectors: their words.
        silent: clients that drop out, and the first message that each no longer sends.
        randomness: :data:`RAND_SIZE` bytes for each client; None: fresh.

    Raises:
        ProtocolProblem: too few clients are left.
    """
    aggregator = Aggregator(round)
    clients = [
        Client(round, i, signer, words, randomness[i] if randomness else None)
        for i, (signer, words) in enumerate(zip(signers, vectors, strict=True))
    ]
    silent = silent or {}

    def arrive(client: int, message: bytes) -> None:
        if client not in silent or aggregator.stage < silent[client]:
            aggregator.receive(message)

    for i, client in enumerate(clients):
        arrive(i, client.start())
    while aggregator.stage != Kind.OPENING:
        for i, message in aggregator.close().items():
            arrive(i, clients[i].receive(message))
    return aggregator.finish()


# -- what both sides know --------------------------------------------------------------------------------


def _keys_text(context: bytes, client: int, keys: Any) -> bytes:
    return b"masquerade sum keys" + context + client.to_bytes(4, "little") + bytes(keys.tobytes()[:96])


def _survivors_text(context: bytes, lists: bytes) -> bytes:
    return b"masquerade sum survivors" + context + crypto.sha256(lists)


def _commitment(context: bytes, client: int, seed: bytes) -> bytes:
    return crypto.sha256(b"masquerade sum self mask" + context + client.to_bytes(4, "little") + seed)


def _self_mask(context: bytes, seed: bytes) -> bytes:
    return crypto.derive(seed, "masquerade sum self mask", context)[: crypto.STREAM_KEY_BYTES]


def _mask_key(own: crypto.Agreement, public: bytes, context: bytes, one: int, other: int) -> bytes:
    low, high = min(one, other), max(one, other)
    info = b"mask" + low.to_bytes(4, "little") + high.to_bytes(4, "little")
    return own.key(public, context, info)[: crypto.STREAM_KEY_BYTES]


def _share_key(shared: bytes, sender: int, reader: int) -> bytes:
    return crypto.expand(shared, b"share" + sender.to_bytes(4, "little") + reader.to_bytes(4, "little"))


def _check_keys(round: Round, client: int, keys: Any) -> None:
    signature = keys["signature"].tobytes()
    if not crypto.signed_by(round.roster[client], signature, _keys_text(round.context, client, keys)):
        raise ProtocolProblem(
            "its keys are not signed by the identity that the roster pins: they are someone else's, or of "
            "another round",
            client=client,
        )


def _body(round: Round, message: bytes | memoryview, expected: Kind) -> tuple[int, memoryview]:
    kind, context, client, body = messages.read_head(message)
    if kind != expected:
        raise ProtocolProblem(f"{kind.name} came where {expected.name} belongs")
    if context != round.context:
        raise ProtocolProblem(
            f"{kind.name} belongs to another round: session, roster, task, number or plan differ"
        )
    if client >= len(round.roster):
        raise ProtocolProblem(f"{kind.name} names client {client}, and the roster ends before it")
    return client, body


# -- the client ------------------------------------------------------------------------------------------


class Client:
    """One client's side of one round, with one vector.

    Masks cover one vector only. So a client takes its words when it is made, sends each message once, and
    starts no second time: resend the bytes it gave if they were lost, and make a new session for other data.
    ``repr`` shows index and state; pickling is refused.
    """

    def __init__(
        self,
        round: Round,
        index: int,
        signer: crypto.Signer,
        words: Words,
        randomness: bytes | None = None,
    ) -> None:
        """
        Args:
            words: the vector, of ``round.length`` and ``round.dtype``; it is read once, and not kept longer.
            randomness: :data:`RAND_SIZE` uniform bytes, for this client and this vector; None: fresh ones.

        Raises:
            ProtocolProblem: the identity is not the one the roster has at ``index``, or sizes differ.
        """
        if not 0 <= index < len(round.roster) or round.roster[index] != signer.public:
            raise ProtocolProblem("the roster has another identity at this place")
        if words.shape != (round.length,) or words.dtype != round.dtype:
            raise ProtocolProblem(f"the round sums {round.length:,} words of {round.dtype.name} a client")
        randomness = crypto.random_bytes(RAND_SIZE) if randomness is None else randomness
        if len(randomness) != RAND_SIZE:
            raise ProtocolProblem(f"a client takes {RAND_SIZE} random bytes")
        self.round, self.index, self.state = round, index, "start"
        self._signer, self._words = signer, words
        self._neighbours = round.graph.neighbours(index)
        secret = [crypto.derive(randomness, f"masquerade sum {what}", round.context) for what in _SECRETS]
        self._secrets = secret[0] + secret[1]
        self._masks, self._self_seed = crypto.Agreement(secret[0]), secret[1]
        self._channel, self._sharing = crypto.Agreement(secret[2]), secret[3]

    def start(self) -> bytes:
        """The first message: KEYS."""
        if self.state != "start":
            raise ProtocolProblem(
                "this client has started: send the bytes it gave again, or make a new session for other data"
            )
        context = self.round.context
        keys = np.zeros(1, messages.KEYS)
        _put(keys["masks"], self._masks.public)
        _put(keys["channel"], self._channel.public)
        _put(keys["commitment"], _commitment(context, self.index, self._self_seed))
        _put(keys["signature"], self._signer.sign(_keys_text(context, self.index, keys)))
        self.state = "advertised"
        return messages.head(Kind.KEYS, context, self.index) + keys.tobytes()

    def receive(self, message: bytes | memoryview) -> bytes:
        """The answer to a message of the aggregator, by the table of states.

        Raises:
            ProtocolProblem: the message is not the one that belongs here, or asks for what would reveal more
                than the sum. This client is ``refused`` from then on and answers nothing more.
        """
        try:
            expected, answer, then = _CLIENT[self.state]
        except KeyError:
            raise ProtocolProblem(f"a client that is {self.state!r} takes no message") from None
        self.state = "refused"
        try:
            addressee, body = _body(self.round, message, expected)
            if addressee != self.index:
                raise ProtocolProblem(f"{expected.name} is addressed to client {addressee}")
            kind, reply = answer(self, body)
        except Tampered as problem:
            raise ProtocolProblem(str(problem)) from None
        self.state = then
        return b"".join((messages.head(kind, self.round.context, self.index), *reply))

    def _share(self, body: memoryview) -> tuple[Kind, list[bytes]]:
        """PEERS -> SHARES: check the neighbours' signatures, and seal to each its share of both secrets."""
        rows = messages.read_table(body, messages.PEER, Kind.PEERS, len(self._neighbours))
        peers = rows["client"].astype(np.intp)
        self._only_neighbours(peers, Kind.PEERS)
        self._enough(len(peers) + 1, "neighbours advertised keys")
        self._masks_of: dict[int, bytes] = {}
        self._shared: dict[int, bytes] = {}
        for peer, keys in zip(peers.tolist(), rows["keys"], strict=True):
            _check_keys(self.round, peer, keys)
            self._masks_of[peer] = keys["masks"].tobytes()
            self._shared[peer] = self._channel.shared(keys["channel"].tobytes(), self.round.context)
        shares = self._split(np.append(peers, self.index))
        self._own_share = shares[-1]
        sealed = np.zeros(len(peers), messages.SEALED)
        sealed["client"] = peers
        for row, (peer, shared) in enumerate(self._shared.items()):
            key = _share_key(shared, self.index, peer)
            _put(sealed["sealed"][row], crypto.seal_once(key, shares[row].tobytes()))
        return Kind.SHARES, [messages.table(sealed)]

    def _split(self, holders: NDArray[np.intp]) -> sharing.Elements:
        threshold = self.round.plan.threshold
        stream = crypto.Keystream(self._sharing[: crypto.STREAM_KEY_BYTES])
        coefficients = stream.read((threshold - 1) * len(self._secrets))
        places = self.round.graph.places(self.index, holders).tolist()
        secrets = np.frombuffer(self._secrets, self.round.plan.element)
        return sharing.shamir_split(secrets, places, threshold, coefficients)

    def _upload(self, body: memoryview) -> tuple[Kind, list[Any]]:
        """SEALED -> UPLOAD: open the shares held for others, and mask the words with those who sent one."""
        rows = messages.read_table(body, messages.SEALED, Kind.SEALED, len(self._neighbours))
        peers = rows["client"].astype(np.intp)
        if not set(peers.tolist()) <= self._shared.keys():
            raise ProtocolProblem("SEALED has a share of a client whose keys were not in PEERS")
        self._enough(len(peers) + 1, "neighbours shared their keys")
        self._held = {}
        add: list[bytes] = [_self_mask(self.round.context, self._self_seed)]
        subtract: list[bytes] = []
        for peer, sealed in zip(peers.tolist(), rows["sealed"], strict=True):
            try:
                share = crypto.open_once(_share_key(self._shared[peer], peer, self.index), sealed.tobytes())
            except Tampered:
                raise ProtocolProblem(
                    "the share that is said to be from it did not authenticate", client=peer
                ) from None
            self._held[peer] = share
            key = _mask_key(self._masks, self._masks_of[peer], self.round.context, self.index, peer)
            (add if peer > self.index else subtract).append(key)
        total = sharing.aligned(self._words)
        del self._words
        sharing.add_masks(total, add, subtract=subtract)
        return Kind.UPLOAD, [total.astype(total.dtype.newbyteorder("<"), copy=False).data]

    def _sign(self, body: memoryview) -> tuple[Kind, list[bytes]]:
        """SURVIVORS -> SIGNATURE: check that the lists are possible, and put one's name to them."""
        alive, gone = messages.read_sets(body, len(self.round.roster), Kind.SURVIVORS)
        if (alive & gone).any():
            raise ProtocolProblem(
                "a client is listed as staying and as gone: answering for both would reveal its value"
            )
        if not alive[self.index]:
            raise ProtocolProblem("this client uploaded, and is not listed as staying")
        if alive.sum() < self.round.plan.minimum:
            raise ProtocolProblem(
                f"{int(alive.sum())} clients are left, and a sum takes {self.round.plan.minimum} or more"
            )
        listed = np.flatnonzero((alive | gone)[self._neighbours])
        if set(self._neighbours[listed].tolist()) != self._held.keys():
            raise ProtocolProblem("the lists of who stays and who is gone are not those who shared keys")
        self._alive, self._lists = alive, _survivors_text(self.round.context, bytes(body))
        return Kind.SIGNATURE, [self._signer.sign(self._lists)]

    def _open(self, body: memoryview) -> tuple[Kind, list[bytes]]:
        """SIGNATURES -> OPENING: once enough neighbours signed the same lists, one share for each client."""
        rows = messages.read_table(body, messages.SIGNATURE, Kind.SIGNATURES, len(self._neighbours))
        signers = rows["client"].astype(np.intp)
        self._only_neighbours(signers, Kind.SIGNATURES)
        for peer, signature in zip(signers.tolist(), rows["signature"], strict=True):
            if not self._alive[peer]:
                raise ProtocolProblem("it is not listed as staying, and a signature is shown", client=peer)
            if not crypto.signed_by(self.round.roster[peer], signature.tobytes(), self._lists):
                raise ProtocolProblem("it signed other lists of survivors than this client", client=peer)
        self._enough(len(signers) + 1, "neighbours signed the same lists")
        held = sorted([*self._held, self.index])
        opening = np.zeros(len(held), messages.OPENING)
        opening["client"] = held
        opening["secret"] = np.where(self._alive[held], SELF_MASK, MASK_KEY)
        for row, peer in enumerate(held):
            share = self._own_share.tobytes() if peer == self.index else self._held[peer]
            at = messages.SECRET_BYTES if self._alive[peer] else 0
            _put(opening["share"][row], share[at : at + messages.SECRET_BYTES])
        return Kind.OPENING, [messages.table(opening)]

    def _only_neighbours(self, clients: NDArray[np.intp], kind: Kind) -> None:
        if not np.isin(clients, self._neighbours).all():
            raise ProtocolProblem(f"{kind.name} has a client that is no neighbour of this one")

    def _enough(self, holders: int, what: str) -> None:
        threshold = self.round.plan.threshold
        if holders < threshold:
            raise ProtocolProblem(f"too few {what}: with this client {holders}, where {threshold} are needed")

    def __repr__(self) -> str:
        return f"Client(index={self.index}, state={self.state!r})"

    def __reduce__(self) -> Any:
        raise TypeError("a Client is not pickled: its secrets stay where they were made")


_SECRETS = ("mask key", "self mask seed", "channel key", "sharing")

_CLIENT: dict[str, tuple[Kind, Callable[[Client, memoryview], tuple[Kind, list[Any]]], str]] = {
    "advertised": (Kind.PEERS, Client._share, "shared"),
    "shared": (Kind.SEALED, Client._upload, "uploaded"),
    "uploaded": (Kind.SURVIVORS, Client._sign, "signed"),
    "signed": (Kind.SIGNATURES, Client._open, "done"),
}
"""State: the message it takes, what is done with it, the state after. ``done`` and ``refused`` take none."""


def _put(field: NDArray[np.uint8], value: bytes) -> None:
    field[...] = np.frombuffer(value, np.uint8)


# -- the aggregator --------------------------------------------------------------------------------------


class Aggregator:
    """The aggregator's side of one round.

    It takes one message from each client at each stage, in any order, until :meth:`close` ends the stage; who
    is missing then has dropped out. A message that it refuses changes nothing. Before the last stage it holds
    public keys, sealed shares, and a sum of words under masks, and nothing else.
    """

    def __init__(self, round: Round) -> None:
        self.round, self.stage = round, Kind.KEYS
        count, degree = round.plan.clients, round.plan.degree
        self._members = np.ones(count, bool)
        self._arrived = np.zeros(count, bool)
        self._neighbours = [round.graph.neighbours(i) for i in range(count)]
        self._keys = np.zeros(count, messages.KEYS)
        self._sealed = np.zeros((count, degree, messages.SEALED_BYTES), np.uint8)
        self._total: Words = np.zeros(round.length, round.dtype)
        self._signatures = np.zeros((count, 64), np.uint8)
        self._sum: Sum | None = None

    @property
    def awaited(self) -> tuple[int, ...]:
        """Who has not sent the message of this stage: indices, ascending."""
        return tuple(np.flatnonzero(self._members & ~self._arrived).tolist())

    def receive(self, message: bytes | memoryview) -> int:
        """Take one message; returns whose it was.

        Raises:
            ProtocolProblem: it is malformed, unsigned, of another round or stage, a second one, or from a
                client that has dropped out. Nothing has changed.
        """
        client, body = _body(self.round, message, self.stage)
        if not self._members[client]:
            raise ProtocolProblem(f"{self.stage.name} came after it had dropped out", client=client)
        if self._arrived[client]:
            raise ProtocolProblem(f"{self.stage.name} came a second time", client=client)
        try:
            _TAKE[self.stage](self, client, body)
        except ProtocolProblem as problem:
            raise ProtocolProblem(problem.plain, client=client) from None
        self._arrived[client] = True
        return client

    def close(self) -> dict[int, bytes]:
        """End the stage: the messages of the next one, by client. Who is missing has dropped out.

        Raises:
            ProtocolProblem: too few are left; or the last stage is reached, which :meth:`finish` ends.
        """
        if self.stage == Kind.OPENING:
            raise ProtocolProblem("the last stage ends with finish()")
        plan, left = self.round.plan, int(self._arrived.sum())
        least = plan.threshold if self.stage == Kind.SIGNATURE else plan.minimum
        if left < least:
            raise ProtocolProblem(
                f"{left} clients sent {self.stage.name}, and the round takes {least} or more"
            )
        if self.stage == Kind.UPLOAD:
            self._close_uploads()
        self._members, self._arrived = self._arrived, np.zeros_like(self._arrived)
        kind, write = _WRITE[self.stage]
        context = self.round.context
        out = {
            client: messages.head(kind, context, client) + write(self, client)
            for client in np.flatnonzero(self._members).tolist()
        }
        if self.stage == Kind.SHARES:
            self._sealed = self._sealed[:0]
        self.stage = Kind(kind + 1)
        return out

    def finish(self) -> Sum:
        """Open what must be opened, and take the masks away. More openings may come if they were too few.

        Raises:
            ProtocolProblem: for some client fewer than the threshold opened their shares, or the shares do
                not fit what it had advertised.
        """
        if self.stage != Kind.OPENING:
            raise ProtocolProblem(f"the round is at the stage {self.stage.name}, and not at its end")
        if self._sum is None:
            secrets = self._opened()
            self._unmask(secrets)
            self._sum = Sum(self._total, tuple(np.flatnonzero(self._alive).tolist()))
        return self._sum

    # -- what arrives, and what goes out -----------------------------------------------------------------

    def _take_keys(self, client: int, body: memoryview) -> None:
        record = messages.read_record(body, messages.KEYS, Kind.KEYS)[0]
        _check_keys(self.round, client, record)
        for key in (record["masks"], record["channel"]):  # else all neighbours would refuse, one by one
            if not crypto.usable(key.tobytes()):
                raise ProtocolProblem("a public key is no usable point: it was made to be broken")
        self._keys[client] = record

    def _peers(self, client: int) -> bytes:
        near = self._near(client)
        rows = np.zeros(len(near), messages.PEER)
        rows["client"], rows["keys"] = near, self._keys[near]
        return messages.table(rows)

    def _take_shares(self, client: int, body: memoryview) -> None:
        rows = messages.read_table(body, messages.SEALED, Kind.SHARES, self.round.plan.degree)
        near = self._near(client)
        if not np.array_equal(rows["client"], near):
            raise ProtocolProblem("SHARES are not for exactly the neighbours that it was given")
        self._sealed[client, np.searchsorted(self._neighbours[client], near)] = rows["sealed"]

    def _sealed_for(self, client: int) -> bytes:
        near = self._near(client)
        rows = np.zeros(len(near), messages.SEALED)
        rows["client"] = near
        slots = [np.searchsorted(self._neighbours[sender], client) for sender in near]
        rows["sealed"] = self._sealed[near, slots]
        return messages.table(rows)

    def _take_upload(self, client: int, body: memoryview) -> None:
        size = self.round.length * self.round.dtype.itemsize
        if len(body) != size:
            raise ProtocolProblem(f"UPLOAD has a body of {len(body):,} bytes, where {size:,} belong")
        np.add(self._total, np.frombuffer(body, self.round.dtype.newbyteorder("<")), out=self._total)

    def _close_uploads(self) -> None:
        self._sharers = self._members
        self._alive, gone = self._arrived, self._members & ~self._arrived
        self._lists = messages.bits(self._alive) + messages.bits(gone)
        self._text = _survivors_text(self.round.context, self._lists)
        holders = (self.round.plan.clients, self.round.plan.degree + 1)
        self._shares = np.zeros((*holders, messages.SECRET_BYTES), np.uint8)
        self._held = np.zeros(holders, bool)

    def _survivors(self, client: int) -> bytes:
        return self._lists

    def _take_signature(self, client: int, body: memoryview) -> None:
        signature = bytes(body)
        if not crypto.signed_by(self.round.roster[client], signature, self._text):
            raise ProtocolProblem("SIGNATURE is not its own, or not one of these lists of survivors")
        _put(self._signatures[client], signature)

    def _signatures_for(self, client: int) -> bytes:
        near = self._near(client)[: self.round.plan.threshold - 1]  # as many as a client must see
        rows = np.zeros(len(near), messages.SIGNATURE)
        rows["client"], rows["signature"] = near, self._signatures[near]
        return messages.table(rows)

    def _take_opening(self, client: int, body: memoryview) -> None:
        rows = messages.read_table(body, messages.OPENING, Kind.OPENING, self.round.plan.degree + 1)
        near = self._neighbours[client]
        owners = np.sort(np.append(near[self._sharers[near]], client))
        wanted = np.where(self._alive[owners], SELF_MASK, MASK_KEY)
        if not (np.array_equal(rows["client"], owners) and np.array_equal(rows["secret"], wanted)):
            raise ProtocolProblem("OPENING has not exactly one share, of the right secret, for each client")
        places = self.round.graph.places(owners, client) - 1
        self._shares[owners, places] = rows["share"]
        self._held[owners, places] = True

    def _near(self, client: int) -> NDArray[np.intp]:
        """The neighbours of ``client`` that are still there."""
        near = self._neighbours[client]
        return near[self._members[near]]

    # -- the end -----------------------------------------------------------------------------------------

    def _opened(self) -> dict[int, bytes]:
        """The secret of each client that shared: the seed of who stayed, the mask key of who is gone."""
        threshold = self.round.plan.threshold
        alike: dict[bytes, list[int]] = {}
        for client in np.flatnonzero(self._sharers).tolist():
            held = np.flatnonzero(self._held[client])[:threshold]
            if len(held) < threshold:
                raise ProtocolProblem(
                    f"{len(held)} of its holders opened their shares, and the threshold is {threshold}",
                    client=client,
                )
            alike.setdefault(held.tobytes(), []).append(client)
        secrets, shares = {}, self._shares.view(self.round.plan.element)
        for held_by, clients in alike.items():  # one set of holders at a time: its weights are the same
            places = np.frombuffer(held_by, np.intp).tolist()
            opened = sharing.shamir_join({place + 1: shares[clients, place] for place in places})
            for client, secret in zip(clients, opened, strict=True):
                secrets[client] = secret.tobytes()
        for client, secret in secrets.items():
            self._check_opened(client, secret)
        return secrets

    def _check_opened(self, client: int, secret: bytes) -> None:
        keys = self._keys[client]
        if self._alive[client]:
            fits = _commitment(self.round.context, client, secret) == keys["commitment"].tobytes()
        else:
            fits = crypto.Agreement(secret).public == keys["masks"].tobytes()
        if not fits:
            raise ProtocolProblem(
                "the shares of its secret do not fit what it advertised: it, or one of its holders, sent a "
                "false one; start a new session",
                client=client,
            )

    def _unmask(self, secrets: Mapping[int, bytes]) -> None:
        add: list[bytes] = []
        subtract: list[bytes] = []
        for client, secret in secrets.items():
            if self._alive[client]:
                subtract.append(_self_mask(self.round.context, secret))
            else:
                self._masks_of_the_gone(client, secret, add, subtract)
            if len(add) + len(subtract) >= _MASKS_AT_ONCE:
                sharing.add_masks(self._total, add, subtract=subtract)
                add, subtract = [], []
        sharing.add_masks(self._total, add, subtract=subtract)

    def _masks_of_the_gone(self, gone: int, secret: bytes, add: list[bytes], subtract: list[bytes]) -> None:
        own, near = crypto.Agreement(secret), self._neighbours[gone]
        for peer in near[self._alive[near]].tolist():
            key = _mask_key(own, self._keys[peer]["masks"].tobytes(), self.round.context, gone, peer)
            (subtract if gone > peer else add).append(key)


_TAKE: dict[Kind, Callable[[Aggregator, int, memoryview], None]] = {
    Kind.KEYS: Aggregator._take_keys,
    Kind.SHARES: Aggregator._take_shares,
    Kind.UPLOAD: Aggregator._take_upload,
    Kind.SIGNATURE: Aggregator._take_signature,
    Kind.OPENING: Aggregator._take_opening,
}
"""Stage, which is the kind it takes: how one message of it is taken."""

_WRITE: dict[Kind, tuple[Kind, Callable[[Aggregator, int], bytes]]] = {
    Kind.KEYS: (Kind.PEERS, Aggregator._peers),
    Kind.SHARES: (Kind.SEALED, Aggregator._sealed_for),
    Kind.UPLOAD: (Kind.SURVIVORS, Aggregator._survivors),
    Kind.SIGNATURE: (Kind.SIGNATURES, Aggregator._signatures_for),
}
"""Stage: what goes out when it is closed, and the body for one client."""

"""One round of a secure sum over a mailbox: a client's side, and the aggregator's.

Both find each other in a room of the mailbox whose name comes from the round's context. All that they leave
there is sealed (``compute/channel.py``); what does not authenticate is passed over. Whoever knows the roster
and reaches the mailbox can stop a round, by filling its room or taking its names first, and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray

from masquerade import crypto
from masquerade.compute import messages
from masquerade.compute.channel import FAILURE, OVERHEAD, RESULT, ToAggregator, ToClients
from masquerade.compute.messages import Kind
from masquerade.compute.protocol import Aggregator, Client, Round, Sum
from masquerade.errors import BadInput, KeyProblem, ProtocolProblem
from masquerade.keys import Identity
from masquerade.serve.roster import Roster

_POLL_SECONDS = 20.0
_RETRY_SECONDS = 0.5
_REACH_SECONDS = 30.0
_LATER = (429, 502, 503, 504)  # of a mailbox, or of what stands before it, that cannot answer now

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round gave, in the numbers of its roster."""

    values: NDArray[np.float64]
    """The sums, or with weights the weighted means; (length,)."""
    weight: float | None
    """The sum of the weights, where there are some."""
    survivors: tuple[str, ...]
    """Whose numbers are in it, by name."""
    clipped: int
    """How many of one's own numbers were clipped."""


def join(
    roster: Roster,
    identity: Identity,
    values: NDArray[Any] | None,
    *,
    weight: float | None = None,
    clip: bool = False,
    ca: Path | None = None,
    patience: float = 30.0,
    timeout: float = 600.0,
    say: Say = lambda text: None,
) -> Outcome:
    """Take part in a round, as what the roster says this identity is.

    Args:
        values: a client's numbers; None for the aggregator.
        ca: a PEM file of certificates to trust for the mailbox instead of the system's.
        patience: seconds that the aggregator waits for clients, at each stage.
        timeout: seconds for the whole round.
        say: is told how it goes, in lines without values.

    Raises:
        BadInput, KeyProblem: what was given does not fit the roster.
        ProtocolProblem: the round was refused, or the mailbox cannot be reached.
    """
    keys = [member.key for member in (*roster.clients, roster.aggregator)]
    if identity.signer.public not in keys:
        raise KeyProblem(f"the identity {identity.public} is not in the roster")
    index = keys.index(identity.signer.public)
    if index == len(roster.clients):
        if values is not None:
            raise BadInput("this identity is the aggregator's, which has no values of its own")
        task = _aggregate(roster, identity, ca, patience, say)
    else:
        if values is None:
            raise BadInput("this identity is a client's: give its values")
        if values.size != roster.settings["length"]:
            raise BadInput(
                f"the sum takes {roster.settings['length']:,} numbers, and here are {values.size:,}"
            )
        encoded = roster.format.encode(values, clients=len(roster.clients), weight=weight, clip=clip)
        if encoded.clipped:
            say(f"clipped {encoded.clipped:,} of {values.size:,} numbers to the bound")
        client = Client(roster.round, index, identity.signer, encoded.words)
        task = _take_part(roster, identity, client, encoded.clipped, ca, say)
    try:
        return asyncio.run(_within(task, timeout))
    except TimeoutError:
        raise ProtocolProblem(f"the round did not end within {timeout:g} seconds") from None


async def _within(task: Any, timeout: float) -> Outcome:
    async with asyncio.timeout(timeout):
        outcome: Outcome = await task
        return outcome


def _outcome(roster: Roster, total: Sum, clipped: int) -> Outcome:
    survivors = tuple(roster.clients[i].name for i in total.survivors)
    if roster.format.weight_bound is None:
        return Outcome(roster.format.decode(total.words), None, survivors, clipped)
    mean, weight = roster.format.decode_mean(total.words)
    return Outcome(mean, weight, survivors, clipped)


# -- the mailbox, from outside ---------------------------------------------------------------------------


class _Room:
    """One round's room. Boxes: ``hello``, ``aggregator``, and each client's index."""

    def __init__(self, session: aiohttp.ClientSession, roster: Roster) -> None:
        self._session, self._context, self._address = session, roster.round.context, roster.mailbox
        self._largest = _largest(roster.round)
        self._reached = False
        self._base = f"{self._address}/v1/{self._name('room')}"

    def _name(self, *parts: object) -> str:
        text = " ".join(map(str, parts)).encode()
        return crypto.sha256(b"masquerade mailbox" + self._context + text)[:16].hex()

    async def leave(self, box: object, name: object, message: bytes) -> None:
        """Leave a message; the same again changes nothing, so a lost answer is no harm."""
        url = f"{self._base}/{self._name('box', box)}/{self._name('message', box, name)}"
        status, told = await self._ask("PUT", url, message)
        if status not in (200, 201):
            raise ProtocolProblem(f"the mailbox took no message ({status}): {_plain(told)}")

    async def take(self, box: object, at: int, wait: float = _POLL_SECONDS) -> bytes | None:
        """Message ``at`` of a box, or None if none came within ``wait`` seconds. One that is larger than any
        of this round is nobody's, and comes as an empty one."""
        wait = max(0.0, min(wait, _POLL_SECONDS))
        url = f"{self._base}/{self._name('box', box)}?at={at}&wait={wait:.2f}"
        status, told = await self._ask("GET", url, None)
        if status not in (200, 204):
            raise ProtocolProblem(f"the mailbox gave no message ({status}): {_plain(told)}")
        return told if status == 200 else None

    async def _ask(self, method: str, url: str, data: bytes | None) -> tuple[int, bytes]:
        now = asyncio.get_running_loop().time
        until = now() + _REACH_SECONDS
        while True:
            try:
                async with self._session.request(method, url, data=data, allow_redirects=False) as answer:
                    if answer.status not in _LATER:
                        body = await self._read(answer)
                        self._reached = True
                        return answer.status, body
            except aiohttp.ClientConnectorCertificateError:
                raise ProtocolProblem(
                    "the mailbox's certificate is not one that is trusted here: name its authority with --ca"
                ) from None
            except (aiohttp.ClientError, ConnectionError, TimeoutError):
                pass
            if not self._reached and now() > until:
                raise ProtocolProblem(f"the mailbox at {self._address} cannot be reached")
            await asyncio.sleep(_RETRY_SECONDS)  # once it was there: until the round's own time is over

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        """The body, of which no more is held than the largest message has."""
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) > self._largest:
                return b""
        return bytes(body)


def _largest(round: Round) -> int:
    """Bytes of the largest message of a round, sealed: the words, a set of clients and a table, together."""
    words = round.length * round.bits // 8 + round.plan.clients
    table = (round.plan.degree + 1) * messages.PEER.itemsize
    return words + table + messages.HEAD_BYTES + OVERHEAD + 1024  # and the text of a failure


def _plain(body: bytes) -> str:
    text = body[:200].decode("ascii", "replace")
    return "".join(c for c in text if c.isprintable())


def _session(ca: Path | None) -> aiohttp.ClientSession:
    try:
        trust = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ValueError):
        raise KeyProblem(f"{ca} is no PEM file of certificates that can be read") from None
    limits = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_POLL_SECONDS + 20)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust), timeout=limits, auto_decompress=False
    )


# -- a client --------------------------------------------------------------------------------------------


async def _take_part(
    roster: Roster, identity: Identity, client: Client, clipped: int, ca: Path | None, say: Say
) -> Outcome:
    async with _session(ca) as session:
        room = _Room(session, roster)
        line = await _greet(room, roster, identity, client.index)

        async def send(kind: int, message: bytes) -> None:
            await room.leave("aggregator", (kind, client.index), bytes([kind]) + line.seal(kind, message))

        await send(Kind.KEYS, client.start())
        say("keys sent")
        at, seen = 0, set[int]()
        while True:
            sealed = await room.take(client.index, at)
            if sealed is None:
                continue
            at += 1
            try:
                kind, message = sealed[0], line.open(sealed[0], sealed[1:])
            except (IndexError, ProtocolProblem):
                continue  # not the aggregator's
            if kind in seen:
                continue  # a copy that somebody left: of each kind the aggregator seals one
            seen.add(kind)
            if kind == RESULT:
                return _outcome(roster, _read_sum(roster.round, message), clipped)
            if kind == FAILURE:
                raise ProtocolProblem(f"the aggregator gave up: {_plain(message)}")
            reply = client.receive(message)
            await send(reply[len(messages.MAGIC)], reply)
            say(_SAID.get(client.state, client.state))


async def _greet(room: _Room, roster: Roster, identity: Identity, index: int) -> ToAggregator:
    """The line to the aggregator, once its hello is there; what others left in its place is passed over."""
    at = 0
    while True:
        hello = await room.take("hello", at)
        if hello is None:
            continue
        at += 1
        with contextlib.suppress(ProtocolProblem):
            return ToAggregator(roster.round.context, index, identity.signer, roster.aggregator.key, hello)


_SAID = {"shared": "shares sent", "uploaded": "masked numbers sent", "signed": "list of survivors signed",
         "done": "shares opened, waiting for the sum"}  # fmt: skip


def _read_sum(round: Round, message: bytes) -> Sum:
    size = (round.plan.clients + 7) // 8
    members = np.unpackbits(np.frombuffer(message[:size], np.uint8), bitorder="little")
    if len(message) != size + round.length * round.bits // 8 or len(members) < round.plan.clients:
        raise ProtocolProblem("the aggregator's result has another size than the round")
    words = np.frombuffer(message[size:], round.dtype.newbyteorder("<")).astype(round.dtype)
    return Sum(words, tuple(np.flatnonzero(members[: round.plan.clients]).tolist()))


def _write_sum(round: Round, total: Sum) -> bytes:
    members = np.zeros(round.plan.clients, bool)
    members[list(total.survivors)] = True
    return messages.bits(members) + total.words.astype(total.words.dtype.newbyteorder("<")).tobytes()


# -- the aggregator --------------------------------------------------------------------------------------


async def _aggregate(
    roster: Roster, identity: Identity, ca: Path | None, patience: float, say: Say
) -> Outcome:
    round = roster.round
    async with _session(ca) as session:
        room = _Room(session, roster)
        line = ToClients(round.context, identity.signer, round.roster)
        await room.leave("hello", "hello", line.hello)
        say(f"waiting for {len(roster.clients)} clients")
        desk = _Desk(room, line, Aggregator(round))
        try:
            while True:
                await desk.collect(patience)
                say(desk.summary())
                if desk.aggregator.stage == Kind.OPENING:
                    break
                for client, message in desk.aggregator.close().items():
                    await desk.send(client, messages.read_head(message)[0], message)
            total = desk.aggregator.finish()
        except ProtocolProblem as problem:
            await desk.tell_all(FAILURE, str(problem).encode("ascii", "replace"))
            raise
        await desk.tell_all(RESULT, _write_sum(round, total))
    return _outcome(roster, total, 0)


class _Desk:
    """What the aggregator takes from its box, and sends."""

    def __init__(self, room: _Room, line: ToClients, aggregator: Aggregator) -> None:
        self.aggregator = aggregator
        self._room, self._line = room, line
        self._at = self._refused = 0
        self._known: set[int] = set()

    async def collect(self, patience: float) -> None:
        """Take messages until all that are awaited have come, or ``patience`` seconds are over."""
        now = asyncio.get_running_loop().time
        until = now() + patience
        while self.aggregator.awaited and (left := until - now()) > 0:
            message = await self._room.take("aggregator", self._at, left)
            if message is not None:
                self._at += 1
                self._take(message)

    def _take(self, message: bytes) -> None:
        """A message that is refused is one that has not come: its sender drops out, the round goes on."""
        try:
            self._read(message)
        except ProtocolProblem:
            self._refused += 1

    def _read(self, message: bytes) -> None:
        client = int.from_bytes(message[1:5], "little")
        if len(message) <= OVERHEAD or client >= len(self.aggregator.round.roster):
            raise ProtocolProblem("a message is too short, or of nobody in the roster")
        plain = self._line.open(client, message[0], message[1:])
        self._known.add(client)
        if messages.read_head(plain)[2] != client:
            raise ProtocolProblem("it speaks for another", client=client)
        self.aggregator.receive(plain)

    def summary(self) -> str:
        """How the stage ended, in one line."""
        missing, stage = len(self.aggregator.awaited), self.aggregator.stage.name.lower()
        how = f"time is over, {missing} missing" if missing else "complete"
        odd = f"; {self._refused} messages refused so far" if self._refused else ""
        return f"{stage}: {how}{odd}"

    async def send(self, client: int, kind: int, message: bytes) -> None:
        """Leave a sealed message in a client's box."""
        sealed = bytes([kind]) + self._line.seal(client, kind, message)
        await self._room.leave(client, kind, sealed)

    async def tell_all(self, kind: int, message: bytes) -> None:
        """The end, to everybody who has spoken, those that dropped out too."""
        for client in sorted(self._known):
            await self.send(client, kind, message)

"""Messages between a client and the aggregator, sealed, so that whoever carries them sees sizes only.

    hello       aggregator: X25519 key (32) | signature (64)
    to it       client (4) | greeting: X25519 key (32) | signature (64) | sealed message
    from it     sealed message

Both identities are pinned, both keys are fresh, and each signature covers the context of the round and, in a
greeting, the hello that it answers: so each side knows whom it speaks to, and in which round. Every kind of
message is sealed under a key of its own, in each direction, once (AES-256-GCM).
"""

from __future__ import annotations

from masquerade import crypto
from masquerade.compute.messages import Kind
from masquerade.errors import ProtocolProblem, Tampered

HELLO_BYTES = 96
OVERHEAD = 4 + HELLO_BYTES + 16
"""Bytes that a sealed message to the aggregator is longer than the message."""

RESULT, FAILURE = 250, 251
"""Kinds of what the aggregator says at the end: the sum, or why there is none."""

_UP = frozenset(kind for kind in Kind if kind % 2)


def _hello_text(context: bytes, key: bytes) -> bytes:
    return b"masquerade sum hello" + context + key


def _greeting_text(context: bytes, client: int, hello: bytes, key: bytes) -> bytes:
    return b"masquerade sum greeting" + context + client.to_bytes(4, "little") + hello + key


def _key(own: crypto.Agreement, other: bytes, context: bytes, client: int, kind: int) -> bytes:
    try:
        return own.key(other, context, b"message" + client.to_bytes(4, "little") + bytes([kind]))
    except Tampered as problem:
        raise ProtocolProblem(str(problem)) from None


def _open(key: bytes, sealed: bytes) -> bytes:
    try:
        return crypto.open_once(key, sealed)
    except Tampered:
        raise ProtocolProblem("a message did not authenticate: it was changed, or is another's") from None


class ToAggregator:
    """A client's end.

    Raises:
        ProtocolProblem: ``hello`` is not signed by the aggregator that the roster pins.
    """

    def __init__(
        self,
        context: bytes,
        client: int,
        signer: crypto.Signer,
        aggregator: bytes,
        hello: bytes,
        randomness: bytes | None = None,
    ) -> None:
        if len(hello) != HELLO_BYTES or not crypto.signed_by(
            aggregator, hello[32:], _hello_text(context, hello[:32])
        ):
            raise ProtocolProblem("the aggregator's hello is not signed by the identity that the roster pins")
        self._own = crypto.Agreement(crypto.random_bytes(32) if randomness is None else randomness)
        self._context, self._client, self._other = context, client, hello[:32]
        text = _greeting_text(context, client, hello, self._own.public)
        self._greeting = client.to_bytes(4, "little") + self._own.public + signer.sign(text)

    def seal(self, kind: int, message: bytes) -> bytes:
        """A message of this client, of a kind that it sends once."""
        key = _key(self._own, self._other, self._context, self._client, kind)
        return self._greeting + crypto.seal_once(key, message)

    def open(self, kind: int, sealed: bytes) -> bytes:
        """The inverse of :meth:`ToClients.seal`; raises :class:`ProtocolProblem`, also for what this client
        sealed itself: the key of a kind is the same at both ends."""
        if kind in _UP:
            raise ProtocolProblem("a message that goes to the aggregator came from it")
        return _open(_key(self._own, self._other, self._context, self._client, kind), sealed)


class ToClients:
    """The aggregator's end, to all clients."""

    def __init__(
        self,
        context: bytes,
        signer: crypto.Signer,
        roster: tuple[bytes, ...],
        randomness: bytes | None = None,
    ) -> None:
        self._own = crypto.Agreement(crypto.random_bytes(32) if randomness is None else randomness)
        self._context, self._roster = context, roster
        self.hello = self._own.public + signer.sign(_hello_text(context, self._own.public))
        """What every client must have first."""
        self._greetings: dict[int, bytes] = {}

    def open(self, client: int, kind: int, sealed: bytes) -> bytes:
        """The message that ``client`` sealed.

        Raises:
            ProtocolProblem: it is not signed by the client that the roster pins, it comes from a second start
                of that client, it is of a kind that clients do not send, or it did not authenticate.
        """
        if kind not in _UP:
            raise ProtocolProblem("a message that goes to clients came from one", client=client)
        greeting = sealed[: 4 + HELLO_BYTES]
        if len(sealed) < OVERHEAD or greeting[:4] != client.to_bytes(4, "little"):
            raise ProtocolProblem("a sealed message is too short, or another client's", client=client)
        if client not in self._greetings:
            text = _greeting_text(self._context, client, self.hello, greeting[4:36])
            if not crypto.signed_by(self._roster[client], greeting[36:], text):
                raise ProtocolProblem(
                    "its greeting is not signed by the identity that the roster pins", client=client
                )
        elif self._greetings[client] != greeting:
            raise ProtocolProblem("it started a second time: that takes a new session", client=client)
        key = _key(self._own, greeting[4:36], self._context, client, kind)
        message = _open(key, sealed[4 + HELLO_BYTES :])
        self._greetings[client] = greeting
        return message

    def seal(self, client: int, kind: int, message: bytes) -> bytes:
        """A message to ``client``, from which one has come, of a kind that it is sent once."""
        return crypto.seal_once(
            _key(self._own, self._greetings[client][4:36], self._context, client, kind), message
        )

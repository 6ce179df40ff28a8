"""Sums that only their sum leaves: additive shares, sealed to aggregators that agree before they open.

    the worker of part p    contribute(f, session, p, ...)   f's result in shares, each sealed to its holder
    each aggregator         take(contribution)               opens its own share, which is uniform; waits
                            settle(p, attempt)               all have the same: adds it to its sum
                            statement()                      who is in, sealed to each of the others
                            open(statements)                 all say the same, and enough are in: its sum
    whoever asked           adds the aggregators' sums       and so learns the total, and nothing else

Shares are additive over Z_2^64 (``sharing.py``): all but one of the aggregators together see uniform words. A
session opens once. A part that is computed again after a failure makes new shares, with a new random attempt;
what did arrive is resent as it is, and only an attempt that all aggregators hold is added.

**Trust.** One owner, who follows the protocol: the one who asks chose f, the parts and the code, could hand
out keys of his own, and can always ask for two sums that differ in one part. He is kept from seeing single
results by accident, in a log, a dump or an object store, and so is everybody else who reads there. At least
one aggregator must keep its memory to itself; who administers all machines is trusted. Between organisations
use ``protocol.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masquerade import crypto
from masquerade.compute import sharing, tree
from masquerade.compute.field import FixedPoint, Words
from masquerade.compute.noise import NoiseRule, bounded
from masquerade.errors import BadInput, ProtocolProblem, Tampered

LEAST_COHORT = 2
"""The sum of one part is that part."""
MOST_NUMBERS = 1 << 28
"""In the result of one part: 2 GiB of words."""
_ATTEMPT_BYTES = 16
_PUBLIC_BYTES = 32
_HEAD_BYTES = 32 + 8 + 8


def check_cohort(minimum: int, parts: int) -> None:
    """Refuse a least cohort of which a single result could be seen, or that so many parts do not make."""
    if minimum < LEAST_COHORT:
        raise BadInput(f"the least cohort is {minimum}: it must be at least {LEAST_COHORT}")
    if parts < minimum:
        raise BadInput(
            f"{parts} parts are fewer than the least cohort of {minimum}: cut the work into more parts"
        )


@dataclass(frozen=True, slots=True)
class Session:
    """What all sides of one sum agree on; its :attr:`context` goes into every key, so that no other agreement
    opens.

    Nothing in it is secret, and a retry with other data is a new one.
    """

    id: bytes
    """16 random bytes."""
    aggregators: tuple[bytes, ...]
    """Their public keys, in order."""
    parts: tuple[str, ...]
    """The names of all that may take part, in order: the roster."""
    minimum: int
    """The least number of parts whose sum may be opened."""
    task: bytes
    """The SHA-256 of the function that the sum began with, as it was sent."""
    fraction_bits: int
    """Bits after the point, of what is not a whole number; a noisy sum has those of its noise."""
    noise: NoiseRule | None = None
    """What is clipped and added, if the sum is noisy."""

    def __post_init__(self) -> None:
        if len(self.aggregators) < 2 or len(set(self.aggregators)) < len(self.aggregators):
            raise BadInput("a hidden sum needs two aggregators or more: one alone would see every part")
        check_cohort(self.minimum, len(self.parts))

    @property
    def context(self) -> bytes:
        """32 bytes that two sessions share exactly if all their fields are equal."""
        sides = (self.id, *self.aggregators), self.parts
        fields = *sides, self.minimum, self.task, self.fraction_bits, self.noise
        return crypto.sha256(b"masquerade sum 1" + repr(fields).encode())

    def formats(self) -> tuple[FixedPoint, FixedPoint]:
        """Those of whole numbers and of others: as much range as the number of parts leaves."""
        room = 62 - (len(self.parts) - 1).bit_length()
        return FixedPoint(64, 0, 2.0**room), FixedPoint(
            64, self.fraction_bits, 2.0 ** (room - self.fraction_bits)
        )


@dataclass(frozen=True, slots=True, repr=False)
class Contribution:
    """One part's result in shares: ``boxes`` has one for each aggregator, which nobody else can open."""

    part: int
    attempt: bytes
    boxes: tuple[bytes, ...]


# -- in the worker ---------------------------------------------------------------------------------------


def contribute(f: Callable[..., Any], session: Session, part: int, *arguments: Any) -> Contribution:
    """``f(*arguments)``, computed here, shared out and sealed: nothing else of it leaves this process.

    Raises:
        BadInput: the result is no tree of numbers, or one of them lies outside the range of the sum.
    """
    form, leaves = tree.take_apart(f(*arguments))
    if session.noise is None:
        return seal_shares(session, part, form, encode(session, leaves))
    sides = len(session.parts), len(session.aggregators)
    return seal_shares(session, part, *bounded(session.noise, form, leaves, *sides))


def encode(session: Session, leaves: Sequence[tree.Leaf]) -> Words:
    """All leaves as one vector of words: whole numbers exactly, others rounded to ``fraction_bits``."""
    whole, fixed = session.formats()
    n = len(session.parts)
    words = [np.empty(0, np.uint64)]
    for leaf in leaves:
        words.append(
            (whole if leaf.dtype == np.int64 else fixed).encode(leaf, clients=n).words.view(np.uint64)
        )
    return np.concatenate(words)


def decode(session: Session, form: tree.Form, words: Words) -> list[tree.Leaf]:
    """The inverse of :func:`encode`, for sums of up to as many words as there are parts, noisy or not."""
    read: dict[str, Callable[[Any], tree.Leaf]]
    if session.noise is None:
        whole, fixed = session.formats()
        read = {"int64": whole.decode_integers, "float64": fixed.decode}
    else:
        mechanism = session.noise.mechanism(len(words))
        read = {"float64": lambda piece: mechanism.decode(piece.view(np.int64))}
    leaves = list(form.leaves())
    ends = np.cumsum([math.prod(leaf.shape) for leaf in leaves])
    pieces = np.split(words, ends[:-1]) if leaves else []
    return [read[leaf.dtype](piece).reshape(leaf.shape) for leaf, piece in zip(leaves, pieces, strict=True)]


def seal_shares(session: Session, part: int, form: tree.Form, words: Words) -> Contribution:
    """Shares of ``words``: a 16-byte key to each aggregator but the last, which gets the rest as words."""
    import cloudpickle

    if words.size > MOST_NUMBERS:
        raise BadInput(f"a result of {words.size:,} numbers, where a hidden sum takes {MOST_NUMBERS:,}")
    attempt = crypto.random_bytes(_ATTEMPT_BYTES)
    keys = sharing.share_keys(len(session.aggregators))
    shares = [*keys, sharing.split(words, keys).astype("<u8", copy=False).tobytes()]
    packed = cloudpickle.dumps(form)
    head = form.digest() + words.size.to_bytes(8, "little") + len(packed).to_bytes(8, "little") + packed
    boxes = tuple(
        _seal(public, session.context, _share_info(position, part, attempt), head + share)
        for position, (public, share) in enumerate(zip(session.aggregators, shares, strict=True))
    )
    return Contribution(part, attempt, boxes)


def _share_info(position: int, part: int, attempt: bytes) -> bytes:
    return b"share" + position.to_bytes(4, "big") + part.to_bytes(4, "big") + attempt


def _seal(public: bytes, context: bytes, info: bytes, plaintext: bytes) -> bytes:
    """To the holder of ``public``: X25519 with a fresh key, HKDF, AES-256-GCM; the fresh public key stands
    before."""
    fresh = crypto.Agreement.fresh()
    return fresh.public + crypto.seal_once(fresh.key(public, context, info + fresh.public), plaintext)


def _open(own: crypto.Agreement, context: bytes, info: bytes, box: bytes) -> bytes:
    public = box[:_PUBLIC_BYTES]
    return crypto.open_once(own.key(public, context, info + public), box[_PUBLIC_BYTES:])


# -- in an aggregator ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class _Share:
    """What was in a box."""

    form_id: bytes
    """The digest of the form, and the size: of two results that are added, these are the same."""
    size: int
    form: bytes
    share: bytes


def _read_share(payload: bytes, words: bool, part: int) -> _Share:
    """``payload`` as :func:`seal_shares` wrote it, with the words of a share or with a key for them."""
    size, length = (int.from_bytes(payload[i : i + 8], "little") for i in (32, 40))
    whole = _HEAD_BYTES + length + (8 * size if words else crypto.STREAM_KEY_BYTES)
    if size > MOST_NUMBERS or len(payload) != whole:
        raise ProtocolProblem("a share of another size than it says", client=part)
    end = _HEAD_BYTES + length
    return _Share(payload[:40], size, payload[_HEAD_BYTES:end], payload[end:])


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """What leaves an aggregator: the sum of its shares (uniform words by itself), and who is in it."""

    words: NDArray[np.uint64]
    form: bytes
    """The pickled form of the results."""
    parts: tuple[int, ...]


class ShareAggregator:
    """One holder of shares. It lives in a process of its own; its key is made there and never leaves.

    Its methods raise :class:`ProtocolProblem` for what breaks the rules, and then change nothing.
    """

    def __init__(self) -> None:
        self._own = crypto.Agreement.fresh()
        self._session: Session | None = None
        self._waiting: dict[int, tuple[bytes, _Share]] = {}
        self._settled: dict[int, bytes] = {}
        self._total: NDArray[np.uint64] | None = None
        self._form: tuple[bytes, bytes, int] | None = None  # its digest and size, itself, the part it came in
        self._statements: tuple[bytes, ...] | None = None
        self._is_open = False

    def key(self) -> bytes:
        """Its public key, 32 bytes."""
        return self._own.public

    def begin(self, session: Session) -> None:
        """Fix what the sum is. Once: another session needs other aggregators, with other keys."""
        if self._session is not None:
            raise ProtocolProblem("this aggregator has a session already")
        if self._own.public not in session.aggregators:
            raise ProtocolProblem("this aggregator does not belong to the session")
        if not all(len(key) == _PUBLIC_BYTES and crypto.usable(key) for key in session.aggregators):
            raise ProtocolProblem("an aggregator's key is no usable point: it was made to be broken")
        self._session = session

    def take(self, contribution: Contribution) -> tuple[bytes, int | None]:
        """Open the own share of a part and keep it until it is settled; a later attempt replaces an earlier
        one.

        Returns the attempt, and the part whose result has another form, if one has.
        """
        session = self._running()
        part, attempt = contribution.part, contribution.attempt
        if not 0 <= part < len(session.parts) or len(contribution.boxes) != len(session.aggregators):
            raise ProtocolProblem("a contribution to another sum")
        if part in self._settled:
            if attempt != self._settled[part]:
                raise ProtocolProblem("a part whose result is in already brings another", client=part)
            return attempt, None
        place = session.aggregators.index(self._own.public)
        try:
            info = _share_info(place, part, attempt)
            payload = _open(self._own, session.context, info, contribution.boxes[place])
        except Tampered:
            raise ProtocolProblem(
                "a share that was changed, or sealed for another sum", client=part
            ) from None
        share = _read_share(payload, place == len(session.aggregators) - 1, part)
        if self._form is not None and self._form[0] != share.form_id:
            return attempt, self._form[2]
        self._waiting[part] = attempt, share
        return attempt, None

    def settle(self, part: int, attempt: bytes) -> None:
        """Add the share of a part: all aggregators said that they hold this attempt."""
        session = self._running()
        if self._settled.get(part) == attempt:
            return
        if part not in self._waiting or self._waiting[part][0] != attempt:
            raise ProtocolProblem("an attempt that this aggregator does not hold", client=part)
        share = self._waiting[part][1]
        if self._form is not None and self._form[0] != share.form_id:
            raise ProtocolProblem("a result of another form", client=part)
        if self._total is None:
            self._total = np.zeros(share.size, np.uint64)
        if session.aggregators[-1] == self._own.public:
            self._total += np.frombuffer(share.share, "<u8")
        else:
            sharing.add_masks(self._total, [share.share])
        if self._form is None:
            self._form = share.form_id, share.form, part
        del self._waiting[part]
        self._settled[part] = attempt

    def size(self) -> int:
        """How many numbers the sum has; 0 as long as no part is in."""
        return 0 if self._total is None else len(self._total)

    def statement(self) -> tuple[bytes, ...]:
        """Who is in, sealed to each aggregator under the key that the two share. After this nobody joins.

        Refused if fewer are in than the least cohort; and without all statements nothing is opened.
        """
        session = self._running(still_open=False)
        if len(self._settled) < session.minimum:
            raise ProtocolProblem(
                f"{len(self._settled)} parts are in, and the least cohort is {session.minimum}: "
                "nothing is opened"
            )
        if self._statements is None:
            self._statements = tuple(
                b"" if public == self._own.public else self._state(public, self._own.public)
                for public in session.aggregators
            )
        return self._statements

    def open(self, statements: Sequence[bytes]) -> Opened:
        """The sum of the shares, once, if all others state the same cohort; with noise, if the session has
        any.

        ``statements`` are those of all aggregators to this one, in order.
        """
        session = self._running(still_open=False)
        if self._is_open:
            raise ProtocolProblem("this sum was opened before, and two sums that differ show what differs")
        if self._statements is None or len(statements) != len(session.aggregators):
            raise ProtocolProblem("the aggregators have not all stated who is in")
        for public, statement in zip(session.aggregators, statements, strict=True):
            if public != self._own.public and self._read(public, statement) != self._cohort():
                raise ProtocolProblem("the aggregators do not agree on who is in: nothing is opened")
        assert self._total is not None and self._form is not None  # noqa: S101 - the minimum is at least 2
        self._is_open = True
        total, self._total = self._total, None
        if session.noise is not None:
            total += session.noise.mechanism(len(total)).share(len(total)).view(np.uint64)
        return Opened(total, self._form[1], tuple(sorted(self._settled)))

    def __repr__(self) -> str:
        return f"ShareAggregator({len(self._settled)} parts)"

    def _running(self, *, still_open: bool = True) -> Session:
        if self._session is None:
            raise ProtocolProblem("this aggregator has no session yet")
        if still_open and self._statements is not None:
            raise ProtocolProblem("the aggregators have agreed on who is in: nobody joins any more")
        return self._session

    def _cohort(self) -> bytes:
        """Who is in with which attempt, and with results of which form."""
        digest = self._form[0] if self._form else b""
        return digest + b"".join(
            part.to_bytes(4, "big") + attempt for part, attempt in sorted(self._settled.items())
        )

    def _state(self, to: bytes, sender: bytes) -> bytes:
        return crypto.seal_once(self._between(to, sender, to), self._cohort())

    def _read(self, sender: bytes, statement: bytes) -> bytes:
        try:
            return crypto.open_once(self._between(sender, sender, self._own.public), statement)
        except Tampered:
            raise ProtocolProblem("a statement that was changed, or is another aggregator's") from None

    def _between(self, other: bytes, sender: bytes, receiver: bytes) -> bytes:
        assert self._session is not None  # noqa: S101 - callers have one
        return self._own.key(other, self._session.context, b"who is in" + sender + receiver)

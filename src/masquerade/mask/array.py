"""Masks of bytes and arrays, each with the law that it keeps.

    RandomMask       M = D xor R     unmask(mask(D)) == D bit for bit; M shows the size of D and nothing else
    DifferenceMask   M = D + s       mask(D) - mask(D') == D - D' modulo 2^w; every difference is public
    PrivacyMask      M = p(D)        p is a keyed permutation of D's own domain; equal values stay equal

Keys are derived: from a :class:`~masquerade.keys.Key` the tenant's, from that one for each of the three.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from masquerade import crypto
from masquerade.errors import BadInput, KeyProblem, Tampered
from masquerade.keys import Key
from masquerade.mask.content import Content, Tensor, encoded, flat, plain, room_of, taken, target_of
from masquerade.mask.domain import Codes, Digits, Domain, Integers, Table

__all__ = ["Codes", "Content", "DifferenceMask", "Digits", "Integers", "PrivacyMask", "RandomMask", "Table"]

Bytes: TypeAlias = bytes | bytearray | memoryview

PIECE_BYTES = 1 << 20
"""Data bytes in a piece of a masked message; the last has what is left."""

MAGIC = b"MQARRAY1"
"""What every message begins with."""

_SALT_BYTES = 16
_HEAD_BYTES = len(MAGIC) + 4 + _SALT_BYTES + 4
_LARGEST_CONTENT = 1 << 24


# -- random --------------------------------------------------------------------------------------------


class RandomMask:
    """M = D xor R, where R is a keystream as long as the data, new for every message. Immutable.

    Guarantee: without the key a message shows how many bytes the data and its description have, and the id of
    the root; not dtype, shape or content, nor whether two messages hold the same. With the key, what was
    changed, cut, reordered or made under another key is refused, never given out.
    Threat model: whoever sees and changes messages, and chooses what is masked; not who holds the key.

    How: AES-256-GCM (NIST SP 800-38D), whose ciphertext is D xor an AES-CTR keystream, in numbered pieces of
    1 MiB (see :class:`~masquerade.crypto.Pieces`), under a key derived for this message alone from 128
    random bits. So there is no bound on the number of messages, and memory need not grow with the data.
    A message is 64 bytes and a description longer than its data, and 16 more for each piece.
    """

    def __init__(self, key: Key, tenant: str = "default") -> None:
        self.tenant, self.key_id = tenant, key.id
        self._keys = {
            bytes.fromhex(root.id): root.tenant(tenant).purpose("random mask")
            for root in (*reversed(key.retired), key)
        }

    def __repr__(self) -> str:
        return f"RandomMask(key={self.key_id}, tenant={self.tenant!r})"

    def mask(self, data: Bytes | NDArray[Any] | Tensor, out: Any = None) -> NDArray[np.uint8]:
        """The message for ``data``, as bytes in an array of one dimension.

        ``data`` may be bytes, an array of any shape, order and dtype that holds no Python objects, or a
        dense PyTorch tensor. It is read in place if it is contiguous and in main memory, else copied
        first. ``out``, a buffer of at least :meth:`size` bytes, is written instead of new memory; the used
        part is returned.

        Raises:
            BadInput: an object dtype, a masked array, a sparse or quantized tensor, or ``out`` is too small.
        """
        content, source = taken(data)
        packed, total = content.packed(), self._size(content, len(source))
        message = np.empty(total, np.uint8) if out is None else room_of(out, total)
        _keep_apart(message.data, source)
        view = message.data
        head, pieces = self._begin(len(packed))
        view[: len(head)] = head
        at = len(head) + len(packed) + crypto.TAG_BYTES
        pieces.seal_into(0, False, packed, view[len(head) : at])
        for number, start, end, last in _pieces(len(source)):
            pieces.seal_into(number, last, source[start:end], view[at : at + end - start + crypto.TAG_BYTES])
            at += end - start + crypto.TAG_BYTES
        return message

    def size(self, data: Bytes | NDArray[Any] | Tensor) -> int:
        """How many bytes the message for ``data`` has."""
        content, source = taken(data)
        return self._size(content, len(source))

    def unmask(self, message: Bytes | NDArray[np.uint8], out: Any = None) -> Any:
        """What was masked: bytes, an array in its own dtype, shape and order, or a tensor in main memory.

        ``out`` is written instead of new memory: for bytes a buffer that is large enough, whose used part is
        returned as an array of bytes; else an array or tensor with the same dtype, shape and order.
        If a piece of its data is wrong, ``out`` is filled with zeros; what is refused before leaves it as it
        was.

        Raises:
            BadInput: this is no message of a RandomMask, or ``out`` does not fit.
            KeyProblem: it was masked under a root that the key does not hold.
            Tampered: it was changed or cut, or masked for another tenant.
        """
        view = flat(message, "a message").data
        content, pieces, at = self._opened(view)
        left = len(view) - at
        total = left - crypto.TAG_BYTES * max(1, -(-left // (PIECE_BYTES + crypto.TAG_BYTES)))
        if total < 0:
            raise Tampered("the message ends before its data does: it was cut")
        if left != total + crypto.TAG_BYTES * max(1, -(-total // PIECE_BYTES)):
            raise Tampered("the message has bytes behind its last piece, or lacks some")
        target, result = target_of(content, total, out)
        _keep_apart(target, view)
        try:
            for number, start, end, last in _pieces(total):
                stop = at + end - start + crypto.TAG_BYTES
                pieces.open_into(number, last, view[at:stop], target[start:end])
                at = stop
        except Tampered:
            target[:] = bytes(len(target))
            raise
        return result() if callable(result) else result

    def mask_stream(self, chunks: Iterable[Bytes], content: Content | None = None) -> Iterator[bytes]:
        """The message for data that comes in chunks, however it is cut, in constant memory.

        The data is bytes, unless ``content`` says what else it is.

        Raises:
            BadInput: the packed ``content`` has more than 16 MiB.
        """
        packed = (content or Content()).packed()
        head, pieces = self._begin(len(packed))
        yield head + _sealed(pieces, 0, False, packed)
        for number, (piece, last) in enumerate(_again(chunks, PIECE_BYTES), 1):
            yield _sealed(pieces, number, last, piece)

    def unmask_stream(self, chunks: Iterable[Bytes]) -> tuple[Content, Iterator[bytes]]:
        """The inverse of :meth:`mask_stream`, and for messages of :meth:`mask` too: content, then the data.

        Every piece is authenticated before it is given out; that none is missing at the end is known only
        when the iterator ends without an error, so keep what comes out of it out of use until then.

        Raises:
            BadInput, KeyProblem, Tampered: as :meth:`unmask`; also while iterating.
        """
        incoming = iter(chunks)
        buffer = bytearray()

        def fill(wanted: int) -> bytes:
            while len(buffer) < wanted and (more := next(incoming, None)) is not None:
                buffer.extend(more)
            return bytes(buffer[:wanted])

        length = _content_bytes(fill(_HEAD_BYTES))
        content, pieces, at = self._opened(memoryview(fill(_HEAD_BYTES + length)))
        return content, _open_all(pieces, chain((bytes(buffer[at:]),), incoming))

    def _size(self, content: Content, data_bytes: int) -> int:
        count = max(1, -(-data_bytes // PIECE_BYTES)) + 1
        return _HEAD_BYTES + len(content.packed()) + data_bytes + count * crypto.TAG_BYTES

    def _begin(self, content_bytes: int) -> tuple[bytes, crypto.Pieces]:
        """The head of a new message: magic (8) | key id (4) | salt (16) | length of the content (4)."""
        if content_bytes > _LARGEST_CONTENT:
            raise BadInput("the description of what is masked has more than 16 MiB: mask it in parts")
        head = MAGIC + bytes.fromhex(self.key_id) + crypto.random_bytes(_SALT_BYTES)
        head += content_bytes.to_bytes(4, "big")
        return head, self._pieces_of(head)

    def _pieces_of(self, head: bytes) -> crypto.Pieces:
        key = self._keys.get(head[8:12])
        if key is None:
            held = ", ".join(name.hex() for name in reversed(self._keys))
            raise KeyProblem(f"this was masked under the key {head[8:12].hex()}, and here is {held}")
        return crypto.Pieces(crypto.derive(key, "masquerade random mask", head))

    def _opened(self, message: memoryview) -> tuple[Content, crypto.Pieces, int]:
        """Content, the way to open the rest, and where that begins."""
        length = _content_bytes(bytes(message[:_HEAD_BYTES]))
        end = _HEAD_BYTES + length
        pieces = self._pieces_of(bytes(message[:_HEAD_BYTES]))
        if len(message) < end:
            raise Tampered("the message ends before its data begins: it was cut")
        packed = bytearray(length - crypto.TAG_BYTES)
        pieces.open_into(0, False, message[_HEAD_BYTES:end], packed)
        return Content.unpacked(bytes(packed)), pieces, end


def _keep_apart(out: memoryview, data: memoryview) -> None:
    if len(out) and len(data) and np.may_share_memory(np.frombuffer(out, "u1"), np.frombuffer(data, "u1")):
        raise BadInput("the buffer to write to lies over what is read: give another one")


def _content_bytes(head: bytes) -> int:
    """The length of the sealed content, as the head says it (which the key of the message covers)."""
    if len(head) < _HEAD_BYTES or not head.startswith(MAGIC):
        raise BadInput("this is no message of a RandomMask: it does not begin as one")
    length = int.from_bytes(head[-4:], "big")
    if length > _LARGEST_CONTENT:
        raise Tampered("the head of the message was changed")
    return length + crypto.TAG_BYTES


def _pieces(total: int) -> Iterator[tuple[int, int, int, bool]]:
    """Number, start, end and whether it is the last, for each piece of ``total`` bytes; at least one."""
    for number, start in enumerate(range(0, max(total, 1), PIECE_BYTES), 1):
        yield number, start, min(start + PIECE_BYTES, total), start + PIECE_BYTES >= total


def _sealed(pieces: crypto.Pieces, number: int, last: bool, piece: bytes) -> bytes:
    out = bytearray(len(piece) + crypto.TAG_BYTES)
    pieces.seal_into(number, last, piece, out)
    return bytes(out)


def _open_all(pieces: crypto.Pieces, chunks: Iterable[Bytes]) -> Iterator[bytes]:
    for number, (sealed, last) in enumerate(_again(chunks, PIECE_BYTES + crypto.TAG_BYTES), 1):
        if len(sealed) < crypto.TAG_BYTES:
            raise Tampered("the message ends before its data does: it was cut")
        piece = bytearray(len(sealed) - crypto.TAG_BYTES)
        pieces.open_into(number, last, sealed, piece)
        yield bytes(piece)


def _again(chunks: Iterable[Bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """``chunks`` cut anew into pieces of ``size`` bytes, each with whether it is the last; at least one."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) > size:
            yield bytes(memoryview(buffer)[:size]), False
            del buffer[:size]
    yield bytes(buffer), True


# -- differences ---------------------------------------------------------------------------------------


class DifferenceMask:
    """M = D + s modulo 2^w, one secret s for all values of a subject. Immutable.

    **Every difference and interval within a subject is public**, exactly: that is what this mask is for. So
    are equality, and with it how often each value occurs. One known value of a subject gives all of them.
    What stays hidden is where the values lie: of integers, s is uniform in all 2^w numbers, so a single value
    shows nothing; a date is known up to the bound of its shift, and the time of day of a timestamp stays.

    Threat model: whoever sees the masked values and their subjects, and not the key. Nothing is
    authenticated.

    s is derived by HMAC-SHA-256 from the tenant's key, ``series``, the subject and w. Values whose
    differences are to be kept belong to one ``series``; two series of one subject have nothing in common.
    ``days`` bounds the shift of dates and times: whole days, from -days to days, never zero.

    Raises:
        BadInput: ``days`` is not between 1 and 1,000,000.
    """

    def __init__(self, key: Key, tenant: str = "default", series: str = "", *, days: int = 365) -> None:
        if not 1 <= days <= 1_000_000:
            raise BadInput(f"the bound of a shift is 1 to 1,000,000 days, not {days:,}")
        self.tenant, self.series, self.days, self.key_id = tenant, series, days, key.id
        root = key.tenant(tenant).purpose("difference mask")
        self._secret = crypto.Prf(crypto.derive(root, "masquerade subjects", encoded(series, "a series")))
        self._shares = crypto.derive(root, "masquerade shares", encoded(series, "a series"))

    def __repr__(self) -> str:
        return f"DifferenceMask(key={self.key_id}, tenant={self.tenant!r}, days={self.days})"

    def mask(self, values: NDArray[Any], subject: str | Sequence[str] | NDArray[np.str_]) -> NDArray[Any]:
        """``values`` with each subject's secret added; same dtype and shape.

        Args:
            values: integers of 8 to 64 bits (they wrap around), or datetime64 in days to nanoseconds; NaT
                stays NaT.
            subject: whose they are: one for all, or an array of names that has the shape of ``values``.

        Raises:
            BadInput: another dtype, subjects of another shape, a date that the shift would take out of the
                range of its unit (its row is named), or a unit that does not hold the bound of the shift.
        """
        return self._moved(values, subject, 1)

    def unmask(self, values: NDArray[Any], subject: str | Sequence[str] | NDArray[np.str_]) -> NDArray[Any]:
        """The inverse of :meth:`mask`, under the same key, tenant, series, subjects and bound."""
        return self._moved(values, subject, -1)

    def mask_keeping_sum(self, values: NDArray[Any], axis: int = 0) -> tuple[NDArray[Any], bytes]:
        """Integers with a fresh s for every value; only the sums along ``axis`` are kept, modulo 2^w.

        Of the n values that are summed any n - 1 masked ones are uniform, without the key: they are shares of
        zero added to the values. The second result, a nonce of 16 bytes, is public and is needed to unmask.

        Raises:
            BadInput: another dtype, or fewer than two values along ``axis`` (one would keep itself).
        """
        nonce = crypto.random_bytes(_SALT_BYTES)
        return self._with_shares(values, nonce, axis, 1), nonce

    def unmask_keeping_sum(self, values: NDArray[Any], nonce: bytes, axis: int = 0) -> NDArray[Any]:
        """The inverse of :meth:`mask_keeping_sum`; the whole array, in the same dtype and shape."""
        return self._with_shares(values, nonce, axis, -1)

    def _moved(self, values: NDArray[Any], subject: Any, sign: int) -> NDArray[Any]:
        values = plain(values)
        if values.dtype.kind == "M":
            ticks = _ticks_in_a_day(values.dtype)
            if self.days * ticks > _LONGEST:
                raise BadInput(
                    f"{values.dtype} holds no shift of {self.days:,} days: at most {_LONGEST // ticks:,}"
                )
            names, which = _subjects(subject, values.shape)
            steps = np.array([self._shift(name) for name in names], np.int64)[which]
            return _shifted(values, steps * (sign * ticks))
        word = _word_of(values)
        names, which = _subjects(subject, values.shape)
        secrets = np.array([self._number(name, word.itemsize) for name in names], word)[which]
        return _added(values.astype(word), secrets, sign, values.dtype)

    def _number(self, subject: str, size: int) -> int:
        digest = self._secret.digest(bytes([size]) + encoded(subject, "a subject"))
        return int.from_bytes(digest[:size], "little")

    def _shift(self, subject: str) -> int:
        """Uniform (to 2^-200) among the 2 * days whole days from -days to days without zero."""
        place = int.from_bytes(self._secret.digest(b"\0" + encoded(subject, "a subject")), "little") % (
            2 * self.days
        )
        return place - self.days + (place >= self.days)

    def _with_shares(self, values: NDArray[Any], nonce: bytes, axis: int, sign: int) -> NDArray[Any]:
        values = plain(values)
        word = _word_of(values)
        if not -values.ndim <= axis < values.ndim or values.shape[axis] < 2:
            raise BadInput("a sum needs at least two values along its axis: one alone would keep itself")
        first = np.moveaxis(values, axis, 0)
        shape = (first.shape[0] - 1, *first.shape[1:])
        own = crypto.derive(self._shares, "masquerade zero sum", nonce + bytes([word.itemsize]))
        stream = crypto.keystream(own, math.prod(shape) * word.itemsize)
        shares = np.frombuffer(stream, word.newbyteorder("<")).astype(word).reshape(shape)
        shares = np.concatenate([shares, -shares.sum(axis=0, dtype=word, keepdims=True)])
        return np.moveaxis(_added(first.astype(word), shares, sign, values.dtype), 0, axis)


def _added(words: NDArray[Any], secrets: NDArray[Any], sign: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    moved: NDArray[Any] = np.add(words, secrets) if sign > 0 else np.subtract(words, secrets)
    return np.asarray(moved).astype(dtype)


def _word_of(values: NDArray[Any]) -> np.dtype[Any]:
    """The unsigned dtype in which an array of integers is added to, modulo 2^w."""
    if values.dtype.kind not in "iu":
        raise BadInput(
            f"differences of {values.dtype} cannot be kept exactly by adding a secret: give integers or "
            "datetime64 (for other data there is RandomMask; for fractions, round to integers first)"
        )
    return np.dtype(f"u{values.dtype.itemsize}")


_LONGEST = (1 << 63) - 1
"""Of a shift, in the unit of its dates."""
_NAT = np.datetime64("NaT").view(np.int64)
_TICKS = {
    "D": 1,
    "h": 24,
    "m": 1440,
    "s": 86400,
    "ms": 86400 * 10**3,
    "us": 86400 * 10**6,
    "ns": 86400 * 10**9,
}


def _ticks_in_a_day(dtype: np.dtype[Any]) -> int:
    unit, count = np.datetime_data(dtype)
    if unit not in _TICKS or _TICKS[unit] % count:
        raise BadInput(f"{dtype} cannot be moved by whole days: use a unit from days to nanoseconds")
    return _TICKS[unit] // count


def _subjects(subject: Any, shape: tuple[int, ...]) -> tuple[list[str], Any]:
    """The different subjects, and for each value which of them is its own."""
    # NumPy drops NUL characters at the end: two subjects would become one.
    if isinstance(subject, str | list | tuple) and any(
        isinstance(name, str) and name.endswith("\0") for name in np.ravel(np.array(subject, object))
    ):
        raise BadInput("the name of a subject ends with a NUL character: give it without")
    if isinstance(subject, str):
        return [subject], np.zeros(shape, np.intp)
    named = np.asarray(subject)
    if named.dtype.kind != "U" or named.shape != shape:
        raise BadInput(
            f"subjects are one str, or strings in the shape {shape}; these are {named.dtype}, {named.shape}"
        )
    names, which = np.unique(named, return_inverse=True)
    return names.tolist(), which.reshape(shape)


def _shifted(values: NDArray[Any], steps: NDArray[np.int64]) -> NDArray[Any]:
    ticks = values.astype(values.dtype.newbyteorder("=")).view(np.int64)
    lost = ticks == _NAT
    moved = np.where(lost, ticks, ticks + steps)
    too_high, too_low = (steps > 0) & (moved < ticks), (steps < 0) & ((moved > ticks) | (moved == _NAT))
    outside = ~lost & (too_high | too_low)
    if outside.any():
        raise BadInput(
            f"row {int(outside.reshape(-1).argmax())} lies so near the end of what {values.dtype} holds that "
            "the shift would leave it"
        )
    result: NDArray[Any] = moved.view(values.dtype.newbyteorder("=")).astype(values.dtype)
    return result


# -- forms ---------------------------------------------------------------------------------------------


class PrivacyMask:
    """M = p(D): every value becomes one of its own domain, by a permutation that the key chooses. Immutable.

    The form stays: an integer of the range is one of the range, a card number a card number, a code a code
    of its length. The permutation is **deterministic, so equality shows**: which values are equal, how often
    each occurs, and the same value again next month. Whoever may have chosen values masked knows what they
    become. A value may stay what it is, with the chance that it would have under any permutation.

    Guarantee: under the secrecy of the key, p is indistinguishable from a uniformly chosen permutation (FF1,
    for Integers, Digits and Codes; a shuffle, for Table). Nothing is authenticated: every value of the domain
    unmasks to something.

    ``column`` separates columns: the same value in two of them becomes two unrelated ones. Give tables that
    are to be joined on a column the same name for it.

    Raises:
        BadInput: ``domain`` is none.
    """

    def __init__(self, key: Key, domain: Domain, *, tenant: str = "default", column: str = "") -> None:
        if isinstance(domain, type) or not hasattr(domain, "permute"):
            raise BadInput("a domain is one of Integers(low, high), Digits(), Codes(alphabet), Table(values)")
        self.domain, self.tenant, self.column, self.key_id = domain, tenant, column, key.id
        self._key = key.tenant(tenant).purpose("privacy mask")

    def __repr__(self) -> str:
        return f"PrivacyMask(key={self.key_id}, {self.domain!r}, column={self.column!r})"

    def mask(self, values: ArrayLike) -> Any:
        """Each value by its image: an array of the same dtype and shape; of one value, a scalar.

        Args:
            values: an array of the domain's dtype, or a list or single value that becomes one.

        Raises:
            BadInput: a value is not in the domain; its row is named (counted from 0, in C order).
        """
        return self._permuted(values, forward=True)

    def unmask(self, values: ArrayLike) -> Any:
        """The inverse of :meth:`mask`, under the same key, tenant, column and domain."""
        return self._permuted(values, forward=False)

    def _permuted(self, values: ArrayLike, *, forward: bool) -> Any:
        array = plain(values)
        if array.dtype.hasobject:
            raise BadInput(
                "an array of Python objects has no form to keep: use astype(str), or an integer dtype"
            )
        return self.domain.permute(self._key, self.column, array, forward)[()]

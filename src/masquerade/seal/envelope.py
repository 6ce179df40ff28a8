"""A package: a signed header that says who may open it, then the payload in pieces, each with its digest.

    prelude   magic (8) | length of the header (4) | signer (32) | signature (64)
    header    who may open it, what it holds, and the digest of all digests; its inner part is sealed
    payload   the files one after another and padding, in pieces: STREAM with AES-256-GCM
    digests   BLAKE3 of each sealed piece (32 each)

The signature covers the header, the header the digests, and each digest its piece: nothing is read before it
is verified, and no piece is used before its digest and its tag are right. So one recipient cannot change what
another gets either, though both know the file key. Memory does not grow with the payload, but for 32 bytes a
piece. docs/spec/seal.md says it byte by byte.
"""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn, Protocol

from masquerade import crypto
from masquerade.crypto import TAG_BYTES, Kem
from masquerade.errors import BadInput, KeyProblem, Tampered
from masquerade.keys import Identity
from masquerade.seal.manifest import Manifest, Member, Paid, Public
from masquerade.seal.recipient import Recipient

MAGIC = b"mqseal1\n"
PIECE_BYTES = 1 << 20
MOST_HEADER = 4 << 20
MOST_RECIPIENTS = 64
MOST_PIECES = 1 << 20

_PRELUDE = struct.Struct("<8sI32s64s")
_SIGNED_FROM = b"masquerade seal header 1"
_SMALLEST, _LARGEST = 10, 20
_DIGEST_BYTES = 32
_LEAST = 256
_SLIP = "this package breaks off, or was changed: its parts do not fit together"

Progress = Callable[[int], object]


class Out(Protocol):
    """What a package is written to: a file open to write, or the like."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Write all of ``data``."""

    def seek(self, offset: int, /) -> object:
        """Go to ``offset``."""


class In(Protocol):
    """What is sealed, and what a package is read from: a file open to read, or the like."""

    def readinto(self, buffer: bytearray | memoryview, /) -> int | None:
        """Read some bytes into ``buffer``; 0 at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to ``offset``, which counts from the end where ``whence`` is 2; returns where that is."""

    def close(self) -> object:
        """Let go of it."""


class Entry(NamedTuple):
    """A file to be sealed: ``open`` is called when its turn comes."""

    name: str
    size: int
    open: Callable[[], In]


@dataclass(frozen=True, slots=True)
class Cover:
    """What anyone can read of a package, after its signature was verified.

    That ``signer`` is who it should be, only a comparison can say.
    """

    signer: str
    """64 hexadecimal digits."""
    recipients: tuple[str, ...]
    """Identities, 64 hexadecimal digits each."""
    public: Public
    payload: int
    """Bytes of the payload, padding included."""
    id: str
    """The fingerprint of the header: of two packages never the same."""


def _seen(done: int) -> None:
    """Nobody watches."""


# Sealing ------------------------------------------------------------------------------------------------


def seal(
    out: Out,
    entries: Sequence[Entry],
    recipients: Iterable[Recipient],
    identity: Identity,
    *,
    sequence: int,
    series: str = "",
    title: str = "",
    card: str = "",
    configuration: str = "",
    ledger: Iterable[Paid] = (),
    folders: Iterable[str] = (),
    piece_bytes: int = PIECE_BYTES,
    progress: Progress = _seen,
) -> Cover:
    """Write a package of ``entries`` to ``out``, for ``recipients`` alone, signed by ``identity``.

    ``title`` and the budgets of ``ledger`` stand open; all other texts and the names are sealed. The header
    is written last, at offset 0: what breaks off is no package. ``progress`` is told the bytes of each step.

    Raises:
        BadInput: a name that is refused, an entry that has not as many bytes as it should, or too much of
            something.
        KeyProblem: no recipient, too many, or one twice; or its key cannot be used.
    """
    manifest = Manifest(
        tuple(Member(entry.name, entry.size) for entry in entries),
        tuple(folders), series, card, configuration, tuple(ledger),
    )  # fmt: skip
    public = Public(sequence, title, manifest.budget)
    manifest.check()
    public.check()
    size = room(manifest.size)
    if piece_bytes not in (1 << n for n in range(_SMALLEST, _LARGEST + 1)):
        raise BadInput("a piece has 2**10 to 2**20 bytes")
    if _pieces(size, piece_bytes) > MOST_PIECES:
        raise BadInput(f"a package holds at most {MOST_PIECES * piece_bytes:,} bytes")
    file_key = crypto.random_bytes(crypto.KEY_BYTES)
    head = _head(list(recipients), identity.signer.public, file_key, piece_bytes)
    tail = _tail(public, manifest, file_key)
    length = len(head) + 8 + _DIGEST_BYTES + len(tail)
    if length > MOST_HEADER:
        raise BadInput(f"names and texts of this package take {length:,} bytes, over {MOST_HEADER:,}")
    out.write(bytes(_PRELUDE.size + length))
    digests = _write_payload(out, entries, size, piece_bytes, file_key, progress)
    out.write(digests)
    header = head + size.to_bytes(8, "little") + crypto.blake3(digests) + tail
    signer = identity.signer.public
    out.seek(0)
    out.write(_PRELUDE.pack(MAGIC, length, signer, identity.signer.sign(_signed(signer, header))) + header)
    return _read_header(signer, header).cover


def _head(recipients: list[Recipient], signer: bytes, file_key: bytes, piece_bytes: int) -> bytes:
    if not 0 < len(recipients) <= MOST_RECIPIENTS:
        raise KeyProblem(f"a package is for 1 to {MOST_RECIPIENTS} recipients")
    if len({recipient.identity for recipient in recipients}) < len(recipients):
        raise KeyProblem("a recipient is named twice")
    head = bytes([piece_bytes.bit_length() - 1, len(recipients)])
    for recipient in recipients:
        info = _info(recipient.identity, signer)
        try:
            sent = crypto.send(recipient.kem, recipient.key, file_key, info)
        except Tampered as problem:
            raise KeyProblem(f"{recipient.identity.hex()}: {problem}") from None
        head += recipient.kem.to_bytes(2, "big") + recipient.identity + sent
    return head + _commitment(file_key)


def _tail(public: Public, manifest: Manifest, file_key: bytes) -> bytes:
    shown, hidden = public.encode(), manifest.encode()
    hidden = hidden.ljust(room(len(hidden)), b"\0")
    sealed = crypto.seal_once(crypto.derive(file_key, "masquerade seal manifest"), hidden)
    return len(shown).to_bytes(4, "little") + shown + len(sealed).to_bytes(4, "little") + sealed


def _write_payload(
    out: Out, entries: Sequence[Entry], size: int, piece_bytes: int, file_key: bytes, progress: Progress
) -> bytes:
    """All pieces, sealed; returns their digests."""
    pieces = crypto.Pieces(crypto.derive(file_key, "masquerade seal payload"))
    plain = memoryview(bytearray(min(piece_bytes, size)))
    sealed = memoryview(bytearray(len(plain) + TAG_BYTES))
    count = _pieces(size, piece_bytes)
    digests = bytearray()
    with contextlib.closing(_Joined(entries)) as source:
        for number in range(count):
            n = min(piece_bytes, size - number * piece_bytes)
            source.fill(plain[:n])
            whole = sealed[: n + TAG_BYTES]
            pieces.seal_into(number, number == count - 1, plain[:n], whole)
            digests += crypto.blake3(whole)
            out.write(whole)
            progress(n)
        source.end()
    return bytes(digests)


class _Joined:
    """The bytes of all entries, one after the other, and zeros behind the last."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = enumerate(entries, 1)
        self._file: In | None = None
        self._left = self._number = 0

    def fill(self, buffer: memoryview) -> None:
        """The next bytes, as many as ``buffer`` has."""
        while buffer:
            if self._left:
                n = self._file.readinto(buffer[: self._left]) if self._file else 0
                if not n:
                    raise self._changed()
                self._left -= n
                buffer = buffer[n:]
            elif not self._next():
                buffer[:] = bytes(len(buffer))
                return

    def end(self) -> None:
        """See that nothing is left."""
        while self._next():
            pass

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def _next(self) -> bool:
        if self._file is not None and self._file.readinto(bytearray(1)):
            raise self._changed()
        self.close()
        number, entry = next(self._entries, (0, None))
        if entry is None:
            return False
        self._number, self._left, self._file = number, entry.size, entry.open()
        return True

    def _changed(self) -> BadInput:
        return BadInput(f"file {self._number} to be sealed changed its size meanwhile: try again")


def _pieces(size: int, piece_bytes: int) -> int:
    return -(-size // piece_bytes)


def room(size: int) -> int:
    """What ``size`` bytes are padded to, so that it tells little: 256 at least, then Padmé (Nikitin et al.,
    2019), which adds 12 % at most."""
    size = max(size, _LEAST)
    exponent = size.bit_length() - 1
    low = (1 << (exponent - exponent.bit_length())) - 1
    return (size + low) & ~low


def _info(recipient: bytes, signer: bytes) -> bytes:
    return b"masquerade seal file key 1" + signer + recipient


def _signed(signer: bytes, header: bytes) -> bytes:
    return _SIGNED_FROM + signer + header


def _commitment(file_key: bytes) -> bytes:
    """By which the file key is the same for all recipients: two keys could open one payload as two things."""
    return crypto.derive(file_key, "masquerade seal commitment")


# Opening ------------------------------------------------------------------------------------------------


def inspect(file: In) -> Cover:
    """What anyone can read of a package. Its signature is verified; who should have signed is not known here.

    Raises:
        BadInput: this is no package, or one that is not as the format demands.
        Tampered: its header was changed, or it is not as long as it says.
    """
    return _open_header(file, None).cover


def open(file: In, identity: Identity, signer: str | None) -> Package:
    """A package, to read from: header, names and digests are verified now, the payload as it is read.

    ``signer``: the identity, 64 hexadecimal digits, that must have signed it. With None anyone may have: good
    for a look at the manifest, and for nothing else.

    Raises:
        BadInput: this is no package, or one that is not as the format demands, names included.
        KeyProblem: another one has signed it, or it is sealed to others.
        Tampered: it was changed, cut, or grew.
    """
    header = _open_header(file, signer)
    file_key = _file_key(header, identity)
    manifest = _manifest(header, file_key)
    file.seek(header.payload_at + header.size + header.pieces * TAG_BYTES)
    digests = _read(file, header.pieces * _DIGEST_BYTES)
    if not crypto.same(crypto.blake3(digests), header.digest):
        raise Tampered("this package's list of digests was changed")
    return Package(file, header, manifest, digests, file_key)


class Package:
    """An opened package. Every byte that it gives was verified; a piece that does not verify is refused
    before any byte of it is given. One thread at a time."""

    def __init__(
        self, file: In, header: _Header, manifest: Manifest, digests: bytes, file_key: bytes
    ) -> None:
        self.cover, self.manifest = header.cover, manifest
        self._file, self._header, self._digests = file, header, digests
        self._pieces = crypto.Pieces(crypto.derive(file_key, "masquerade seal payload"))
        self._plain = memoryview(bytearray(min(header.piece_bytes, header.size)))
        self._sealed = memoryview(bytearray(len(self._plain) + TAG_BYTES))
        self._held: tuple[int, memoryview] | None = None
        ends = itertools.accumulate((member.size for member in manifest.members), initial=0)
        self._starts = {member.name: at for member, at in zip(manifest.members, ends, strict=False)}
        self._sizes = dict(manifest.members)

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """Bytes of the file ``name``, from ``start`` on; ``size`` None: to its end. Only the pieces that they
        lie in are opened.

        Raises:
            BadInput: there is no such file, or it has no such bytes.
            Tampered: a piece was changed.
        """
        return b"".join(bytes(part) for part in self.parts(name, start, size))

    def parts(self, name: str, start: int = 0, size: int | None = None) -> Iterator[memoryview]:
        """As :meth:`read`, in parts; each is good until the next is asked for."""
        whole = self._sizes.get(name)
        if whole is None:
            raise BadInput("there is no such file in the package")
        size = whole - start if size is None else size
        if start < 0 or size < 0 or start + size > whole:
            raise BadInput(f"these bytes are not in the file, which has {whole:,}")
        return self._range(self._starts[name] + start, size)

    def finish(self) -> None:
        """Verify what lies behind the last file, which is zeros and says nothing."""
        at = self.manifest.size
        for part in self._range(at, self._header.size - at):
            if part != bytes(len(part)):
                raise BadInput("this package has something behind its last file")

    def _range(self, at: int, size: int) -> Iterator[memoryview]:
        while size:
            number, offset = divmod(at, self._header.piece_bytes)
            part = self._piece(number)[offset : offset + size]
            yield part
            at, size = at + len(part), size - len(part)

    def _piece(self, number: int) -> memoryview:
        if self._held is not None and self._held[0] == number:
            return self._held[1]
        self._held = None
        header = self._header
        n = min(header.piece_bytes, header.size - number * header.piece_bytes)
        sealed, plain = self._sealed[: n + TAG_BYTES], self._plain[:n]
        self._file.seek(header.payload_at + number * (header.piece_bytes + TAG_BYTES))
        _fill(self._file, sealed)
        digest = self._digests[number * _DIGEST_BYTES : (number + 1) * _DIGEST_BYTES]
        if not crypto.same(crypto.blake3(sealed), digest):
            raise Tampered(f"piece {number + 1} of {header.pieces} of this package was changed")
        self._pieces.open_into(number, number == header.pieces - 1, sealed, plain)
        self._held = number, plain
        return plain

    def __repr__(self) -> str:
        return f"Package({self.cover.id}, {len(self.manifest.members)} files)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Package is not pickled: it holds a key")


class _Stanza(NamedTuple):
    """The file key for one recipient."""

    kem: Kem
    identity: bytes
    sent: bytes


class _Header(NamedTuple):
    signer: bytes
    stanzas: tuple[_Stanza, ...]
    commitment: bytes
    size: int
    piece_bytes: int
    digest: bytes
    sealed: bytes
    payload_at: int
    cover: Cover

    @property
    def pieces(self) -> int:
        return _pieces(self.size, self.piece_bytes)

    @property
    def whole(self) -> int:
        """How long the package is."""
        return self.payload_at + self.size + self.pieces * (TAG_BYTES + _DIGEST_BYTES)


def _open_header(file: In, signer: str | None) -> _Header:
    """The header, read once its signature is verified; and the package is exactly as long as it says."""
    length = file.seek(0, 2)
    file.seek(0)
    if length < _PRELUDE.size:
        raise BadInput("this is no package: it is too short")
    magic, size, public, signature = _PRELUDE.unpack(_read(file, _PRELUDE.size))
    if magic != MAGIC:
        raise BadInput("this is no package, or one of a newer version")
    if size > MOST_HEADER:
        raise BadInput(f"this package has a header of {size:,} bytes, where at most {MOST_HEADER:,} belong")
    if signer is not None and public.hex() != signer:
        raise KeyProblem(f"this package says that {public.hex()} signed it, and not {signer}")
    if size > length - _PRELUDE.size:
        raise Tampered(_SLIP)
    header = _read(file, size)
    if not crypto.signed_by(public, signature, _signed(public, header)):
        raise Tampered("this package's header was changed: its signature does not match")
    found = _read_header(public, header)
    if found.whole != length:
        raise Tampered(_SLIP)
    return found


def _read_header(signer: bytes, header: bytes) -> _Header:
    """A header whose signature is that of ``signer``."""
    at = _Cursor(header)
    exponent, count = at.take(2)
    if not (_SMALLEST <= exponent <= _LARGEST and 0 < count <= MOST_RECIPIENTS):
        raise BadInput(_Cursor.SLIP)
    stanzas = tuple(_read_stanza(at) for _ in range(count))
    if len({stanza.identity for stanza in stanzas}) < count:
        raise BadInput(_Cursor.SLIP)
    commitment = at.take(32)
    size = int.from_bytes(at.take(8), "little")
    if room(size) != size or _pieces(size, 1 << exponent) > MOST_PIECES:
        raise BadInput(_Cursor.SLIP)
    digest = at.take(_DIGEST_BYTES)
    public = Public.decode(at.take_counted())
    public.check()
    sealed = at.take_counted()
    at.end()
    recipients = tuple(stanza.identity.hex() for stanza in stanzas)
    cover = Cover(signer.hex(), recipients, public, size, crypto.sha256(header).hex()[:32])
    return _Header(
        signer, stanzas, commitment, size, 1 << exponent, digest, sealed, _PRELUDE.size + len(header), cover
    )


def _read_stanza(at: _Cursor) -> _Stanza:
    try:
        kem = Kem(int.from_bytes(at.take(2), "big"))
    except ValueError:
        raise BadInput("this package is sealed to a key of a newer kind") from None
    return _Stanza(kem, at.take(32), at.take(crypto.KEY_BYTES + kem.added))


def _file_key(header: _Header, identity: Identity) -> bytes:
    own = identity.signer.public
    for stanza in header.stanzas:
        if stanza.identity == own:
            file_key = identity.receiver.open(stanza.kem, stanza.sent, _info(own, header.signer))
            if not crypto.same(_commitment(file_key), header.commitment):
                raise Tampered("this package gives its recipients different keys: it was made to deceive")
            return file_key
    raise KeyProblem(f"this package is not sealed to {own.hex()}, but to others")


def _manifest(header: _Header, file_key: bytes) -> Manifest:
    hidden = crypto.open_once(crypto.derive(file_key, "masquerade seal manifest"), header.sealed)
    told = hidden.rstrip(b"\0")
    if len(hidden) != room(len(told)):
        raise BadInput(_Cursor.SLIP)
    manifest = Manifest.decode(told)
    manifest.check()
    if room(manifest.size) != header.size or manifest.budget != header.cover.public.budget:
        raise BadInput("this package shows another size or budget than its ledger and files have")
    return manifest


class _Cursor:
    """Reads a header from its beginning to its end."""

    SLIP = "this package's header is not written as the format demands"

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, n: int) -> bytes:
        part = self._data[self._at : self._at + n]
        self._at += n
        if len(part) != n:
            raise BadInput(self.SLIP)
        return part

    def take_counted(self) -> bytes:
        return self.take(int.from_bytes(self.take(4), "little"))

    def end(self) -> None:
        if self._at != len(self._data):
            raise BadInput(self.SLIP)


def _read(file: In, size: int) -> bytes:
    buffer = bytearray(size)
    _fill(file, memoryview(buffer))
    return bytes(buffer)


def _fill(file: In, buffer: memoryview) -> None:
    while buffer:
        n = file.readinto(buffer)
        if not n:
            raise Tampered(_SLIP)
        buffer = buffer[n:]

"""A sealed package: a signed head, a payload in authenticated pieces, a signature of the payload.

    "MQSEAL1\\n" | signer (32) | length (4, big-endian) | head | signature (64)
    pieces of 1 MiB, each with its tag (16)
    signature (64)

    head       the manifest (:mod:`masquerade.seal.manifest`)
    file key   32 random bytes, encapsulated for each recipient (:class:`masquerade.crypto.Capsules`)
    pieces     STREAM with AES-256-GCM (:class:`masquerade.crypto.Pieces`), under a key derived from the file
    key
               and all that stands before them
    signatures Ed25519: of all that stands before the first; of that and BLAKE3 of the pieces at the end

Memory is two pieces, whatever the size. Docs/spec/seal.md writes it down for strangers.

Against whom: whoever has no recipient's identity learns the manifest, the size, and nothing of what is
inside. Whoever has not the signer's identity can make or change nothing that :meth:`Sealed.open` accepts,
recipients included: each byte is under a signature, and is refused before its piece is given out, or, if a
recipient changed it, before the last is. A package says nothing of when it was made; a replayed older one is
told by its number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from masquerade import crypto
from masquerade.errors import BadInput, KeyProblem, Tampered
from masquerade.keys import Identity, Recipient
from masquerade.seal.manifest import MOST_HEADER, Manifest, Member, Wrapped, pack_members, unpack_members

MAGIC = b"MQSEAL1\n"
PIECE_BYTES = 1 << 20
_SIGNATURE_BYTES = 64
_SEALED_BYTES = PIECE_BYTES + crypto.TAG_BYTES


class Reads(Protocol):
    """What members and packages are read from: a file of bytes. It may give fewer than asked for, and none at
    its end."""

    def read(self, size: int = ..., /) -> bytes: ...


class Seeks(Reads, Protocol):
    """One in which any place can be read."""

    def seek(self, offset: int, /) -> int: ...


# -- sealing ---------------------------------------------------------------------------------------------


def seal(
    members: Sequence[tuple[Member, Reads]],
    *,
    to: Sequence[Recipient],
    sign: Identity,
    name: str,
    number: int,
    about: Mapping[str, Any] | None = None,
) -> Iterator[bytes | memoryview]:
    """The package, piece by piece; a piece is valid until the next is asked for.

    Args:
        members: what goes inside: name and size, and where it is read, one after the other.
        to: who can open it. The signer is no recipient unless listed.
        about: public, and signed.

    Raises:
        BadInput: a name is not usable everywhere, nobody is to open it, or a member is not of its size.
    """
    file_key = crypto.random_bytes(crypto.KEY_BYTES)
    info = _info(sign.signer.public)
    manifest = Manifest(
        name,
        number,
        tuple(Wrapped(each.id, crypto.encapsulate(each.capsules, file_key, info)) for each in to),
        sum(member.size for member, _ in members),
        crypto.seal_once(
            crypto.derive(file_key, "masquerade seal index"), pack_members(m for m, _ in members)
        ),
        about or {},
    )
    encoded = manifest.encoded()
    head = MAGIC + sign.signer.public + len(encoded).to_bytes(4, "big") + encoded
    yield head + sign.signer.sign(_of_head(head))
    digest, pieces = crypto.Digest(), _pieces(file_key, head)
    plain, sealed = memoryview(bytearray(PIECE_BYTES)), memoryview(bytearray(_SEALED_BYTES))
    for place, filled, last in _filled(members, plain, manifest.payload):
        out = sealed[: filled + crypto.TAG_BYTES]
        pieces.seal_into(place, last, plain[:filled], out)
        digest.update(out)
        yield out
    yield sign.signer.sign(_of_payload(head, digest))


def _filled(
    members: Iterable[tuple[Member, Reads]], piece: memoryview, total: int
) -> Iterator[tuple[int, int, bool]]:
    """Fill ``piece`` again and again from the members: its number, how much is in it, whether it is the
    last."""
    place = filled = done = 0
    for number, (member, source) in enumerate(members, 1):
        left = member.size
        while left:
            some = source.read(min(left, PIECE_BYTES - filled))
            if not some:
                raise BadInput(f"file {number} became shorter while it was sealed")
            piece[filled : filled + len(some)] = some
            filled, left, done = filled + len(some), left - len(some), done + len(some)
            if filled == PIECE_BYTES and done < total:
                yield place, filled, False
                place, filled = place + 1, 0
        if source.read(1):
            raise BadInput(f"file {number} became longer while it was sealed")
    yield place, filled, True


def _pieces(file_key: bytes, head: bytes) -> crypto.Pieces:
    return crypto.Pieces(crypto.derive(file_key, "masquerade seal payload", crypto.sha256(head)))


def _info(signer: bytes) -> bytes:
    return b"masquerade seal file key" + signer


def _of_head(head: bytes) -> bytes:
    return b"masquerade seal head" + crypto.sha256(head)


def _of_payload(head: bytes, digest: crypto.Digest) -> bytes:
    return b"masquerade seal payload" + crypto.sha256(head) + digest.digest()


# -- opening ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sealed:
    """A package whose head was read, and carries the signature of the key it names; nothing is open yet."""

    manifest: Manifest
    signer: bytes
    """The Ed25519 key that signed it. Whose it is, is for the reader to know."""
    head: bytes
    """As it stands in the file, up to its signature."""

    @property
    def start(self) -> int:
        """Where the payload begins in the file."""
        return len(self.head) + _SIGNATURE_BYTES

    @classmethod
    def read(cls, file: Reads) -> Sealed:
        """Read the head, of at most 1 MiB, and check its signature before anything in it is parsed.

        Raises:
            BadInput: this is no sealed package.
            Tampered: its head was changed or cut.
        """
        begin = _exactly(file, len(MAGIC) + 32 + 4)
        if not begin.startswith(MAGIC):
            raise BadInput("this is no sealed package: it does not begin as one")
        signer, length = begin[len(MAGIC) : -4], int.from_bytes(begin[-4:], "big")
        if length > MOST_HEADER:
            raise Tampered("the head of this package says that it is larger than any is")
        head = begin + _exactly(file, length)
        if not crypto.signed_by(signer, _exactly(file, _SIGNATURE_BYTES), _of_head(head)):
            raise Tampered("the head of this package does not carry its signer's signature: it was changed")
        return cls(Manifest.decoded(head[len(begin) :]), signer, head)

    def open(self, identity: Identity, signer: Recipient) -> Opened:
        """The way inside, for one of its recipients who knows from whom it must be.

        Raises:
            KeyProblem: it is not for this identity, or somebody else signed it.
            Tampered: its keys or its table of files are damaged.
            BadInput: a file inside has a name that is not usable everywhere.
        """
        if self.signer != signer.signing:
            raise KeyProblem(f"this package is not signed by {signer.id}: somebody else made it")
        own = identity.recipient.id
        capsule = next((each.capsule for each in self.manifest.recipients if each.recipient == own), None)
        if capsule is None:
            raise KeyProblem(f"this package is not for {own}: it was sealed for others")
        file_key = identity.capsules.open(capsule, _info(self.signer))
        index = crypto.open_once(crypto.derive(file_key, "masquerade seal index"), self.manifest.index)
        return Opened(self, unpack_members(index, self.manifest.payload), _pieces(file_key, self.head))


class Opened:
    """The files inside. ``repr`` shows how many."""

    def __init__(self, sealed: Sealed, members: tuple[Member, ...], pieces: crypto.Pieces) -> None:
        self.members = members
        self._sealed, self._pieces = sealed, pieces
        self._payload = sealed.manifest.payload

    def __repr__(self) -> str:
        return f"Opened({len(self.members)} files)"

    def chunks(self, file: Reads) -> Iterator[tuple[Member, memoryview]]:
        """All files, one after the other, in pieces that are valid until the next is asked for; an empty file
        has one empty piece. ``file`` stands where :meth:`Sealed.read` left it.

        Each piece was authenticated before it is given out; that none is missing, and that the signer signed
        them, is known when the iterator ends without an error: keep what came out of it out of use until
        then.

        Raises:
            Tampered: the payload was changed, cut, or goes on behind its end.
        """
        pieces, rest = self._plain(file), memoryview(b"")
        for member in self.members:
            left = member.size
            if not left:
                yield member, memoryview(b"")
            while left:
                rest = rest or next(pieces)
                part, rest = rest[:left], rest[left:]
                left -= len(part)
                yield member, part
        for _ in pieces:  # the piece of a payload that is empty, and what is checked at the end
            pass

    def _plain(self, file: Reads) -> Iterator[memoryview]:
        digest = crypto.Digest()
        plain = memoryview(bytearray(PIECE_BYTES))
        for place in range(self._last + 1):
            size = self._size(place)
            piece = _exactly(file, size + crypto.TAG_BYTES)
            digest.update(piece)
            self._pieces.open_into(place, place == self._last, piece, plain[:size])
            yield plain[:size]
        signature = _exactly(file, _SIGNATURE_BYTES)
        if not crypto.signed_by(self._sealed.signer, signature, _of_payload(self._sealed.head, digest)):
            raise Tampered(
                "the payload of this package does not carry its signer's signature: it was changed"
            )
        if file.read(1):
            raise Tampered("this package goes on behind its end")

    def range(self, file: Seeks, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """Bytes ``start`` to ``stop`` of one file, of which only the pieces that hold them are read and
        opened.

        They are those that were sealed under this head by whoever had its key: the signer, unless a recipient
        of the package changed them, which only :meth:`chunks` can tell.

        Raises:
            BadInput: there is no such file, or no such range.
            Tampered: a piece was changed.
        """
        at = 0
        for member in self.members:
            if member.name == name:
                break
            at += member.size
        else:
            raise BadInput("there is no file of this name inside")
        stop = member.size if stop is None else stop
        if not 0 <= start <= stop <= member.size:
            raise BadInput(f"the file has bytes 0 to {member.size:,}")
        begin, end, out = at + start, at + stop, bytearray()
        for place in range(begin // PIECE_BYTES, -(-end // PIECE_BYTES) if end > begin else 0):
            size, first = self._size(place), place * PIECE_BYTES
            plain = memoryview(bytearray(size))
            file.seek(self._sealed.start + place * _SEALED_BYTES)
            sealed = _exactly(file, size + crypto.TAG_BYTES)
            self._pieces.open_into(place, place == self._last, sealed, plain)
            out += plain[max(begin - first, 0) : min(end - first, size)]
        return bytes(out)

    @property
    def _last(self) -> int:
        """The number of the last piece; there is one at least."""
        return max(0, -(-self._payload // PIECE_BYTES) - 1)

    def _size(self, place: int) -> int:
        return min(PIECE_BYTES, self._payload - place * PIECE_BYTES)


def _exactly(file: Reads, size: int) -> bytes:
    data = file.read(size)
    while len(data) < size:
        more = file.read(size - len(data))
        if not more:
            raise Tampered("this package ends before its end: it was cut")
        data += more
    return data

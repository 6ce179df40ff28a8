"""Every call into a cryptographic library, and every random byte, comes from this file.

Nothing here keeps state between calls except the two hash states inside a ``Prf``, and the key schedules
inside ``Pieces`` and ``Blocks``.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Any, TypeAlias

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from masquerade.errors import Tampered

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Where bytes may lie; those that are written to are a bytearray, or a memoryview of something writable."""

KEY_BYTES = 32
"""Length of every symmetric key, in bytes (256 bits)."""

TAG_BYTES = 16
"""What :class:`Pieces` adds to each piece, in bytes."""

STREAM_KEY_BYTES = 16
"""Length of the key of a :class:`Keystream`, in bytes (128 bits)."""

STREAM_PIECE = 1 << 18
"""Bytes of keystream made at a time: what stays in a core's own cache while it is used."""

_ZEROS = bytes(STREAM_PIECE)
_NONCE_BYTES = 12
_BLOCK_BYTES = 64


def random_bytes(n: int) -> bytes:
    """``n`` bytes from the operating system's generator."""
    return secrets.token_bytes(n)


def derive(key: bytes, label: str, context: bytes = b"") -> bytes:
    """A 32-byte key for one purpose: HKDF-Expand with SHA-256 (RFC 5869, section 2.3).

    ``key`` must already be uniform (a generated key, or the result of another ``derive``), which is the
    condition under which section 3.3 allows the extract step to be skipped. The info string is the length
    of ``label``, ``label`` and ``context``, so no two pairs share one.
    """
    name = label.encode()
    info = len(name).to_bytes(2, "big") + name + context
    return HKDFExpand(SHA256(), KEY_BYTES, info).derive(key)


class Prf:
    """HMAC-SHA-256 (RFC 2104) under one key, for many short messages.

    The two padded key blocks are hashed once and their states copied for each message, which costs a
    third of a one-shot call. Under the secrecy of ``key`` the outputs are indistinguishable from random.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a Prf key is {KEY_BYTES} bytes, not {len(key)}")
        block = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(b ^ 0x36 for b in block))
        self._outer = hashlib.sha256(bytes(b ^ 0x5C for b in block))

    def digest(self, message: bytes) -> bytes:
        """The 32-byte HMAC of ``message``."""
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    @property
    def states(self) -> tuple[Any, ...]:
        """The two states and what is done with them, for native code that takes :meth:`digest` many times."""
        kind = type(self._inner)
        return self._inner, self._outer, kind.copy, kind.update, kind.digest


def seal(key: bytes, plaintext: bytes, bound_to: bytes = b"") -> bytes:
    """AES-256-GCM (NIST SP 800-38D) under a fresh random nonce: nonce (12) | ciphertext | tag (16).

    ``bound_to`` is authenticated and not stored: the same bytes must be given to ``open_sealed``. One key
    may seal 2**32 messages (section 8.3).
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, bound_to)


def open_sealed(key: bytes, sealed: bytes, bound_to: bytes = b"") -> bytes:
    """The inverse of :func:`seal`: ``open_sealed(k, seal(k, x, b), b) == x``.

    Raises:
        Tampered: a byte was changed, cut off, or sealed under another key or another ``bound_to``.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError):
        raise Tampered("sealed data did not authenticate: it was changed, or this is the wrong key") from None


class Pieces:
    """One message in numbered pieces: AES-256-GCM, its nonce the number and whether this is the last.

    This is STREAM (Hoang, Reyhanitabar, Rogaway and Vizar, CRYPTO 2015, section 7) with an 11-byte counter: a
    piece that was changed, left out, repeated, moved or cut off is refused. ``key`` must be used for one
    message only, since the nonces of every message are the same.
    """

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal_into(self, number: int, last: bool, piece: Buffer, out: Buffer) -> None:
        """Write ciphertext and tag to ``out``, which has exactly ``TAG_BYTES`` more than ``piece``."""
        self._aead.encrypt_into(_piece_nonce(number, last), piece, None, out)

    def open_into(self, number: int, last: bool, sealed: Buffer, out: Buffer) -> None:
        """The inverse. When it raises, what is in ``out`` means nothing and must not be used.

        Raises:
            Tampered: this is not piece ``number`` of the message, or was changed, or the key is another.
        """
        try:
            self._aead.decrypt_into(_piece_nonce(number, last), sealed, None, out)
        except (InvalidTag, ValueError):
            raise Tampered(
                "sealed data did not authenticate: it was changed or cut, or this is the wrong key"
            ) from None


def _piece_nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(_NONCE_BYTES - 1, "big") + bytes([last])


class Blocks:
    """AES (FIPS 197) on many single blocks at once, each by itself: the building block of FF1.

    This is no way to encrypt data: equal blocks give equal results. ``key`` has 16, 24 or 32 bytes.
    """

    __slots__ = ("_context",)

    def __init__(self, key: bytes) -> None:
        self._context = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - see the docstring

    def encrypt_into(self, blocks: Buffer, out: Buffer) -> None:
        """``out`` gets each 16 bytes of ``blocks`` enciphered; it must have room for 15 bytes more."""
        self._context.update_into(blocks, out)


def keystream(key: bytes, size: int) -> bytearray:
    """``size`` bytes of AES-CTR (NIST SP 800-38A, section 6.5) from counter zero: always the same for a key.

    Without ``key`` they are indistinguishable from random. A key may cover one thing only: xor of two things
    under one keystream shows how they differ.
    """
    out, stream = bytearray(size), _counting(key)
    view = memoryview(out)
    for start in range(0, size, STREAM_PIECE):
        piece = view[start : start + STREAM_PIECE]
        stream.update_into(_ZEROS[: len(piece)], piece)
    return out


def _counting(key: bytes) -> CipherContext:
    return Cipher(AES(key), CTR(bytes(16))).encryptor()


class Keystream:
    """AES-128 in counter mode (NIST SP 800-38A, section 6.5) from counter block 0, over zeros.

    ``key`` is :data:`STREAM_KEY_BYTES` uniform bytes and belongs to one stream only, which is why no nonce is
    needed. Without the key the stream is indistinguishable from uniform bytes.
    """

    __slots__ = ("_context",)

    def __init__(self, key: bytes) -> None:
        if len(key) != STREAM_KEY_BYTES:
            raise ValueError(f"a stream key is {STREAM_KEY_BYTES} bytes, not {len(key)}")
        self._context = _counting(key)

    def into(self, buffer: memoryview, size: int) -> None:
        """Write the next ``size`` bytes of the stream to the start of ``buffer``, and allocate nothing.

        ``size`` is at most :data:`STREAM_PIECE`, and ``buffer`` no shorter than ``size``.
        """
        self._context.update_into(_ZEROS[:size], buffer)

    @classmethod
    def fresh(cls) -> Keystream:
        """The stream of a new random key, which nothing else knows."""
        return cls(random_bytes(STREAM_KEY_BYTES))

    def read(self, n: int) -> bytes:
        """The next ``n`` bytes of the stream."""
        return self._context.update(_ZEROS[:n] if n <= STREAM_PIECE else bytes(n))


class Agreement:
    """An X25519 key pair (RFC 7748), made of 32 uniform bytes."""

    __slots__ = ("_secret", "public")

    public: bytes
    """The 32 bytes that others get."""

    def __init__(self, secret: bytes) -> None:
        self._secret = X25519PrivateKey.from_private_bytes(secret)
        self.public = self._secret.public_key().public_bytes_raw()

    def shared(self, public: bytes, context: bytes) -> bytes:
        """32 bytes shared with the holder of ``public``, to be given to :func:`expand`: HKDF-Extract with
        SHA-256 (RFC 5869, section 2.2) of the X25519 result, ``context`` being the salt.

        Raises:
            Tampered: ``public`` is a point of small order, with which nothing secret can be shared.
        """
        try:
            result = self._secret.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError:
            raise Tampered("a public key is no usable point: it was made to be broken") from None
        return hmac.digest(context, result, "sha256")

    def key(self, public: bytes, context: bytes, info: bytes) -> bytes:
        """The 32-byte key shared with the holder of ``public`` for one purpose; raises as :meth:`shared`."""
        return expand(self.shared(public, context), info)


def usable(public: bytes) -> bool:
    """Whether something secret can be shared with the holder of this X25519 key: it has no small order."""
    try:
        Agreement(bytes(KEY_BYTES)).shared(public, b"")
    except Tampered:
        return False
    return True


def expand(shared: bytes, info: bytes) -> bytes:
    """A 32-byte key for ``info``: HKDF-Expand with SHA-256 (RFC 5869, section 2.3), one block."""
    return hmac.digest(shared, info + b"\x01", "sha256")


class Signer:
    """An Ed25519 key (RFC 8032), made of 32 uniform bytes."""

    __slots__ = ("_secret", "public")

    public: bytes
    """The 32 bytes by which others check its signatures."""

    def __init__(self, secret: bytes) -> None:
        self._secret = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = self._secret.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of ``message``."""
        return self._secret.sign(message)


def signed_by(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` is that of ``message`` by the holder of the Ed25519 key ``public``."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def seal_once(key: bytes, plaintext: bytes, bound_to: bytes = b"") -> bytes:
    """AES-256-GCM under nonce 0: ciphertext | tag (16). For keys that seal one message in their life.

    A nonce may stay fixed where no second message exists: ``key`` must come from an agreement or derivation
    whose context names the message.
    """
    return AESGCM(key).encrypt(bytes(_NONCE_BYTES), plaintext, bound_to)


def open_once(key: bytes, sealed: bytes, bound_to: bytes = b"") -> bytes:
    """The inverse of :func:`seal_once`; raises :class:`Tampered` as :func:`open_sealed` does."""
    return open_sealed(key, bytes(_NONCE_BYTES) + sealed, bound_to)


def sha256(data: bytes) -> bytes:
    """The 32-byte SHA-256 (FIPS 180-4) of ``data``, for fingerprints of what is public or unguessable."""
    return hashlib.sha256(data).digest()


def sha256_of(pieces: Iterable[bytes]) -> bytes:
    """The SHA-256 of all ``pieces`` together, for what does not fit in memory."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def double_sha256(data: bytes) -> bytes:
    """SHA-256 of SHA-256: the check of Base58Check addresses, no secret involved."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def same(a: bytes, b: bytes) -> bool:
    """Whether two byte strings are equal, in time that does not depend on where they differ."""
    return hmac.compare_digest(a, b)

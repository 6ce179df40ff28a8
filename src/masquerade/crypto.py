"""Every call into a cryptographic library, and every random byte, comes from this file.

Functions keep nothing between calls. An object keeps its key, ready for use, and a ``Keystream`` its place.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from enum import IntEnum
from functools import cache
from typing import Any, TypeAlias

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB, GCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from masquerade.errors import Tampered, UnsupportedKem

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
    return expand(key, len(name).to_bytes(2, "big") + name + context)


def expand(key: bytes, info: bytes) -> bytes:
    """A 32-byte key for ``info``, as :func:`derive`, where the caller sees to it that no two are alike."""
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
    """``size`` bytes of :class:`Keystream`, for a key of any length that AES has: always the same for a key.

    Without ``key`` they are indistinguishable from random. A key may cover one thing only: xor of two things
    under one keystream shows how they differ.
    """
    out = bytearray(size)
    _fill(_counter(key), memoryview(out))
    return out


def _counter(key: bytes) -> CipherContext:
    """What makes the stream of zeros. The tag is never asked for: OpenSSL has counter mode in the processor's
    vector units only as a part of GCM, where it is twice as fast as by itself."""
    return Cipher(AES(key), GCM(bytes(_NONCE_BYTES))).encryptor()


def _fill(context: CipherContext, buffer: memoryview) -> None:
    for start in range(0, len(buffer), STREAM_PIECE):
        piece = buffer[start : start + STREAM_PIECE]
        context.update_into(_ZEROS[: len(piece)], piece)


class Keystream:
    """AES-128 in counter mode (NIST SP 800-38A, section 6.5) from counter block 2, over zeros: the ciphertext
    that AES-GCM under nonce 0 makes of them (NIST SP 800-38D, section 7.1), up to 64 GiB.

    ``key`` is :data:`STREAM_KEY_BYTES` uniform bytes and belongs to one stream only, which is why no nonce is
    needed. Without the key the stream is indistinguishable from uniform bytes.
    """

    __slots__ = ("_context",)

    def __init__(self, key: bytes) -> None:
        if len(key) != STREAM_KEY_BYTES:
            raise ValueError(f"a stream key is {STREAM_KEY_BYTES} bytes, not {len(key)}")
        self._context = _counter(key)

    def into(self, buffer: memoryview) -> None:
        """Fill ``buffer``, of bytes, with the next of the stream."""
        _fill(self._context, buffer)

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

    @classmethod
    def fresh(cls) -> Agreement:
        """A new random pair, whose secret nothing else knows."""
        return cls(random_bytes(KEY_BYTES))

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


class Kem(IntEnum):
    """How a key is sent to somebody: HPKE (RFC 9180), base mode, HKDF-SHA256, AES-256-GCM, with this KEM."""

    X25519 = 0x0020
    """DHKEM(X25519, HKDF-SHA256)."""
    HYBRID = 0x647A
    """ML-KEM-768 and X25519 together (X-Wing, draft-connolly-cfrg-xwing-kem): safe while either one is."""

    @property
    def public_bytes(self) -> int:
        """Length of a public key."""
        return 32 if self is Kem.X25519 else 1184 + 32

    @property
    def added(self) -> int:
        """By how many bytes what is sent is longer than what was to be sent."""
        return (32 if self is Kem.X25519 else 1088 + 32) + TAG_BYTES

    @property
    def _suite(self) -> hpke.Suite:
        kem = hpke.KEM.X25519 if self is Kem.X25519 else hpke.KEM.MLKEM768_X25519
        return hpke.Suite(kem, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


@cache
def has_hybrid() -> bool:
    """Whether the library that is installed has ML-KEM."""
    try:
        mlkem.MLKEM768PrivateKey.from_seed_bytes(bytes(64))
    except UnsupportedAlgorithm:
        return False
    return True


class Receiver:
    """The key pairs by which somebody receives keys, one for each :class:`Kem`, made of 32 uniform bytes."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def public(self, kem: Kem) -> bytes:
        """The public key that others send to.

        Raises:
            UnsupportedKem: the library that is installed does not have it.
        """
        if kem is Kem.X25519:
            return self._x25519().public_key().public_bytes_raw()
        lattice, curve = self._halves()
        return lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()

    def open(self, kem: Kem, sent: bytes, info: bytes) -> bytes:
        """The inverse of :func:`send`.

        Raises:
            Tampered: it was changed, or sent to another key or under another ``info``.
            UnsupportedKem: the library that is installed does not have it.
        """
        if kem is Kem.X25519:
            secret: Any = self._x25519()
        else:
            secret = hpke.MLKEM768X25519PrivateKey(*self._halves())
        try:
            return kem._suite.decrypt(sent, secret, info)
        except (InvalidTag, ValueError):
            raise Tampered("a wrapped key did not authenticate: it was changed, or is another's") from None

    def _x25519(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(derive(self._secret, "masquerade receive x25519"))

    def _halves(self) -> tuple[mlkem.MLKEM768PrivateKey, X25519PrivateKey]:
        """Made of a seed of 32 bytes as X-Wing does it."""
        _need_hybrid()
        seed = derive(self._secret, "masquerade receive x-wing")
        both = hashlib.shake_256(seed).digest(96)
        return (
            mlkem.MLKEM768PrivateKey.from_seed_bytes(both[:64]),
            X25519PrivateKey.from_private_bytes(both[64:]),
        )


def send(kem: Kem, public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """``plaintext`` for the holder of ``public`` alone, who must give the same ``info``.

    Anyone can send: who did, a signature must say.

    Raises:
        Tampered: ``public`` is no usable key.
        UnsupportedKem: the library that is installed does not have it.
    """
    key: Any
    try:
        if kem is Kem.X25519:
            key = X25519PublicKey.from_public_bytes(public)
        else:
            _need_hybrid()
            key = hpke.MLKEM768X25519PublicKey(
                mlkem.MLKEM768PublicKey.from_public_bytes(public[:1184]),
                X25519PublicKey.from_public_bytes(public[1184:]),
            )
        return kem._suite.encrypt(plaintext, key, info)
    except ValueError:
        raise Tampered("a public key is no usable key: it was changed, or made to be broken") from None


def _need_hybrid() -> None:
    if not has_hybrid():
        raise UnsupportedKem(
            "the cryptography library that is installed has no ML-KEM, which this key needs: "
            "install its wheel from the package index, or use a key of X25519 alone"
        )


def blake3(data: Buffer) -> bytes:
    """The 32-byte BLAKE3 of ``data``: a fingerprint that nobody can meet twice, four times as fast as
    SHA-256, for what is large."""
    from blake3 import blake3 as hashed

    return hashed(data).digest()


class KeyedHash:
    """BLAKE2b (RFC 7693) under one key, cut to 192 bits: names for what must not be told by its name.

    It is a PRF of the data: without ``key`` nobody can compute or check a name, and with it nobody can find
    two data of one name.
    """

    __slots__ = ("_state",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key is {KEY_BYTES} bytes, not {len(key)}")
        self._state = hashlib.blake2b(key=key, digest_size=24)

    def digest(self, data: bytes) -> bytes:
        """The 24-byte name of ``data``."""
        state = self._state.copy()
        state.update(data)
        return state.digest()


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

"""Every call into a cryptographic library, and every random byte, comes from this file.

Nothing here keeps state between calls except the two hash states inside a ``Prf``.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from masquerade.errors import Tampered

KEY_BYTES = 32
"""Length of every symmetric key, in bytes (256 bits)."""

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


class Keystream:
    """AES-128 in counter mode (NIST SP 800-38A, section 6.5) from counter block 0, over zeros.

    ``key`` is :data:`STREAM_KEY_BYTES` uniform bytes and belongs to one stream only, which is why no nonce is
    needed. Without the key the stream is indistinguishable from uniform bytes.
    """

    __slots__ = ("_context",)

    def __init__(self, key: bytes) -> None:
        if len(key) != STREAM_KEY_BYTES:
            raise ValueError(f"a stream key is {STREAM_KEY_BYTES} bytes, not {len(key)}")
        self._context = Cipher(AES(key), CTR(bytes(16))).encryptor()

    def into(self, buffer: memoryview, size: int) -> None:
        """Write the next ``size`` bytes of the stream to the start of ``buffer``, and allocate nothing.

        ``size`` is at most :data:`STREAM_PIECE`, and ``buffer`` 16 bytes longer: room for a block that is
        cut.
        """
        self._context.update_into(memoryview(_ZEROS)[:size], buffer)


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

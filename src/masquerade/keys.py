"""Keys: one root, from which each tenant and each purpose gets its own.

    Key (root, random)  ->  TenantKey  ->  32 bytes for one purpose

A ``Key`` may carry retired roots: they mask nothing new, and what was masked under them still restores.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from masquerade import crypto
from masquerade.errors import KeyProblem

_PREFIX = "mqk1-"
_IDENTITY_PREFIX = "mqi1-"
_CHECK_BYTES = 4


@dataclass(frozen=True, slots=True, repr=False)
class TenantKey:
    """The key of one tenant under one root: from it come the keys for single purposes."""

    _secret: bytes

    def purpose(self, label: str) -> bytes:
        """A 32-byte key for ``label``; different labels give independent keys."""
        return crypto.derive(self._secret, "masquerade purpose", label.encode())

    def __repr__(self) -> str:
        return "TenantKey(secret)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a TenantKey is not pickled: derive it again from its Key")


class Key:
    """A root key, with the retired ones that it replaced.

    Equality is by value; ``repr`` shows only :attr:`id`; pickling is refused, so that a key is exported by
    :meth:`export` and by nothing else.
    """

    __slots__ = ("_secret", "id", "retired")

    id: str
    """Eight hexadecimal digits that name this root in public; they reveal nothing about it."""
    retired: tuple[Key, ...]
    """Earlier roots, newest first."""

    def __init__(self, secret: bytes, retired: Iterable[Key] = ()) -> None:
        if len(secret) != crypto.KEY_BYTES:
            raise KeyProblem(f"a key is {crypto.KEY_BYTES} bytes, not {len(secret)}")
        self._secret = secret
        self.id = crypto.derive(secret, "masquerade key id")[:4].hex()
        self.retired = tuple(retired)

    @classmethod
    def generate(cls) -> Key:
        """A new random root of 256 bits."""
        return cls(crypto.random_bytes(crypto.KEY_BYTES))

    @classmethod
    def parse(cls, text: str) -> Key:
        """Read what :meth:`export` wrote: one key a line, the active one first; ``#`` starts a comment.

        Raises:
            KeyProblem: no key, or a malformed one; the message names the line, never its content.
        """
        keys = [cls(_decode(word, number)) for number, word in _words(text)]
        if not keys:
            raise KeyProblem(f"no key here: expected a line that starts with '{_PREFIX}'")
        return cls(keys[0]._secret, keys[1:])

    def export(self) -> str:
        """The secret itself as text, the active root first, retired ones after it. Keep it closed."""
        return "".join(_encode(key._secret) + "\n" for key in (self, *self.retired))

    def rotate(self) -> Key:
        """A new active root; this one and those it had retired stay able to restore."""
        return Key(crypto.random_bytes(crypto.KEY_BYTES), (Key(self._secret), *self.retired))

    def tenant(self, name: str) -> TenantKey:
        """The key of tenant ``name``; different names give independent keys."""
        return TenantKey(crypto.derive(self._secret, "masquerade tenant", name.encode()))

    def find(self, key_id: str) -> Key | None:
        """The active or retired root with this :attr:`id`, or None."""
        return next((key for key in (self, *self.retired) if key.id == key_id), None)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Key)
            and crypto.same(self._secret, other._secret)
            and self.retired == other.retired
        )

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Key(id={self.id}, retired={len(self.retired)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Key is not pickled; Key.export() writes it where you mean to")


class Identity:
    """Who somebody is, in secure sums and in what is handed over sealed: one secret of 32 bytes.

    The secret is an Ed25519 key, whose public half others pin as :attr:`public`; from it, by derivation, come
    the keys by which something sealed is received. ``repr`` shows only the public half; pickling is refused.
    """

    __slots__ = ("_secret", "receiver", "signer")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.signer = crypto.Signer(secret)
        self.receiver = crypto.Receiver(secret)

    @property
    def public(self) -> str:
        """What stands in a roster, and who signed a package: 64 hexadecimal digits."""
        return self.signer.public.hex()

    @classmethod
    def generate(cls) -> Identity:
        """A new identity."""
        return cls(crypto.random_bytes(crypto.KEY_BYTES))

    @classmethod
    def parse(cls, text: str) -> Identity:
        """Read what :meth:`export` wrote: one line that starts with ``mqi1-``, and comments after ``#``.

        Raises:
            KeyProblem: there is none, or more than one, or it has a typing error.
        """
        found = _words(text)
        if len(found) != 1:
            raise KeyProblem(f"expected one identity, a line that starts with '{_IDENTITY_PREFIX}'")
        ((number, word),) = found
        return cls(_decode(word, number, _IDENTITY_PREFIX))

    def export(self) -> str:
        """The secret itself as text. Keep it closed."""
        return _encode(self._secret, _IDENTITY_PREFIX) + "\n"

    def __repr__(self) -> str:
        return f"Identity(public={self.public})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an Identity is not pickled; Identity.export() writes it where you mean to")


def _words(text: str) -> list[tuple[int, str]]:
    """What stands before a comment, with the number of its line; lines with nothing there are left out."""
    words = ((number, line.partition("#")[0].strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, word) for number, word in words if word]


def to_text(raw: bytes) -> str:
    """Bytes as letters and digits: base32, small, without padding."""
    return base64.b32encode(raw).decode().rstrip("=").lower()


def from_text(text: str) -> bytes:
    """The inverse of :func:`to_text`, which has one text for some bytes.

    Raises:
        ValueError: this is not the text of any.
    """
    raw = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    if to_text(raw) != text.lower():  # the last symbol has bits that say nothing
        raise ValueError("not the text of any bytes")
    return raw


def _encode(secret: bytes, prefix: str = _PREFIX) -> str:
    check = crypto.derive(secret, "masquerade key check")[:_CHECK_BYTES]
    return prefix + to_text(secret + check)


def _decode(word: str, line: int, prefix: str = _PREFIX) -> bytes:
    problem = f"line {line} is not a Masquerade key: expected '{prefix}' and 58 letters and digits"
    if not word.startswith(prefix) or not word.isascii():  # beyond ASCII are letters with the same capital
        raise KeyProblem(problem)
    body = word[len(prefix) :].upper()
    try:
        raw = base64.b32decode(body + "=" * (-len(body) % 8))
    except ValueError:
        raise KeyProblem(problem) from None
    secret, check = raw[: crypto.KEY_BYTES], raw[crypto.KEY_BYTES :]
    if len(secret) != crypto.KEY_BYTES or len(check) != _CHECK_BYTES:
        raise KeyProblem(problem)
    whole = base64.b32encode(raw).decode().rstrip("=") == body  # the last symbol has bits that say nothing
    if not whole or not crypto.same(check, crypto.derive(secret, "masquerade key check")[:_CHECK_BYTES]):
        raise KeyProblem(f"the key on line {line} has a typing error: its check does not match")
    return secret

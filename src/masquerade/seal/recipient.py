"""Who something can be sealed to: the public half of an identity, signed by it, as one line of text.

    kem (2) | identity (32) | public key (32 or 1216) | signature (64)

The identity, 64 hexadecimal digits, is all that has to be compared on a safe way: it has signed the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from masquerade import crypto
from masquerade.crypto import Kem
from masquerade.errors import KeyProblem
from masquerade.keys import Identity, from_text, to_text

_PREFIX = "mqr1-"
_LABEL = b"masquerade recipient 1"
_HEAD_BYTES = 2 + 32
_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Recipient:
    """The public half of an identity; made by :meth:`of` or :meth:`parse`, which check it."""

    identity: bytes
    """Its Ed25519 key: who it is."""
    kem: Kem
    key: bytes
    """The public key of ``kem`` that is sealed to."""
    signature: bytes
    """Of all this, by the identity."""

    @classmethod
    def of(cls, identity: Identity, kem: Kem | None = None) -> Recipient:
        """That of ``identity``; ``kem`` None: hybrid where the library that is installed has it.

        Raises:
            UnsupportedKem: the library does not have ``kem``.
        """
        if kem is None:
            kem = Kem.HYBRID if crypto.has_hybrid() else Kem.X25519
        body = _body(kem, identity.signer.public, identity.receiver.public(kem))
        return cls(identity.signer.public, kem, body[_HEAD_BYTES:], identity.signer.sign(_LABEL + body))

    @classmethod
    def parse(cls, text: str) -> Recipient:
        """Read what :meth:`export` wrote: one line that starts with ``mqr1-``, and comments after ``#``.

        Raises:
            KeyProblem: there is none, or more than one, or it was changed.
        """
        words = [word for line in text.splitlines() if (word := line.partition("#")[0].strip())]
        if len(words) != 1 or not words[0].startswith(_PREFIX):
            raise KeyProblem(f"expected one recipient, a line that starts with '{_PREFIX}'")
        try:
            raw = from_text(words[0].removeprefix(_PREFIX))
            kem = Kem(int.from_bytes(raw[:2], "big"))
        except ValueError:
            raise KeyProblem("this recipient has a typing error, or is of a newer kind") from None
        body, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
        identity = body[2:_HEAD_BYTES]
        whole = len(body) == _HEAD_BYTES + kem.public_bytes
        if not whole or not crypto.signed_by(identity, signature, _LABEL + body):
            raise KeyProblem(
                "this recipient was changed, or has a typing error: its signature does not match"
            )
        return cls(identity, kem, body[_HEAD_BYTES:], signature)

    def export(self) -> str:
        """One line of text, for anyone."""
        return _PREFIX + to_text(_body(self.kem, self.identity, self.key) + self.signature) + "\n"

    def __repr__(self) -> str:
        return f"Recipient({self.identity.hex()}, {self.kem.name.lower()})"


def _body(kem: Kem, identity: bytes, key: bytes) -> bytes:
    return kem.to_bytes(2, "big") + identity + key

"""A second implementation of docs/spec/compute.md, from that page alone: plain Python, no arrays, no speed.

Only for full graphs. Nothing here comes from the package.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def mac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, sha256).digest()


def derive(key: bytes, label: str, context: bytes) -> bytes:
    return mac(key, len(label).to_bytes(2, "big") + label.encode() + context + b"\x01")


def stream(key: bytes, size: int) -> bytes:
    return Cipher(AES(key), CTR((2).to_bytes(16, "big"))).encryptor().update(bytes(size))


def public(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def sign(secret: bytes, text: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(secret).sign(text)


MODULI = {8: 0x11B, 16: 0x1100B}


def times(a: int, b: int, bits: int) -> int:
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a >> bits:
            a ^= MODULI[bits]
        b >>= 1
    return product


def elements(raw: bytes, bits: int) -> list[int]:
    size = bits // 8
    return [int.from_bytes(raw[i : i + size], "little") for i in range(0, len(raw), size)]


def polynomial(coefficients: list[bytes], x: int, bits: int) -> bytes:
    """The value at x, element by element; the constant comes first."""
    value = elements(bytes(len(coefficients[0])), bits)
    for coefficient in reversed(coefficients):
        value = [times(v, x, bits) ^ c for v, c in zip(value, elements(coefficient, bits), strict=True)]
    return b"".join(v.to_bytes(bits // 8, "little") for v in value)


def context(vector: dict[str, Any]) -> bytes:
    return sha256(
        b"masquerade sum"
        + bytes.fromhex(vector["session"])
        + sha256(b"".join(bytes.fromhex(key) for key in vector["roster"])).digest()
        + bytes.fromhex(vector["task"])
        + u64(vector["number"])
        + u64(vector["length"])
        + bytes([vector["bits"]])
        + u32(len(vector["roster"]))
        + u32(vector["degree"])
        + u32(vector["threshold"])
        + u32(vector["minimum"])
    ).digest()


class Party:
    """What one client computes."""

    def __init__(self, vector: dict[str, Any], index: int) -> None:
        told = vector["clients"][index]
        self.vector, self.index, self.context = vector, index, context(vector)
        self.identity = bytes.fromhex(told["identity"])
        self.words = told["words"]
        r = bytes.fromhex(told["randomness"])
        self.s, self.b, self.c, self.q = (
            derive(r, f"masquerade sum {what}", self.context)
            for what in ("mask key", "self mask seed", "channel key", "sharing")
        )

    def agree(self, secret: bytes, other: bytes, info: bytes) -> bytes:
        shared = X25519PrivateKey.from_private_bytes(secret).exchange(
            X25519PublicKey.from_public_bytes(other)
        )
        return mac(mac(self.context, shared), info + b"\x01")

    def message(self, kind: int, body: bytes) -> bytes:
        return b"mqs1" + bytes([kind]) + self.context + u32(self.index) + body

    def keys(self) -> bytes:
        commitment = sha256(b"masquerade sum self mask" + self.context + u32(self.index) + self.b).digest()
        body = public(self.s) + public(self.c) + commitment
        text = b"masquerade sum keys" + self.context + u32(self.index) + body
        return self.message(1, body + sign(self.identity, text))

    def share_at(self, place: int) -> bytes:
        count = self.vector["threshold"] - 1
        random = stream(self.q[:16], 64 * count)
        coefficients = [self.s + self.b, *(random[64 * i : 64 * i + 64] for i in range(count))]
        return polynomial(coefficients, place, 8 if self.vector["degree"] <= 254 else 16)

    def shares(self, peers: list[Party]) -> bytes:
        rows = b""
        for peer in peers:
            key = self.agree(self.c, public(peer.c), b"share" + u32(self.index) + u32(peer.index))
            rows += u32(peer.index) + AESGCM(key).encrypt(bytes(12), self.share_at(peer.index + 1), b"")
        return self.message(3, u32(len(peers)) + rows)

    def mask(self, key: bytes) -> list[int]:
        size = self.vector["bits"] // 8
        raw = stream(key[:16], size * len(self.words))
        return [int.from_bytes(raw[i : i + size], "little") for i in range(0, len(raw), size)]

    def upload(self, peers: list[Party]) -> bytes:
        y = [
            x + m
            for x, m in zip(
                self.words, self.mask(derive(self.b, "masquerade sum self mask", self.context)), strict=True
            )
        ]
        for peer in peers:
            low, high = sorted((self.index, peer.index))
            key = self.agree(self.s, public(peer.s), b"mask" + u32(low) + u32(high))
            sign = 1 if peer.index > self.index else -1
            y = [v + sign * m for v, m in zip(y, self.mask(key), strict=True)]
        size = self.vector["bits"] // 8
        return self.message(5, b"".join((v % (1 << 8 * size)).to_bytes(size, "little") for v in y))

    def signature(self, lists: bytes) -> bytes:
        text = b"masquerade sum survivors" + self.context + sha256(lists).digest()
        return self.message(7, sign(self.identity, text))

    def opening(self, sharers: list[Party], stays: set[int]) -> bytes:
        rows = b""
        for owner in sharers:
            share = owner.share_at(self.index + 1)
            alive = owner.index in stays
            rows += u32(owner.index) + bytes([alive]) + (share[32:] if alive else share[:32])
        return self.message(9, u32(len(sharers)) + rows)


def play(vector: dict[str, Any]) -> dict[int, dict[int, bytes]]:
    """All messages of the clients of a round, by kind and client."""
    parties = [Party(vector, i) for i in range(len(vector["roster"]))]
    silent = {int(i): kind for i, kind in vector["silent"].items()}
    at = {kind: [p for p in parties if silent.get(p.index, 10) > kind] for kind in (1, 3, 5, 7, 9)}
    stays = {p.index for p in at[5]}
    gone = {p.index for p in at[3]} - stays
    size = (len(parties) + 7) // 8
    lists = b"".join(sum(1 << i for i in members).to_bytes(size, "little") for members in (stays, gone))
    return {
        1: {p.index: p.keys() for p in at[1]},
        3: {p.index: p.shares([q for q in at[1] if q is not p]) for p in at[3]},
        5: {p.index: p.upload([q for q in at[3] if q is not p]) for p in at[5]},
        7: {p.index: p.signature(lists) for p in at[7]},
        9: {p.index: p.opening(at[3], stays) for p in at[9]},
    }

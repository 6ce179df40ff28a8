"""A second reader of docs/spec/seal.md, from that page alone. Nothing here comes from the package."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from blake3 import blake3
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def derive(key: bytes, label: str, context: bytes = b"") -> bytes:
    name = label.encode()
    return hmac.new(key, len(name).to_bytes(2, "big") + name + context + b"\x01", "sha256").digest()


def recipient(secret: bytes) -> tuple[str, bytes, Any]:
    """The id, the public keys and the private key that an identity's secret gives."""
    signing = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
    curve = X25519PrivateKey.from_private_bytes(derive(secret, "masquerade seal x25519"))
    seed = derive(secret, "masquerade seal ml-kem", b"d") + derive(secret, "masquerade seal ml-kem", b"z")
    lattice = MLKEM768PrivateKey.from_seed_bytes(seed)
    public = curve.public_key().public_bytes_raw() + lattice.public_key().public_bytes_raw()
    name = hashlib.sha256(b"masquerade recipient" + signing + public).digest()[:8].hex()
    return name, signing + public, hpke.MLKEM768X25519PrivateKey(lattice, curve)


def read(package: bytes, secret: bytes, signer: bytes) -> dict[str, bytes]:
    """The files inside, by name; any exception refuses."""
    if package[:8] != b"MQSEAL1\n" or package[8:40] != signer:
        raise ValueError("magic or signer")
    length = int.from_bytes(package[40:44], "big")
    if length > 1 << 20:
        raise ValueError("length")
    head = package[: 44 + length]
    digest = hashlib.sha256(head).digest()
    key = Ed25519PublicKey.from_public_bytes(signer)
    key.verify(package[44 + length : 108 + length], b"masquerade seal head" + digest)
    told = json.loads(head[44:])
    if json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() != head[44:]:
        raise ValueError("encoding")
    name, _, private = recipient(secret)
    (capsule,) = [base64.b64decode(text) for own, text in told["recipients"] if own == name]
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    file_key = suite.decrypt(capsule, private, b"masquerade seal file key" + signer)
    index = AESGCM(derive(file_key, "masquerade seal index")).decrypt(
        bytes(12), base64.b64decode(told["index"]), None
    )
    payload, body = package[108 + length : -64], b""
    aead = AESGCM(derive(file_key, "masquerade seal payload", digest))
    count = max(1, -(-told["payload"] // (1 << 20)))
    for number in range(count):
        piece = payload[number * ((1 << 20) + 16) : (number + 1) * ((1 << 20) + 16)]
        nonce = number.to_bytes(11, "big") + bytes([number == count - 1])
        body += aead.decrypt(nonce, piece, None)
    if len(payload) != told["payload"] + 16 * count:
        raise ValueError("size")
    key.verify(package[-64:], b"masquerade seal payload" + digest + blake3(payload).digest())
    files, at = {}, 0
    for member, size in json.loads(index):
        files[member] = body[at : at + size]
        at += size
    if at != len(body):
        raise ValueError("sizes")
    return files

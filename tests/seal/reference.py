"""A second reader of packages, from docs/spec/seal.md and RFC 9180 alone: plain Python, no speed.

Nothing here comes from the package; of libraries only what is beneath HPKE. ``Refused`` says why.
"""

from __future__ import annotations

import hmac
import json
import re
import unicodedata
from hashlib import sha3_256, sha256, shake_256
from typing import Any

from blake3 import blake3
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

X25519, XWING = 0x0020, 0x647A


class Refused(Exception):
    """This is no package that may be opened."""


def expand(key: bytes, info: bytes, size: int = 32) -> bytes:
    out, block = b"", b""
    while len(out) < size:
        block = hmac.new(key, block + info + bytes([len(out) // 32 + 1]), sha256).digest()
        out += block
    return out[:size]


def derive(key: bytes, label: str) -> bytes:
    return expand(key, len(label).to_bytes(2, "big") + label.encode())


# RFC 9180 -----------------------------------------------------------------------------------------------


def labelled_extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.new(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, sha256).digest()


def labelled_expand(suite: bytes, prk: bytes, label: bytes, info: bytes, size: int) -> bytes:
    return expand(prk, size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, size)


def hpke_open(kem: int, shared: bytes, info: bytes, ciphertext: bytes, aad: bytes = b"") -> bytes:
    """Sections 5.1 and 5.2: mode base, HKDF-SHA256, AES-256-GCM."""
    suite = b"HPKE" + kem.to_bytes(2, "big") + b"\x00\x01\x00\x02"
    context = (
        b"\0"
        + labelled_extract(suite, b"", b"psk_id_hash", b"")
        + labelled_extract(suite, b"", b"info_hash", info)
    )
    secret = labelled_extract(suite, shared, b"secret", b"")
    key = labelled_expand(suite, secret, b"key", context, 32)
    nonce = labelled_expand(suite, secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, ciphertext, aad)


def dhkem(secret: bytes, enc: bytes) -> bytes:
    """Section 4.1: the shared secret of DHKEM(X25519, HKDF-SHA256)."""
    own = X25519PrivateKey.from_private_bytes(secret)
    dh = own.exchange(X25519PublicKey.from_public_bytes(enc))
    suite = b"KEM\x00\x20"
    prk = labelled_extract(suite, b"", b"eae_prk", dh)
    return labelled_expand(suite, prk, b"shared_secret", enc + own.public_key().public_bytes_raw(), 32)


def xwing(seed: bytes, enc: bytes) -> bytes:
    """draft-connolly-cfrg-xwing-kem, decapsulation from the 32 bytes of a private key."""
    both = shake_256(seed).digest(96)
    curve = X25519PrivateKey.from_private_bytes(both[64:])
    one = MLKEM768PrivateKey.from_seed_bytes(both[:64]).decapsulate(enc[:1088])
    two = curve.exchange(X25519PublicKey.from_public_bytes(enc[1088:]))
    return sha3_256(one + two + enc[1088:] + curve.public_key().public_bytes_raw() + b"\\.//^\\").digest()


# docs/spec/seal.md --------------------------------------------------------------------------------------


def public(secret: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def unwrap(secret: bytes, kem: int, sent: bytes, info: bytes) -> bytes:
    if kem == X25519:
        shared = dhkem(derive(secret, "masquerade receive x25519"), sent[:32])
        return hpke_open(kem, shared, info, sent[32:])
    return hpke_open(kem, xwing(derive(secret, "masquerade receive x-wing"), sent[:1120]), info, sent[1120:])


def recipient(text: str) -> tuple[bytes, int, bytes]:
    """Identity, KEM and public key of a recipient's line."""
    import base64

    body = text.strip().removeprefix("mqr1-").upper()
    raw = base64.b32decode(body + "=" * (-len(body) % 8))
    check_signature(raw[2:34], raw[-64:], b"masquerade recipient 1" + raw[:-64])
    return raw[2:34], int.from_bytes(raw[:2], "big"), raw[34:-64]


def check_signature(key: bytes, signature: bytes, text: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except InvalidSignature:
        raise Refused("signature") from None


def room(size: int) -> int:
    size = max(size, 256)
    e = size.bit_length() - 1
    unit = 1 << (e - e.bit_length())
    return (size + unit - 1) // unit * unit


def canonical(data: bytes) -> Any:
    try:
        told = json.loads(data)
        again = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        raise Refused("JSON") from None
    if again != data:
        raise Refused("spelling")
    return told


class Reader:
    """A package in memory, opened; ``files`` are its contents."""

    def __init__(self, data: bytes, secret: bytes, signer: bytes) -> None:
        try:
            self._open(data, secret, signer)
        except (InvalidTag, ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise Refused("form") from None

    def _open(self, data: bytes, secret: bytes, signer: bytes) -> None:
        if data[:8] != b"mqseal1\n" or len(data) < 108:
            raise Refused("magic")
        size = int.from_bytes(data[8:12], "little")
        if size > 4 << 20 or 108 + size > len(data) or data[12:44] != signer:
            raise Refused("header size, or signer")
        header = data[108 : 108 + size]
        check_signature(signer, data[44:108], b"masquerade seal header 1" + signer + header)
        self._parse(header)
        self.public = canonical(self._shown)
        if self._size != room(self._size) or not 10 <= self._exponent <= 20:
            raise Refused("sizes")
        piece = 1 << self._exponent
        count = -(-self._size // piece)
        payload = 108 + size
        digests = payload + self._size + 16 * count
        if len(data) != digests + 32 * count:
            raise Refused("length")
        kem, sent = self._stanzas[public(secret)]
        file_key = unwrap(secret, kem, sent, b"masquerade seal file key 1" + signer + public(secret))
        if derive(file_key, "masquerade seal commitment") != self._commitment:
            raise Refused("commitment")
        key = derive(file_key, "masquerade seal manifest")
        hidden = AESGCM(key).decrypt(bytes(12), self._sealed, None)
        self.manifest = canonical(hidden.rstrip(b"\0"))
        if len(hidden) != room(len(hidden.rstrip(b"\0"))):
            raise Refused("padding")
        self._check()
        if blake3(data[digests:]).digest() != self._root:
            raise Refused("digests")
        aead, plain = AESGCM(derive(file_key, "masquerade seal payload")), b""
        for i in range(count):
            sealed = data[payload + i * (piece + 16) : min(payload + (i + 1) * (piece + 16), digests)]
            if blake3(sealed).digest() != data[digests + 32 * i : digests + 32 * i + 32]:
                raise Refused("digest")
            plain += aead.decrypt(i.to_bytes(11, "big") + bytes([i == count - 1]), sealed, None)
        self.files, at = {}, 0
        for member in self.manifest["members"]:
            self.files[member["name"]] = plain[at : at + member["size"]]
            at += member["size"]
        if plain[at:].strip(b"\0"):
            raise Refused("behind the last file")

    def _parse(self, header: bytes) -> None:
        self._exponent, count = header[0], header[1]
        at = 2
        self._stanzas = {}
        for _ in range(count):
            kem = int.from_bytes(header[at : at + 2], "big")
            size = {X25519: 32 + 48, XWING: 1120 + 48}[kem]
            self._stanzas[header[at + 2 : at + 34]] = kem, header[at + 34 : at + 34 + size]
            at += 34 + size
        if not 1 <= count == len(self._stanzas) <= 64:
            raise Refused("recipients")
        self._commitment, self._size = (
            header[at : at + 32],
            int.from_bytes(header[at + 32 : at + 40], "little"),
        )
        self._root = header[at + 40 : at + 72]
        at += 72
        n = int.from_bytes(header[at : at + 4], "little")
        self._shown = header[at + 4 : at + 4 + n]
        at += 4 + n
        n = int.from_bytes(header[at : at + 4], "little")
        self._sealed = header[at + 4 :]
        if len(self._sealed) != n:
            raise Refused("header")

    def _check(self) -> None:
        told, shown = self.manifest, self.public
        if sorted(told) != ["card", "configuration", "folders", "ledger", "members", "series"]:
            raise Refused("keys")
        if sorted(shown) != ["budget", "sequence", "title"] or not 0 <= shown["sequence"] < 2**53:
            raise Refused("keys")
        budget = [{k: one[k] for k in ("delta", "epsilon", "spent", "unit")} for one in told["ledger"]]
        if budget != shown["budget"]:
            raise Refused("budget")
        if room(sum(member["size"] for member in told["members"])) != self._size:
            raise Refused("size")
        names = [member["name"] for member in told["members"]] + told["folders"]
        taken, above = set(), set()
        for name in names:
            check_name(name)
            plain = "".join(c for c in name if unicodedata.category(c) != "Cf")
            for _ in range(2):
                plain = unicodedata.normalize("NFD", plain).casefold()
            parts = unicodedata.normalize("NFC", plain).split("/")
            heads = {"/".join(parts[:n]) for n in range(1, len(parts))}
            whole = "/".join(parts)
            if whole in taken | above or heads & taken:
                raise Refused("names")
            taken.add(whole)
            above |= heads


def check_name(name: str) -> None:
    devices = r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])( *\..*)?"
    for part in name.split("/"):
        if (
            part in ("", ".", "..")
            or part[0] == " "
            or part[-1] in ". "
            or len(part.encode()) > 255
            or len(name.encode()) > 1024
            or re.fullmatch(devices, part, re.IGNORECASE)
            or any(unicodedata.category(c) == "Cc" or c in '\\:*?"<>|\ufeff\ufffe\uffff' for c in part)
            or any(
                "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" or c in "\u2028\u2029" for c in part
            )
        ):
            raise Refused("name")

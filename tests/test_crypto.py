"""Published vectors, from the package ``cryptography_vectors``, for the primitives that the package calls."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors
import pytest

from masquerade import crypto
from masquerade.errors import Tampered

FOLDER = Path(cryptography_vectors.__file__).parent


def records(name: str) -> Iterator[dict[str, bytes]]:
    """The records of a file of ``KEY = hexadecimal`` lines, each begun by a count."""
    found: dict[str, bytes] = {}
    for line in (FOLDER / name).read_text().splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if key.upper() == "COUNT":
            if found:
                yield found
            found = {}
        elif equals and re.fullmatch(r"([0-9A-Fa-f]{2})*", value):
            found[key.upper()] = bytes.fromhex(value)
    yield found


def test_a_keystream_begins_with_aes_128_of_zeros() -> None:
    """NIST AESAVS, the variable key test: the block of zeros, under 128 keys."""
    tried = 0
    for vector in records("ciphers/AES/ECB/ECBVarKey128.rsp"):
        if vector.get("PLAINTEXT") == bytes(16):
            room = bytearray(16)
            crypto.Keystream(vector["KEY"]).into(memoryview(room))
            assert room == vector["CIPHERTEXT"]
            tried += 1
    assert tried >= 128


def test_a_keystream_goes_on_where_it_was() -> None:
    whole = crypto.keystream(bytes(16), crypto.STREAM_PIECE + 200)
    for cut in (0, 1, 15, 16, 17, 4096, crypto.STREAM_PIECE, crypto.STREAM_PIECE + 1):
        stream, got = crypto.Keystream(bytes(16)), b""
        for size in (cut, 100):
            room = bytearray(size)
            stream.into(memoryview(room))
            got += room
        assert got == whole[: cut + 100]
        stream = crypto.Keystream(bytes(16))
        assert stream.read(cut) + stream.read(100) == got
    with pytest.raises(ValueError, match="16 bytes"):
        crypto.Keystream(bytes(32))


def test_aes_256_gcm() -> None:
    """NIST CAVS, 96-bit nonces."""
    tried = 0
    for vector in records("ciphers/AES/GCM/gcmEncryptExtIV256.rsp"):
        if len(vector.get("IV", b"")) == 12 and len(vector.get("TAG", b"")) == 16 and tried < 300:
            sealed = vector["IV"] + vector["CT"] + vector["TAG"]
            assert crypto.open_sealed(vector["KEY"], sealed, vector["AAD"]) == vector["PT"]
            with pytest.raises(Tampered):
                crypto.open_sealed(vector["KEY"], sealed[:-1] + bytes([sealed[-1] ^ 1]), vector["AAD"])
            tried += 1
    assert tried == 300
    assert crypto.open_once(bytes(32), crypto.seal_once(bytes(32), b"text", b"to"), b"to") == b"text"
    with pytest.raises(Tampered):
        crypto.open_once(bytes(32), crypto.seal_once(bytes(32), b"text", b"to"), b"another")


def test_x25519() -> None:
    """RFC 7748, section 5.2."""
    tried = 0
    for vector in records("asymmetric/X25519/rfc7748.txt"):
        if "OUTPUT_U" in vector and tried < 100:
            got = crypto.Agreement(vector["INPUT_SCALAR"]).shared(vector["INPUT_U"], b"salt")
            assert got == hmac.digest(b"salt", vector["OUTPUT_U"], "sha256")
            tried += 1
    assert tried >= 2


@pytest.mark.parametrize(
    "point",
    [
        "00" * 32,
        "01" + "00" * 31,
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ],
)
def test_points_of_small_order_are_refused(point: str) -> None:
    """0, 1, p - 1, p and p + 1 (RFC 7748, section 6.1: check for the result of zeros)."""
    with pytest.raises(Tampered, match="no usable point"):
        crypto.Agreement(bytes(range(32))).shared(bytes.fromhex(point), b"salt")


def test_hkdf() -> None:
    """RFC 5869, appendix A: the first block."""
    tried = 0
    for vector in records("KDF/rfc-5869-HKDF-SHA256.txt"):
        assert crypto.expand(vector["PRK"], vector.get("INFO", b"")) == vector["OKM"][:32]
        tried += 1
    assert tried >= 2


def test_ed25519() -> None:
    """D. J. Bernstein's sign.input, the first 200 lines."""
    lines = (FOLDER / "asymmetric" / "Ed25519" / "sign.input").read_text().splitlines()[:200]
    for line in lines:
        secret, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
        signer = crypto.Signer(secret[:32])
        assert signer.public == public
        assert signer.sign(message) == signed[:64]
        assert crypto.signed_by(public, signed[:64], message)
        assert not crypto.signed_by(public, signed[:64], message + b"x")
        assert not crypto.signed_by(public, bytes(64), message)
    assert not crypto.signed_by(b"short", bytes(64), b"")
    assert not crypto.signed_by(bytes(32), b"short", b"")

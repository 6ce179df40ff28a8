"""Cases of Project Wycheproof, made to break implementations, for what sealing and sums are built of."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from masquerade import crypto
from masquerade.errors import Tampered

CASES = json.loads((Path(__file__).parent / "vectors" / "wycheproof.json").read_text(encoding="utf-8"))


def cases(name: str) -> Any:
    return pytest.mark.parametrize("case", CASES[name], ids=lambda case: f"{name}-{case['case']}")


def octets(case: dict[str, str], *names: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(case[name]) for name in names)


@cases("x25519")
def test_x25519(case: dict[str, Any]) -> None:
    """What agrees on zeros is refused (RFC 7748, section 6.1); all else gives the shared secret."""
    public, private, shared = octets(case, "public", "private", "shared")
    pair = crypto.Agreement(private)
    if shared == bytes(32):
        with pytest.raises(Tampered):
            pair.shared(public, b"salt")
        assert not crypto.usable(public)
    else:
        assert pair.shared(public, b"salt") == hmac.digest(b"salt", shared, "sha256")


@cases("ed25519")
def test_ed25519(case: dict[str, Any]) -> None:
    public, message, signature = octets(case, "public", "msg", "sig")
    assert crypto.signed_by(public, signature, message) == (case["result"] == "valid")


@cases("aes_256_gcm")
def test_aes_256_gcm(case: dict[str, Any]) -> None:
    key, nonce, bound_to, message, ciphertext, tag = octets(case, "key", "iv", "aad", "msg", "ct", "tag")
    if case["result"] == "valid":
        assert crypto.open_sealed(key, nonce + ciphertext + tag, bound_to) == message
    else:
        with pytest.raises(Tampered):
            crypto.open_sealed(key, nonce + ciphertext + tag, bound_to)


@cases("hkdf_sha256")
def test_hkdf(case: dict[str, Any]) -> None:
    """The first block, which is all that is used."""
    secret, salt, info, okm = octets(case, "ikm", "salt", "info", "okm")
    key = crypto.expand(hmac.digest(salt or bytes(32), secret, "sha256"), info)
    assert key[: case["size"]] == okm[:32]


@pytest.mark.skipif(not crypto.has_hybrid(), reason="the cryptography library has no ML-KEM here")
@cases("ml_kem_768_decapsulation")
def test_ml_kem_768(case: dict[str, Any]) -> None:
    """The library's, as the hybrid of a sealed package uses it."""
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey

    seed, sent, shared = octets(case, "seed", "c", "K")
    if case["result"] == "valid":
        assert MLKEM768PrivateKey.from_seed_bytes(seed).decapsulate(sent) == shared
    else:
        with pytest.raises(ValueError, match=r"."):
            MLKEM768PrivateKey.from_seed_bytes(seed).decapsulate(sent)


@pytest.mark.skipif(not crypto.has_hybrid(), reason="the cryptography library has no ML-KEM here")
@cases("ml_kem_768_public_keys")
def test_public_keys_of_ml_kem_768(case: dict[str, Any]) -> None:
    """A key whose numbers are not reduced, or of another length, is sent nothing."""
    (public,) = octets(case, "ek")
    curve = crypto.Agreement(bytes(range(32))).public
    if case["result"] == "valid":
        assert crypto.send(crypto.Kem.HYBRID, public + curve, b"a file key", b"info")
    else:
        with pytest.raises(Tampered):
            crypto.send(crypto.Kem.HYBRID, public + curve, b"a file key", b"info")

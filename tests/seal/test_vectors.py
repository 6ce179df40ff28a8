"""The vectors of docs/spec/seal.md, against the product and a second reader; and what lies beneath.

``python tests/seal/test_vectors.py`` writes the file anew, after a change of the format.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from masquerade import crypto, seal
from masquerade.crypto import Kem
from masquerade.dp.accountant import Gaussian, Sampled
from masquerade.errors import BadInput, KeyProblem, Tampered
from masquerade.keys import Identity
from tests.seal import reference
from tests.seal.rig import OTHER, OWNER, RECEIVER, package, rebuilt, signed, split, take_apart

FILE = Path(__file__).parent.parent / "vectors" / "seal.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
HPKE = Path(cryptography_vectors.__file__).parent / "HPKE"


def named(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def data_of(vector: dict[str, Any]) -> bytes:
    return base64.b64decode(vector["package"])


@pytest.mark.parametrize("vector", VECTORS.get("good", ()), ids=named)
def test_good_packages(vector: dict[str, Any]) -> None:
    files = {name: base64.b64decode(data) for name, data in vector["files"].items()}
    for secret in vector["recipients"]:
        who = Identity(bytes.fromhex(secret))
        package = seal.open(io.BytesIO(data_of(vector)), who, vector["signer"])
        assert {m.name: package.read(m.name) for m in package.manifest.members} == files
        package.finish()
        assert json.loads(package.manifest.encode()) == vector["manifest"]
        assert json.loads(package.cover.public.encode()) == vector["public"]
        read = reference.Reader(data_of(vector), bytes.fromhex(secret), bytes.fromhex(vector["signer"]))
        assert read.files == files
        assert read.manifest == vector["manifest"]
        assert read.public == vector["public"]


@pytest.mark.parametrize("bad", VECTORS.get("bad", ()), ids=named)
def test_bad_packages(bad: dict[str, Any]) -> None:
    who = bytes.fromhex(bad["recipient"])
    with pytest.raises((BadInput, KeyProblem, Tampered)):
        package = seal.open(io.BytesIO(data_of(bad)), Identity(who), bad["signer"])
        for member in package.manifest.members:
            package.read(member.name)
        package.finish()
    with pytest.raises(reference.Refused):
        reference.Reader(data_of(bad), who, bytes.fromhex(bad["signer"]))


@pytest.mark.parametrize("vector", VECTORS.get("identities", ()), ids=lambda vector: vector["secret"][:4])
def test_identities(vector: dict[str, Any]) -> None:
    identity = Identity(bytes.fromhex(vector["secret"]))
    assert identity.public == vector["public"] == reference.public(bytes.fromhex(vector["secret"])).hex()
    assert identity.export().strip() == vector["identity"]
    for kem in Kem:
        text = vector["recipient"][kem.name.lower()]
        assert seal.Recipient.of(identity, kem).export().strip() == text
        who, number, key = reference.recipient(text)
        assert (who.hex(), number, key) == (identity.public, kem, identity.receiver.public(kem))


@pytest.mark.parametrize("vector", VECTORS.get("rooms", ()), ids=str)
def test_rooms(vector: list[int]) -> None:
    from masquerade.seal.envelope import room

    assert room(vector[0]) == reference.room(vector[0]) == vector[1]


# -- beneath ---------------------------------------------------------------------------------------------


def test_hpke_of_rfc_9180() -> None:
    """Appendix A's suite with X25519, HKDF-SHA256, AES-256-GCM: the second reader's HPKE gives its
    plaintexts, and the product's opens as the second reader's does (test_good_packages)."""
    tried = 0
    for vector in json.loads((HPKE / "test-vectors.json").read_text()):
        if (vector["mode"], vector["kem_id"], vector["kdf_id"], vector["aead_id"]) == (0, 0x20, 1, 2):
            shared = reference.dhkem(bytes.fromhex(vector["skRm"]), bytes.fromhex(vector["enc"]))
            assert shared.hex() == vector["shared_secret"]
            first = vector["encryptions"][0]
            ciphertext, aad = bytes.fromhex(first["ct"]), bytes.fromhex(first["aad"])
            got = reference.hpke_open(0x20, shared, bytes.fromhex(vector["info"]), ciphertext, aad)
            assert got.hex() == first["pt"]
            tried += 1
    assert tried >= 1


def test_x_wing() -> None:
    """The shared secrets of the KEM with ML-KEM-768 and X25519, from its 32-byte private keys."""
    tried = 0
    for vector in json.loads((HPKE / "hpke-pq-test-vectors.json").read_text()):
        if vector["kem_id"] == 0x647A:
            secret, enc = bytes.fromhex(vector["skRm"]), bytes.fromhex(vector["enc"])
            assert reference.xwing(secret, enc).hex() == vector["shared_secret"]
            tried += 1
    assert tried >= 2


@pytest.mark.parametrize("kem", list(Kem))
def test_what_is_sent_opens_by_the_rfc_alone(kem: Kem) -> None:
    for n in range(5):
        who = Identity(bytes([n + 40]) * 32)
        sent = crypto.send(kem, who.receiver.public(kem), b"key %d" % n, b"info")
        assert reference.unwrap(bytes([n + 40]) * 32, kem, sent, b"info") == b"key %d" % n
        for at in range(0, len(sent), 1 if kem is Kem.X25519 else 31):
            with pytest.raises(Tampered):
                who.receiver.open(kem, sent[:at] + bytes([sent[at] ^ 1]) + sent[at + 1 :], b"info")
        for wrong in (sent[:-1], sent[:20], b"", sent + b"\0"):
            with pytest.raises(Tampered):
                who.receiver.open(kem, wrong, b"info")
        with pytest.raises(Tampered):
            who.receiver.open(kem, sent, b"other")
        with pytest.raises(Tampered):
            OTHER.receiver.open(kem, sent, b"info")


def test_blake3() -> None:
    """The published test vectors: input bytes 0, 1, ..., 250, 0, 1, ..."""
    published = {
        0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
        1023: "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
        1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
        1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
        102400: "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
    }
    for size, digest in published.items():
        data = bytes(i % 251 for i in range(size))
        for buffer in (data, bytearray(data), memoryview(data)):
            assert crypto.blake3(buffer).hex() == digest


# -- writing ---------------------------------------------------------------------------------------------

_LEDGER = [seal.Paid("patients", "person", 3.0, 1e-5, 2.9, ((Sampled(0.01, Gaussian(1.1)), 1000),))]
_SMALL = {"model/weights.bin": bytes(range(256)) * 9, "模型.txt": "模型".encode(), "empty": b""}


def _good(name: str, files: dict[str, bytes], *to: Identity, kem: Kem, **more: Any) -> dict[str, Any]:
    data = package(files, *(seal.Recipient.of(who, kem) for who in to), **more)
    found = seal.open(io.BytesIO(data), to[0], OWNER.public)
    return {
        "name": name,
        "signer": OWNER.public,
        "recipients": [
            bytes([n]).hex() * 32 for n, who in ((1, OWNER), (2, RECEIVER), (3, OTHER)) if who in to
        ],
        "public": json.loads(found.cover.public.encode()),
        "manifest": json.loads(found.manifest.encode()),
        "files": {name: base64.b64encode(data).decode() for name, data in files.items()},
        "package": base64.b64encode(data).decode(),
    }


def _bad(good: bytes) -> list[dict[str, Any]]:
    """From a package for RECEIVER, X25519, of three pieces."""
    out: list[dict[str, Any]] = []

    def add(name: str, data: bytes, recipient: int = 2, signer: Identity = OWNER) -> None:
        out.append(
            {
                "name": name,
                "recipient": bytes([recipient]).hex() * 32,
                "signer": signer.public,
                "package": base64.b64encode(data).decode(),
            }
        )

    prelude, header, rest = split(good)
    fields, end = take_apart(header), len(good)
    places = {
        "the magic": 0,
        "the header's length": 8,
        "the signer": 12,
        "the signature": 44,
        "the piece size": 108,
        "the wrapped key": 150,
        "the first piece": 108 + len(header),
        "the last tag": end - 97,
        "a digest": end - 1,
    }
    for name, at in places.items():
        add(f"flipped: {name}", good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    for name, data in {
        "cut: the last byte": good[:-1],
        "cut: the last piece": good[: -32 - 300] + good[-32:],
        "cut: all but the prelude": prelude,
        "grown: a byte": good + b"\0",
        "empty": b"",
        "swapped: two pieces": prelude + header + rest[1040:2080] + rest[:1040] + rest[2080:],
        "a header of 4 GiB": good[:8] + b"\xff" * 4 + good[12:],
    }.items():
        add(name, data)
    add("to another recipient", good, recipient=3)
    add("by another signer", good, signer=OTHER)
    add("signed again by another", signed(header, rest, OTHER))
    again = package(_SMALL, seal.Recipient.of(RECEIVER, Kem.X25519))
    add("header of another package", b"".join(split(again)[:2]) + rest)
    for name, changes in {
        "pieces of 512 bytes": {"exponent": b"\x09"},
        "pieces of 2 MiB": {"exponent": b"\x15"},
        "no recipient": {"count": b"\0", "stanzas": b""},
        "a recipient twice": {"count": b"\x02", "stanzas": fields["stanzas"] * 2},
        "an unknown KEM": {"stanzas": b"\0\1" + fields["stanzas"][2:]},
        "another commitment": {"commitment": bytes(32)},
        "a size that is not padded": {"size": (2307).to_bytes(8, "little")},
        "another budget in public": {"public": fields["public"].replace(b'"2.9"', b'"1.0"')},
        "public: keys out of order": {"public": b'{"title":"","sequence":5,"budget":[]}'},
        "public: a space": {"public": fields["public"].replace(b":", b": ", 1)},
        "public: not UTF-8": {"public": b'{"budget":[],"sequence":5,"title":"\xff"}'},
        "public: a key too many": {"public": fields["public"][:-1] + b',"x":1}'},
    }.items():
        if "public" in changes:
            changes["public size"] = len(changes["public"]).to_bytes(4, "little")
        add(f"by a dishonest signer: {name}", rebuilt(good, **changes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seal.Manifest, "check", lambda self: None)
        for one in ("../x", "/x", "a/../../x", "a\\x", "C:x", "nul.txt", "a\0", "a.", "A/B", "a/b/c", ""):
            files = {"a/b": b"1", one: b"2"}
            add(
                f"by a dishonest signer: the name {one!a} beside a/b",
                package(files, seal.Recipient.of(RECEIVER, Kem.X25519)),
            )
    return out


def _write() -> None:
    base = package(_SMALL, seal.Recipient.of(RECEIVER, Kem.X25519), ledger=_LEDGER, title="A model")
    told = {
        "identities": [
            {
                "secret": bytes([n]).hex() * 32,
                "identity": who.export().strip(),
                "public": who.public,
                "recipient": {kem.name.lower(): seal.Recipient.of(who, kem).export().strip() for kem in Kem},
            }
            for n, who in ((1, OWNER), (2, RECEIVER), (3, OTHER))
        ],
        "rooms": [
            [n, reference.room(n)] for n in (0, 1, 255, 256, 257, 511, 513, 1000, 65537, 2**31 - 1, 2**40 + 1)
        ],
        "good": [
            _good("one file, hybrid", {"a": b"text"}, RECEIVER, kem=Kem.HYBRID),
            _good("one file, X25519", {"a": b"text"}, RECEIVER, kem=Kem.X25519),
            _good(
                "three files, three pieces, everything",
                _SMALL,
                RECEIVER,
                OTHER,
                kem=Kem.X25519,
                ledger=_LEDGER,
                title="A model",
                series="model",
                card="# Card\n",
                configuration='{"layers": 2}',
                folders=["none"],
            ),
            _good("a file of nothing", {"a": b""}, RECEIVER, kem=Kem.X25519),
            _good("whole pieces", {"a": bytes(2048)}, OTHER, kem=Kem.X25519, sequence=2**53 - 1),
        ],
        "bad": _bad(base),
    }
    FILE.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write()

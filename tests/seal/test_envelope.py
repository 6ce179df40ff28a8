"""Packages: who can open what, what a dishonest recipient or signer can do, what an outsider sees."""

from __future__ import annotations

import io
import pickle
import re

import pytest

from masquerade import crypto, seal
from masquerade.crypto import Kem
from masquerade.dp.accountant import Gaussian, Sampled
from masquerade.errors import BadInput, KeyProblem, Tampered
from masquerade.keys import Identity
from masquerade.seal import Paid, envelope
from masquerade.seal.envelope import room
from tests.seal.rig import (
    FILES,
    OTHER,
    OWNER,
    RECEIVER,
    entry,
    opened,
    package,
    rebuilt,
    signed,
    split,
    take_apart,
)

LEDGER = (
    Paid(
        "patients.canary",
        "person",
        3.0,
        1e-5,
        2.5,
        ((Sampled(0.01, Gaussian(1.1)), 1000), (Gaussian(4.0), 2)),
    ),
    Paid("visits", "visit", 1.0, 0.0, float("inf")),
)


def test_manifest_and_texts_come_back() -> None:
    data = package(
        FILES, title="A model", series="canary series", card="# Card\n", configuration='{"a": 1.5}',
        ledger=LEDGER, folders=["model/none", "leer"],
    )  # fmt: skip
    cover = seal.inspect(io.BytesIO(data))
    assert cover.signer == OWNER.public
    assert cover.recipients == (RECEIVER.public,)
    assert (cover.public.title, cover.public.sequence) == ("A model", 5)
    assert [price.epsilon for price in cover.public.budget] == [3.0, 1.0]
    assert b"canary" not in data
    manifest = seal.open(io.BytesIO(data), RECEIVER, OWNER.public).manifest
    assert manifest.ledger == LEDGER
    assert manifest.folders == ("model/none", "leer")
    assert (manifest.series, manifest.card, manifest.configuration) == (
        "canary series",
        "# Card\n",
        '{"a": 1.5}',
    )


def test_another_than_the_recipients_is_refused() -> None:
    with pytest.raises(KeyProblem, match="not sealed to"):
        opened(package(), OTHER)
    with pytest.raises(KeyProblem, match="not sealed to"):
        opened(package(), OWNER)  # nor can the signer open it


def test_another_signer_is_refused() -> None:
    with pytest.raises(KeyProblem, match="signed it, and not"):
        opened(package(by=OTHER))
    _, header, rest = split(package())
    with pytest.raises(KeyProblem):
        opened(signed(header, rest, OTHER))
    with pytest.raises(Tampered):  # and a header under another signer's name opens for nobody
        opened(signed(header, rest, OTHER), signer=OTHER.public)
    data = package()
    with pytest.raises(Tampered, match="signature"):
        opened(data[:12] + OTHER.signer.public + data[44:], signer=OTHER.public)


def test_nothing_is_parsed_before_the_signature_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    def parsed(*_: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(envelope, "_read_header", parsed)
    data = PACKED
    for at in (12, 50, 108, 150, 400):
        with pytest.raises(Tampered):
            seal.inspect(io.BytesIO(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]))


PACKED = package()


def test_a_recipient_cannot_change_what_another_gets() -> None:
    """It knows the file key, and makes a piece that authenticates: the digest, which is signed, does not."""
    data = package(FILES, seal.Recipient.of(RECEIVER), seal.Recipient.of(OTHER))
    prelude, header, rest = split(data)
    fields = take_apart(header)
    start = 2 + 32
    sent = fields["stanzas"][start : start + 32 + Kem.HYBRID.added]
    info = envelope._info(RECEIVER.signer.public, OWNER.signer.public)
    file_key = RECEIVER.receiver.open(Kem.HYBRID, sent, info)
    pieces = crypto.Pieces(crypto.derive(file_key, "masquerade seal payload"))
    forged = bytearray(1024 + 16)
    pieces.seal_into(0, False, bytes(1024), forged)
    with pytest.raises(Tampered, match="piece 1 of 3"):
        opened(prelude + header + bytes(forged) + rest[1040:], OTHER)
    digests = len(rest) - 3 * 32
    rest = bytes(forged) + rest[1040:digests] + crypto.blake3(bytes(forged)) + rest[digests + 32 :]
    with pytest.raises(Tampered, match="digests"):
        opened(prelude + header + rest, OTHER)


def test_a_package_cannot_be_sealed_on_under_its_signers_name() -> None:
    """Who opens it cannot name another recipient: recipients stand in what is signed."""
    prelude, header, rest = split(package())
    fields = take_apart(header)
    stanza = fields["stanzas"]
    fields["stanzas"] = stanza[:2] + OTHER.signer.public + stanza[34:]
    with pytest.raises(Tampered, match="signature"):
        opened(prelude + b"".join(fields.values()) + rest, OTHER)
    with pytest.raises(Tampered, match="wrapped key"):  # nor could the signer move a stanza to another
        opened(signed(b"".join(fields.values()), rest), OTHER)


def test_a_signer_cannot_give_recipients_different_keys() -> None:
    fields = take_apart(split(package())[1])
    info = envelope._info(RECEIVER.signer.public, OWNER.signer.public)
    recipient = seal.Recipient.of(RECEIVER)
    sent = crypto.send(recipient.kem, recipient.key, bytes(32), info)
    with pytest.raises(Tampered, match="different keys"):
        opened(rebuilt(package(), stanzas=fields["stanzas"][:34] + sent))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("exponent", b"\x09"),
        ("exponent", b"\x15"),
        ("exponent", b"\x0b"),
        ("count", b"\x00"),
        ("count", b"\x02"),
        ("size", bytes(8)),
        ("size", b"\xff" * 8),
        ("size", (2304 + 11).to_bytes(8, "little")),
        ("public size", b"\xff\xff\xff\xff"),
        ("public size", bytes(4)),
        ("sealed size", bytes(4)),
        ("sealed", b""),
        ("digest", bytes(32)),
        ("commitment", bytes(32)),
        ("public", b'{"budget":[],"sequence":6,"title":"" }'),
        ("public", b'{"budget":[],"sequence":6,"sequence":6,"title":""}'),
        ("public", b'{"budget":[],"sequence":6.0,"title":""}'),
        ("public", b'{"budget":[],"sequence":-1,"title":""}'),
        ("public", b'{"budget":{},"sequence":6,"title":""}'),
        ("public", b'{"budget":[],"more":1,"sequence":6,"title":""}'),
        ("public", b'{"budget":[],"sequence":6,"title":"\\u001b[31m"}'),
        ("public", b"[" * 100_000),
        ("public", b""),
        ("public", b"\xff"),
    ],
)
def test_what_a_dishonest_signer_writes_is_refused(name: str, change: bytes) -> None:
    changes = {name: change}
    if name == "public":
        changes["public size"] = len(change).to_bytes(4, "little")
    if name == "sealed":
        changes["sealed size"] = bytes(4)
    with pytest.raises((BadInput, Tampered)):
        opened(rebuilt(package(), **changes))


def test_a_stanza_twice_is_refused() -> None:
    stanzas = take_apart(split(PACKED)[1])["stanzas"]
    with pytest.raises(BadInput):
        opened(rebuilt(PACKED, count=b"\x02", stanzas=stanzas * 2))
    with pytest.raises(BadInput, match="newer kind"):
        opened(rebuilt(PACKED, stanzas=b"\x12\x34" + stanzas[2:]))


def test_a_header_without_end_is_refused_before_it_is_read() -> None:
    class Watched(io.BytesIO):
        most = 0

        def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
            Watched.most = max(Watched.most, len(buffer))
            return super().readinto(buffer)

    for size in (0xFFFFFFFF, (4 << 20) + 1):
        with pytest.raises(BadInput, match="at most"):
            seal.inspect(Watched(PACKED[:8] + size.to_bytes(4, "little") + PACKED[12:]))
    with pytest.raises(Tampered):  # longer than the file
        seal.inspect(Watched(PACKED[:8] + (4 << 20).to_bytes(4, "little") + PACKED[12:]))
    assert Watched.most == 108


def test_what_is_no_package_is_said_to_be_none() -> None:
    for data in (b"", b"mqseal1\n", b"PK\x03\x04" + bytes(500), b"mqseal2\n" + PACKED[8:]):
        with pytest.raises(BadInput, match="no package"):
            seal.inspect(io.BytesIO(data))


def test_what_stands_behind_the_last_file_is_zeros() -> None:
    data = package({"a": b"x" * 1030})
    _, header, rest = split(data)
    fields = take_apart(header)
    info = envelope._info(RECEIVER.signer.public, OWNER.signer.public)
    file_key = RECEIVER.receiver.open(Kem.HYBRID, fields["stanzas"][34:], info)
    pieces = crypto.Pieces(crypto.derive(file_key, "masquerade seal payload"))
    size = room(1030)
    assert size > 1030
    last = bytearray(size - 1024 + 16)
    pieces.seal_into(1, True, b"x" * 6 + b"\x01" * (size - 1030), last)
    digests = rest[-64:-32] + crypto.blake3(bytes(last))
    made = rebuilt(data, digest=crypto.blake3(digests))
    made = made[: -len(last) - 64] + bytes(last) + digests
    with pytest.raises(BadInput, match="behind its last file"):
        opened(made)


def test_only_the_pieces_of_a_range_are_read() -> None:
    data = package({"big": bytes(200 * 1024)})
    broken = bytearray(data)
    start = len(split(data)[0]) + len(split(data)[1])
    broken[start + 5] ^= 1
    found = seal.open(io.BytesIO(bytes(broken)), RECEIVER, OWNER.public)
    assert found.read("big", 1024 * 7 + 3, 5000) == bytes(5000)
    with pytest.raises(Tampered, match="piece 1 of"):
        found.read("big", 0, 1)
    assert found.read("big", 1024) == bytes(199 * 1024)
    for name, begin, size in (("big", -1, 1), ("big", 0, 1 << 20), ("big", 5, -1), ("small", 0, 1)):
        with pytest.raises(BadInput):
            found.read(name, begin, size)


def test_files_that_change_while_they_are_sealed_are_noticed() -> None:
    for claimed in (4, 6):
        grown = seal.Entry("a", claimed, lambda: io.BytesIO(b"12345"))
        with pytest.raises(BadInput, match="changed its size"):
            seal.seal(
                io.BytesIO(), [grown, entry("b", b"more")], [seal.Recipient.of(RECEIVER)], OWNER, sequence=1
            )


def test_every_file_is_closed() -> None:
    files = [io.BytesIO(b"123"), io.BytesIO(b"4567")]
    entries = [
        seal.Entry(f"f{i}", size, lambda f=f: f)
        for i, (f, size) in enumerate(zip(files, (3, 9), strict=True))
    ]
    with pytest.raises(BadInput):
        seal.seal(io.BytesIO(), entries, [seal.Recipient.of(RECEIVER)], OWNER, sequence=1)
    assert all(file.closed for file in files)


def test_recipients_are_one_to_many_and_each_once() -> None:
    own = seal.Recipient.of(RECEIVER)
    for recipients, why in (([], "1 to"), ([own, own], "twice"), ([own] * 65, "1 to")):
        with pytest.raises(KeyProblem, match=why):
            seal.seal(io.BytesIO(), [entry("a", b"")], recipients, OWNER, sequence=1)


@pytest.mark.parametrize(
    "more",
    [
        {"piece_bytes": 1000},
        {"piece_bytes": 1 << 21},
        {"sequence": -1},
        {"sequence": 1 << 60},
        {"title": "two\nlines"},
        {"title": "x" * 2000},
        {"title": "\ud800"},
        {"card": "x" * ((1 << 20) + 1)},
        {"series": "\ud800"},
        {"ledger": [Paid("a", "u", 0.0, 0.0, 0.0)]},
        {"ledger": [Paid("a", "u", 1.0, 0.0, float("nan"))]},
        {"ledger": [Paid("a", "u\x1b", 1.0, 0.0, 0.0)]},
    ],
)
def test_what_is_refused_is_refused_when_it_is_sealed(more: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        package(**more)


def test_without_ml_kem_packages_are_sealed_by_x25519(monkeypatch: pytest.MonkeyPatch) -> None:
    hybrid = package()
    monkeypatch.setattr(crypto, "has_hybrid", lambda: False)
    assert seal.Recipient.of(RECEIVER).kem is Kem.X25519
    assert opened(package()) == FILES
    with pytest.raises(KeyProblem, match="no ML-KEM"):
        opened(hybrid)
    with pytest.raises(KeyProblem, match="no ML-KEM"):
        seal.Recipient.of(RECEIVER, Kem.HYBRID)


def test_sizes_are_told_roughly() -> None:
    """Padmé: at most 12 % more, and as many sizes as the logarithm has steps."""
    seen = set()
    for size in range(100_000):
        assert size <= room(size) <= max(256, size * 1.12)
        assert room(room(size)) == room(size)
        seen.add(room(size))
    assert len(seen) < 300
    sizes = {len(package({"model/a.bin": bytes(n)})) for n in range(4900, 5000)}
    assert len(sizes) == 1
    assert len({len(package({"a" * n: b"x"})) for n in range(1, 100)}) == 1  # nor names, as long as few


def test_no_secret_is_shown_or_pickled() -> None:
    secret = re.compile("|".join(("02" * 8, "canary", "mqi1-")))
    found = seal.open(io.BytesIO(PACKED), RECEIVER, OWNER.public)
    shown = [repr(x) for x in (found, RECEIVER, seal.Recipient.of(RECEIVER), found.cover)]
    assert not any(secret.search(text) for text in shown)
    for holder in (found, RECEIVER):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(holder)


def test_an_identity_of_before_is_the_same_person() -> None:
    """What was made for secure sums seals and opens: its signing key is what it was."""
    secret = bytes(range(32))
    assert Identity(secret).public == crypto.Signer(secret).public.hex()
    again = Identity.parse(Identity(secret).export())
    assert opened(package(FILES, again), again) == FILES


def test_a_header_has_nothing_behind_its_end() -> None:
    _, header, rest = split(PACKED)
    with pytest.raises(BadInput, match="header is not written"):
        seal.inspect(io.BytesIO(signed(header + b"\0", rest)))


def test_an_outsider_too_sees_sizes_that_are_padded_only() -> None:
    data = package({"a": bytes(1500)})
    size = room(1500)
    _, header, _ = split(data)
    assert take_apart(header)["size"] == size.to_bytes(8, "little")
    shorter = rebuilt(data, size=(size - 1).to_bytes(8, "little"))
    with pytest.raises(BadInput, match="header is not written"):
        seal.inspect(io.BytesIO(shorter[: -64 - 1] + shorter[-64:]))


def test_a_manifest_is_padded() -> None:
    fields = take_apart(split(PACKED)[1])
    info = envelope._info(RECEIVER.signer.public, OWNER.signer.public)
    file_key = RECEIVER.receiver.open(Kem.HYBRID, fields["stanzas"][34:], info)
    key = crypto.derive(file_key, "masquerade seal manifest")
    hidden = crypto.open_once(key, fields["sealed"])
    for other in (hidden.rstrip(b"\0"), hidden + b"\0" * 256):
        sealed = crypto.seal_once(key, other)
        with pytest.raises(BadInput, match="header is not written"):
            opened(rebuilt(PACKED, **{"sealed": sealed, "sealed size": len(sealed).to_bytes(4, "little")}))
    whole = {"sealed": crypto.seal_once(key, hidden), "sealed size": fields["sealed size"]}
    assert opened(rebuilt(PACKED, **whole)) == FILES

"""Sealed packages: what comes back, what is refused, and the vectors of docs/spec/seal.md."""

from __future__ import annotations

import io
import json
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from masquerade import crypto
from masquerade.errors import BadInput, KeyProblem, MasqueradeError, Tampered
from masquerade.keys import Identity, Recipient
from masquerade.seal.envelope import MAGIC, PIECE_BYTES, Sealed, seal
from masquerade.seal.manifest import Member
from tests.seal import reference

ALICE, BOB, EVE = (Identity(bytes([n]) * 32) for n in (1, 2, 3))
CANARY = b"canary 4242"
VECTORS = Path(__file__).parent.parent / "vectors" / "seal.json"


def sealed(files: dict[str, bytes], **more: Any) -> bytes:
    options: dict[str, Any] = {"to": [BOB.recipient], "sign": ALICE, "name": "a model", "number": 7, **more}
    members = [(Member(name, len(data)), io.BytesIO(data)) for name, data in files.items()]
    return b"".join(bytes(piece) for piece in seal(members, **options))


def opened(package: bytes, identity: Identity = BOB, signer: Identity = ALICE) -> dict[str, bytes]:
    file = io.BytesIO(package)
    files: dict[str, bytes] = {}
    for member, piece in Sealed.read(file).open(identity, signer.recipient).chunks(file):
        files[member.name] = files.get(member.name, b"") + bytes(piece)
    return files


EDGE = st.sampled_from([0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 40), EDGE), max_size=4))
def test_what_is_sealed_comes_back(sizes: list[int]) -> None:
    files = {f"folder/{i}": bytes([i + 1]) * size for i, size in enumerate(sizes)}
    package = sealed(files)
    assert opened(package) == files
    assert reference.read(package, bytes([2]) * 32, ALICE.signer.public) == files


SMALL = sealed({"weights": CANARY, "card.md": b"#"}, about={"epsilon": 3.0})


@pytest.mark.parametrize("bit", [0, 7])
def test_every_flipped_byte_is_refused(bit: int) -> None:
    for at in range(len(SMALL)):
        changed = bytearray(SMALL)
        changed[at] ^= 1 << bit
        with pytest.raises(MasqueradeError) as caught:
            opened(bytes(changed))
        assert CANARY.decode() not in str(caught.value)


def test_every_cut_and_anything_behind_is_refused() -> None:
    for end in range(len(SMALL)):
        with pytest.raises(MasqueradeError):
            opened(SMALL[:end])
    with pytest.raises(Tampered, match="behind its end"):
        opened(SMALL + b"\0")


def pieces_of(package: bytes) -> tuple[bytes, list[bytes], bytes]:
    start = Sealed.read(io.BytesIO(package)).start
    body, step = package[start:-64], PIECE_BYTES + crypto.TAG_BYTES
    return package[:start], [body[at : at + step] for at in range(0, len(body), step)], package[-64:]


def test_pieces_that_were_moved_are_refused_before_they_are_given_out() -> None:
    big = bytes(PIECE_BYTES) + b"\1" * PIECE_BYTES + b"\2" * 9
    head, pieces, end = pieces_of(sealed({"x": big}))
    other = pieces_of(sealed({"x": big}))[1]
    for wrong in (
        [pieces[1], pieces[0], pieces[2]], pieces[:2], [pieces[0], pieces[2]], [*pieces, pieces[2]],
        [pieces[0], pieces[0], pieces[2]], [pieces[0], other[1], pieces[2]],
    ):  # fmt: skip
        seen = 0
        file = io.BytesIO(head + b"".join(wrong) + end)
        with pytest.raises(Tampered):
            for _, piece in Sealed.read(file).open(BOB, ALICE.recipient).chunks(file):
                assert bytes(piece) == big[seen : seen + len(piece)]
                seen += len(piece)


def test_a_recipient_cannot_put_something_else_under_the_signer_s_head() -> None:
    """He has the file key; he has not the signer's identity."""
    package = sealed({"x": b"true."}, to=[BOB.recipient, EVE.recipient])
    known = Sealed.read(io.BytesIO(package))
    (capsule,) = [each.capsule for each in known.manifest.recipients if each.recipient == EVE.recipient.id]
    file_key = EVE.capsules.open(capsule, b"masquerade seal file key" + ALICE.signer.public)
    pieces = crypto.Pieces(crypto.derive(file_key, "masquerade seal payload", crypto.sha256(known.head)))
    forged = bytearray(5 + crypto.TAG_BYTES)
    pieces.seal_into(0, True, b"false", forged)
    with pytest.raises(Tampered, match="signer's signature"):
        opened(package[: known.start] + bytes(forged) + package[-64:])


def test_who_can_open_and_who_must_have_signed() -> None:
    package = sealed({"x": CANARY}, to=[BOB.recipient, EVE.recipient])
    assert opened(package, EVE) == opened(package, BOB) == {"x": CANARY}
    with pytest.raises(KeyProblem, match=f"not for {ALICE.recipient.id}"):
        opened(package, ALICE)
    with pytest.raises(KeyProblem, match="somebody else made it"):
        opened(package, BOB, EVE)
    with pytest.raises(BadInput, match="one recipient or more"):
        sealed({}, to=[])
    with pytest.raises(BadInput, match="each once"):
        sealed({}, to=[BOB.recipient, BOB.recipient])


def test_nothing_of_the_inside_is_outside() -> None:
    package = sealed({"the name of a patient": CANARY * 9})
    assert CANARY not in package and b"patient" not in package
    read = Sealed.read(io.BytesIO(package))
    assert CANARY.decode() not in repr(read) and "patient" not in repr(read.open(BOB, ALICE.recipient))
    assert package != sealed({"the name of a patient": CANARY * 9}), "a fresh key each time"


def test_a_head_that_says_it_is_huge_is_not_read() -> None:
    class Endless(io.RawIOBase):
        asked = 0

        def read(self, size: int = -1) -> bytes:
            self.asked += size
            assert self.asked < 1 << 16
            return (MAGIC + bytes(32) + b"\xff\xff\xff\xff" + bytes(size))[:size]

    with pytest.raises(Tampered, match="larger than any"):
        Sealed.read(Endless())
    with pytest.raises(BadInput, match="larger than 1 MiB"):
        sealed({}, about={"x": "y" * (1 << 20)})


def resigned(change: Any) -> bytes:
    """The small package, its manifest changed and signed again: only its form can be refused."""
    known = Sealed.read(io.BytesIO(SMALL))
    told = json.loads(known.head[44:])
    encoded = change(told)
    head = MAGIC + ALICE.signer.public + len(encoded).to_bytes(4, "big") + encoded
    return head + ALICE.signer.sign(b"masquerade seal head" + crypto.sha256(head)) + SMALL[known.start :]


def compact(told: Any) -> bytes:
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_heads_in_another_encoding_or_form_are_refused() -> None:
    assert resigned(compact)[: len(SMALL) // 2] == SMALL[: len(SMALL) // 2]
    wrong: list[Any] = [
        lambda told: json.dumps(told).encode(),
        lambda told: compact(told) + b" ",
        lambda told: compact({**told, "more": 1}),
        lambda told: compact({**told, "number": "7"}),
        lambda told: compact({**told, "number": True}),
        lambda told: compact({**told, "payload": 1.0}),
        lambda told: compact({**told, "recipients": 1}),
        lambda told: compact({**told, "index": "?"}),
        lambda told: compact({name: told[name] for name in told if name != "about"}),
        lambda told: b"[" * 5000 + b"]" * 5000,
        lambda told: b"\xff",
        lambda told: b"",
    ]
    for change in wrong:
        with pytest.raises(Tampered):
            Sealed.read(io.BytesIO(resigned(change)))
    for change in (
        lambda told: compact({**told, "recipients": []}),
        lambda told: compact({**told, "masquerade": 2}),
        lambda told: compact({**told, "name": ""}),
    ):
        with pytest.raises(BadInput):
            Sealed.read(io.BytesIO(resigned(change)))
    edited = resigned(lambda told: compact({**told, "about": {"epsilon": 0.1}}))
    with pytest.raises(Tampered):
        opened(edited)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_range_is_read_without_the_rest(data: st.DataObject) -> None:
    files = {"a": b"\1" * 5, "b": bytes(range(256)) * 8200, "c": b"", "d": b"\2" * 7}
    package = sealed(files)

    class Counting(io.BytesIO):
        seen = 0

        def read(self, size: int | None = -1) -> bytes:
            some = super().read(size)
            self.seen += len(some)
            return some

    file = Counting(package)
    inside = Sealed.read(file).open(BOB, ALICE.recipient)
    name = data.draw(st.sampled_from(sorted(files)))
    start = data.draw(st.integers(0, len(files[name])))
    stop = data.draw(st.integers(start, len(files[name])))
    file.seen = 0
    assert inside.range(file, name, start, stop) == files[name][start:stop]
    assert file.seen <= (stop - start) + 2 * (PIECE_BYTES + 16)
    with pytest.raises(BadInput, match="no file of this name"):
        inside.range(file, "e")
    with pytest.raises(BadInput, match="has bytes"):
        inside.range(file, name, 0, len(files[name]) + 1)


class Zeros:
    """A file of zeros that takes no memory."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        count = min(size, self.left)
        self.left -= count
        return bytes(count)


def test_memory_does_not_grow_with_the_payload() -> None:
    size = 200 << 20
    tracemalloc.start()
    for _ in seal([(Member("x", size), Zeros(size))], to=[BOB.recipient], sign=ALICE, name="x", number=0):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


@pytest.mark.parametrize(("said", "there"), [(5, 4), (5, 6), (0, 1)])
def test_a_file_that_changes_while_it_is_sealed_is_refused(said: int, there: int) -> None:
    with pytest.raises(BadInput, match=r"became (shorter|longer)"):
        list(seal([(Member("x", said), Zeros(there))], to=[BOB.recipient], sign=ALICE, name="x", number=0))


# -- keys ------------------------------------------------------------------------------------------------


def test_recipients_are_written_and_read() -> None:
    line = BOB.recipient.export()
    assert Recipient.parse(f"# Bob\n{line}") == BOB.recipient and len(line) < 2100
    assert hash(Recipient.parse(line)) == hash(BOB.recipient) and BOB.recipient.id in repr(BOB.recipient)
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    for at in range(5, len(line) - 1, 37):
        other = letters[(letters.index(line[at]) + 1) % 32]
        with pytest.raises(KeyProblem):
            Recipient.parse(line[:at] + other + line[at + 1 :])
    for wrong in ("", line + line, BOB.export(), "mqr1-", "mqr1-a1", line[:100]):
        with pytest.raises(KeyProblem) as caught:
            Recipient.parse(wrong)
        assert BOB.export().strip() not in str(caught.value)
    with pytest.raises(KeyProblem):
        Recipient(bytes(31), BOB.capsules.public)


def test_capsules_are_for_one() -> None:
    key, info = bytes(range(32)), b"info"
    capsule = crypto.encapsulate(BOB.capsules.public, key, info)
    assert len(capsule) == 32 + 1088 + 48
    assert BOB.capsules.open(capsule, info) == key
    for identity, told in ((EVE, info), (BOB, b"other")):
        with pytest.raises(Tampered):
            identity.capsules.open(capsule, told)
    for wrong in (b"", capsule[:-1], capsule + b"\0"):
        with pytest.raises(Tampered):
            BOB.capsules.open(wrong, info)
    short = crypto.encapsulate(BOB.capsules.public[:32], key, info)
    assert len(short) == 32 + 48, "X25519 alone, for whose library has no ML-KEM"
    for public in (b"", bytes(32), bytes(33), bytes(32 + 1184)):
        with pytest.raises(Tampered):
            crypto.encapsulate(public, key, info)


def test_digests_are_blake3() -> None:
    """The first of BLAKE3's own test vectors, test_vectors.json, and one of three blocks."""
    digest = crypto.Digest()
    assert digest.digest().hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    data = bytes(i % 251 for i in range(1024))
    for at in range(0, 1024, 100):
        digest.update(data[at : at + 100])
    assert digest.digest().hex() == "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"


# -- vectors ---------------------------------------------------------------------------------------------

TOLD: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8")) if VECTORS.exists() else {}


@pytest.mark.parametrize("vector", TOLD.get("good", ()), ids=lambda vector: vector["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    package = bytes.fromhex(vector["package"])
    files = {name: bytes.fromhex(data) for name, data in vector["files"].items()}
    signer = Identity.parse(TOLD["signer"])
    assert opened(package, Identity.parse(vector["identity"]), signer) == files
    secret = bytes([vector["secret"]]) * 32
    assert reference.read(package, secret, signer.signer.public) == files
    assert reference.recipient(secret)[0] == vector["recipient"]


@pytest.mark.parametrize("vector", TOLD.get("bad", ()), ids=lambda vector: vector["name"])
def test_bad_vectors(vector: dict[str, Any]) -> None:
    package = bytes.fromhex(vector["package"])
    identity, signer = Identity.parse(TOLD["good"][0]["identity"]), Identity.parse(TOLD["signer"])
    with pytest.raises(MasqueradeError):
        opened(package, identity, signer)
    if vector["form"]:
        with pytest.raises(Exception):  # noqa: B017 - the reference refuses by whatever breaks
            reference.read(package, bytes([2]) * 32, signer.signer.public)


def write_vectors() -> None:
    good = [
        {
            "name": name, "identity": identity.export().strip(), "secret": secret,
            "recipient": identity.recipient.id,
            "files": {member: data.hex() for member, data in files.items()},
            "package": sealed(files, to=[identity.recipient, ALICE.recipient], about={"about": "表"}).hex(),
        }
        for name, identity, secret, files in (
            ("two files", BOB, 2, {"model/weights": b"weights", "card.md": b"# card"}),
            ("nothing", EVE, 3, {}), ("an empty file", BOB, 2, {"empty": b""}),
        )
    ]  # fmt: skip
    whole = bytes.fromhex(good[0]["package"])  # type: ignore[arg-type]
    start = Sealed.read(io.BytesIO(whole)).start
    flipped = bytearray(whole)
    flipped[start + 3] ^= 1
    swapped = MAGIC + EVE.signer.public + whole[40:]
    spaced = resigned(lambda told: json.dumps(told).encode())
    bad = [
        {"name": "cut", "package": whole[:-1].hex(), "form": True},
        {"name": "goes on", "package": (whole + b"\0").hex(), "form": True},
        {"name": "a byte of the payload", "package": bytes(flipped).hex(), "form": True},
        {"name": "another signer named", "package": swapped.hex(), "form": True},
        {"name": "no signature of the payload", "package": (whole[:-64] + bytes(64)).hex(), "form": True},
        {"name": "not for this identity", "package": good[1]["package"], "form": True},
        {"name": "a head in another encoding", "package": spaced.hex(), "form": True},
    ]  # fmt: skip
    told = {"about": "Vectors for docs/spec/seal.md. Never use these keys.", "signer": ALICE.export().strip()}
    VECTORS.write_text(json.dumps({**told, "good": good, "bad": bad}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write_vectors()

"""Law 8: open(seal(x)) == x; a package with any byte flipped, dropped, swapped or cut off is refused, before
anything of the piece that it lies in is given."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade import seal
from masquerade.crypto import Kem
from masquerade.errors import BadInput, KeyProblem, MasqueradeError, Tampered
from tests.seal.rig import FILES, OTHER, OWNER, RECEIVER, opened, package

SMALL = {"a/weights": bytes(range(256)) * 10, "b": b"short"}
PACKAGE = package(SMALL, seal.Recipient.of(RECEIVER, Kem.X25519), title="T")
PLAIN = b"".join(SMALL.values())
REFUSED = (Tampered, BadInput, KeyProblem)

names = st.lists(st.text("abcxyz", min_size=1, max_size=4), min_size=1, max_size=3).map("/".join)


@given(
    files=st.dictionaries(names.map(lambda name: "f/" + name + ".x"), st.binary(max_size=5000), max_size=4),
    last=st.binary(max_size=3000),
    exponent=st.integers(10, 20),
    hybrid=st.booleans(),
    others=st.integers(0, 2),
)
@settings(max_examples=60, deadline=None)
def test_what_is_opened_is_what_was_sealed(
    files: dict[str, bytes], last: bytes, exponent: int, hybrid: bool, others: int
) -> None:
    files = {**files, "last": last}
    kem = Kem.HYBRID if hybrid else Kem.X25519
    to = [seal.Recipient.of(who, kem) for who in (RECEIVER, OTHER, OWNER)[: 1 + others]]
    data = package(files, *to, piece_bytes=1 << exponent)
    assert opened(data) == files
    for who in (OTHER, OWNER)[:others]:
        assert opened(data, who) == files


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_range_is_that_of_the_file(data: st.DataObject) -> None:
    whole = seal.open(io.BytesIO(PACKAGE), RECEIVER, OWNER.public)
    for _ in range(5):
        name = data.draw(st.sampled_from(sorted(SMALL)))
        start = data.draw(st.integers(0, len(SMALL[name])))
        size = data.draw(st.integers(0, len(SMALL[name]) - start))
        assert whole.read(name, start, size) == SMALL[name][start : start + size]


def given_before_refusal(data: bytes) -> tuple[bytes, MasqueradeError]:
    """What an opener gives of a package that it refuses, and how it refuses."""
    out = b""
    try:
        found = seal.open(io.BytesIO(data), RECEIVER, OWNER.public)
        for member in found.manifest.members:
            for part in found.parts(member.name):
                out += part
        found.finish()
    except REFUSED as problem:
        return out, problem
    raise AssertionError("a package that was changed was opened")


def head_bytes() -> int:
    return 108 + int.from_bytes(PACKAGE[8:12], "little")


@pytest.mark.parametrize("bit", [0x01, 0x80, 0xFF])
def test_every_byte_that_is_flipped_is_noticed(bit: int) -> None:
    """Whole pieces before it may have been given, and nothing of the one that it lies in."""
    payload = head_bytes()
    for at in range(len(PACKAGE)):
        changed = PACKAGE[:at] + bytes([PACKAGE[at] ^ bit]) + PACKAGE[at + 1 :]
        out, problem = given_before_refusal(changed)
        piece = (at - payload) // (1024 + 16)
        in_payload = at >= payload and at < len(PACKAGE) - 3 * 32
        assert out == (PLAIN[: piece * 1024] if in_payload else b""), at
        assert "weights" not in str(problem) + repr(problem)


def test_every_length_but_its_own_is_refused_at_once() -> None:
    for at in range(len(PACKAGE)):
        assert given_before_refusal(PACKAGE[:at])[0] == b""  # cut off
        assert given_before_refusal(PACKAGE[:at] + PACKAGE[at + 1 :])[0] == b""  # dropped
        assert given_before_refusal(PACKAGE[:at] + b"\0" + PACKAGE[at:])[0] == b""  # put in between


def test_every_pair_of_neighbours_that_is_swapped_is_noticed() -> None:
    payload = head_bytes()
    for at in range(len(PACKAGE) - 1):
        a, b = PACKAGE[at : at + 2]
        if a != b:
            out, _ = given_before_refusal(PACKAGE[:at] + bytes([b, a]) + PACKAGE[at + 2 :])
            piece = (at - payload) // (1024 + 16) if payload <= at < len(PACKAGE) - 3 * 32 - 1 else 0
            assert out == PLAIN[: piece * 1024], at


def test_pieces_that_change_places_are_noticed_with_their_digests_too() -> None:
    head, size = head_bytes(), 1024 + 16
    pieces = [PACKAGE[head + i * size : head + (i + 1) * size] for i in range(2)]
    digests = len(PACKAGE) - 3 * 32
    swapped = PACKAGE[:head] + pieces[1] + pieces[0] + PACKAGE[head + 2 * size :]
    assert given_before_refusal(swapped)[0] == b""
    both = swapped[:digests] + swapped[digests + 32 : digests + 64] + swapped[digests : digests + 32]
    both += swapped[digests + 64 :]
    assert given_before_refusal(both)[0] == b""


def test_pieces_of_another_package_are_noticed() -> None:
    again = package(SMALL, seal.Recipient.of(RECEIVER, Kem.X25519), title="T")
    head = head_bytes()
    for a, b in ((PACKAGE, again), (again, PACKAGE)):
        assert given_before_refusal(a[:head] + b[head:])[0] == b""
        assert (
            given_before_refusal(a[: head + 1040] + b[head + 1040 : head + 2080] + a[head + 2080 :])[0]
            == PLAIN[:1024]
        )


def test_two_packages_of_the_same_have_nothing_in_common_but_what_is_open() -> None:
    one, two = package(FILES), package(FILES)
    assert opened(one) == opened(two) == FILES
    assert one[-96:] != two[-96:]
    assert b"weights" not in one
    assert b"canary" not in one

"""Recipients: one line of text, signed by the identity that it belongs to."""

from __future__ import annotations

import pytest

from masquerade import seal
from masquerade.crypto import Kem, send
from masquerade.errors import KeyProblem, Tampered
from masquerade.keys import from_text, to_text
from tests.seal.rig import OTHER, RECEIVER


@pytest.mark.parametrize("kem", list(Kem))
def test_a_recipient_comes_back(kem: Kem) -> None:
    one = seal.Recipient.of(RECEIVER, kem)
    text = one.export()
    assert seal.Recipient.parse(f"# of the receiver\n{text}  \n") == one
    assert one.identity.hex() == RECEIVER.public
    assert text.startswith("mqr1-")
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("kem", list(Kem))
def test_every_symbol_that_is_changed_is_noticed(kem: Kem) -> None:
    text = seal.Recipient.of(RECEIVER, kem).export().strip()
    step = 1 if kem is Kem.X25519 else 7
    for at in range(0, len(text), step):
        for symbol in {"a", "7", "0", "é"} - {text[at]}:
            with pytest.raises(KeyProblem):
                seal.Recipient.parse(text[:at] + symbol + text[at + 1 :])
    for at in range(0, len(text), step):
        with pytest.raises(KeyProblem):
            seal.Recipient.parse(text[:at])
    for bad in ("", "# nothing", f"{text}\n{text}", text + "a", "mqi1-" + text[5:]):
        with pytest.raises(KeyProblem):
            seal.Recipient.parse(bad)


def test_a_key_of_another_under_ones_own_name_is_refused() -> None:
    own, other = seal.Recipient.of(RECEIVER), seal.Recipient.of(OTHER)
    for swapped in (
        seal.Recipient(own.identity, own.kem, other.key, own.signature),
        seal.Recipient(own.identity, own.kem, other.key, other.signature),
        seal.Recipient(other.identity, own.kem, own.key, own.signature),
    ):
        with pytest.raises(KeyProblem, match="signature"):
            seal.Recipient.parse(swapped.export())


def test_keys_that_are_made_to_be_broken_are_refused() -> None:
    for public in (bytes(32), b"\x01" + bytes(31)):
        with pytest.raises(Tampered, match="no usable key"):
            send(Kem.X25519, public, b"key", b"")
    good = RECEIVER.receiver.public(Kem.HYBRID)
    for public in (b"\xff" * 1216, good[:-32] + bytes(32), good[:-1]):
        with pytest.raises(Tampered, match="no usable key"):
            send(Kem.HYBRID, public, b"key", b"")


def test_text_of_bytes_has_one_spelling() -> None:
    for n in range(12):
        data = bytes(range(200, 200 + n))
        assert from_text(to_text(data)) == data
    for text in ("ab", "a", "aa=", "aaaaaaaa=", "0", "é"):
        if text != "aa":
            with pytest.raises(ValueError, match=r"(?i)."):
                assert to_text(from_text(text)) == text
                raise ValueError("spelled once")

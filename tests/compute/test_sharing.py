"""Shares: together they open, one fewer is uniform, and strangers' vectors agree."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade import crypto
from masquerade.compute import sharing
from masquerade.errors import BadInput
from tests.compute import reference
from tests.compute.rig import HIGH, LOW, chi_square

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "shamir.json").read_text(encoding="utf-8"))

DTYPES = (np.dtype(np.uint32), np.dtype(np.uint64))


def stream(label: str, size: int) -> bytes:
    """Reproducible bytes for tests."""
    key = crypto.sha256(label.encode())
    encryptor = Cipher(algorithms.AES(key), modes.CTR((2).to_bytes(16, "big"))).encryptor()
    return encryptor.update(bytes(size))


# -- additive ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(size=st.sampled_from([0, 1, 3, 1000, 65536, 70001]), holders=st.integers(2, 5))
@settings(max_examples=15, deadline=None)
def test_join_undoes_split(dtype: np.dtype, size: int, holders: int) -> None:  # type: ignore[type-arg]
    words = np.frombuffer(stream("words", size * dtype.itemsize), dtype)
    keys = sharing.share_keys(holders)
    shares = [sharing.split(words, keys), *(sharing.expand(key, size, dtype) for key in keys)]
    np.testing.assert_array_equal(sharing.join(shares), words)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_mask_is_the_keystream_read_little_endian(dtype: np.dtype) -> None:  # type: ignore[type-arg]
    key = bytes(range(16))
    for size in (1, 5, 65536, 65537, 200_001):
        expected = (
            Cipher(algorithms.AES(key), modes.CTR((2).to_bytes(16, "big")))
            .encryptor()
            .update(bytes(size * dtype.itemsize))
        )
        np.testing.assert_array_equal(
            sharing.expand(key, size, dtype), np.frombuffer(expected, dtype.newbyteorder("<"))
        )
        total = np.zeros(size, dtype)
        sharing.add_masks(total, [key, bytes(16)], subtract=[bytes(16), key])
        assert not total.any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(size=st.integers(1, 5000))
@settings(max_examples=20, deadline=None)
def test_an_aligned_copy_is_one(dtype: np.dtype, size: int) -> None:  # type: ignore[type-arg]
    words = np.frombuffer(stream("words", size * dtype.itemsize), dtype)
    copy = sharing.aligned(words)
    assert copy.dtype == dtype
    np.testing.assert_array_equal(copy, words)
    assert copy.ctypes.data % 64 == 0
    assert copy.flags.writeable
    assert not np.shares_memory(copy, words)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("missing", [0, 1, 2])
def test_any_two_of_three_shares_are_uniform(dtype: np.dtype, missing: int) -> None:  # type: ignore[type-arg]
    """Each, and each sum or difference of two, whatever was shared: here nothing but ones."""
    words = np.ones(100_000, dtype)
    keys = [stream(f"share {i}", 16) for i in (1, 2)]
    shares = [sharing.split(words, keys), *(sharing.expand(key, words.size, dtype) for key in keys)]
    left = [share for i, share in enumerate(shares) if i != missing]
    for view in (*left, left[0] + left[1], left[0] - left[1], left[0] ^ left[1]):
        assert LOW < chi_square(view.tobytes()) < HIGH


def test_views_are_the_same_for_any_secret() -> None:
    """Replayed: the shares that any two of three hold for x have randomness that gives the same for y."""
    x, y = (np.frombuffer(stream(name, 4000), np.uint32) for name in "xy")
    keys = [stream("a", 16), stream("b", 16)]
    first = sharing.split(x, keys)
    # Holders 1 and 2 hold keys only, which do not depend on the secret at all.
    # Holder 0 with 1 holds x - s1 - s2 and s1; y with the share s2' = s2 + (y - x) gives just that.
    second = y - sharing.expand(keys[0], 1000, y.dtype) - (sharing.expand(keys[1], 1000, y.dtype) + (y - x))
    np.testing.assert_array_equal(first, second)


def test_sharing_with_nobody_is_refused() -> None:
    words = np.zeros(3, np.uint32)
    with pytest.raises(BadInput, match="at least two"):
        sharing.split(words, [])
    with pytest.raises(BadInput, match="no shares"):
        sharing.join([])
    with pytest.raises(BadInput, match="differ"):
        sharing.join([words, np.zeros(4, np.uint32)])
    with pytest.raises(BadInput, match="differ"):
        sharing.join([words, np.zeros(3, np.uint64)])


# -- Shamir --------------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_threshold_of_the_holders_opens(data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(1, 255), min_size=1, max_size=20, unique=True))
    threshold = data.draw(st.integers(1, len(places)))
    secrets = np.frombuffer(stream("secret", 24), np.uint8).reshape(3, 8)
    shares = sharing.shamir_split(secrets, places, threshold)
    assert shares.shape == (len(places), 3, 8)
    held = data.draw(
        st.lists(st.sampled_from(range(len(places))), min_size=threshold, max_size=len(places), unique=True)
    )
    opened = sharing.shamir_join({places[i]: shares[i] for i in held})
    np.testing.assert_array_equal(opened, secrets)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_threshold_of_299_holders_opens(data: st.DataObject) -> None:
    """In 16 bits, wherever they stand; and none the less where few are there, all below 256."""
    most = data.draw(st.sampled_from([300, 65535]))
    places = data.draw(st.permutations(range(most - 298, most + 1)))[: data.draw(st.sampled_from([5, 299]))]
    threshold = data.draw(st.integers(1, len(places)))
    secrets = np.frombuffer(stream("secret", 48), "<u2").reshape(3, 8)
    shares = sharing.shamir_split(secrets, places, threshold)
    assert shares.shape == (len(places), 3, 8)
    assert shares.dtype == secrets.dtype
    first = data.draw(st.integers(0, len(places) - threshold))
    for held in (range(first, first + threshold), range(len(places))):
        opened = sharing.shamir_join({places[i]: shares[i] for i in held})
        np.testing.assert_array_equal(opened, secrets)
    if threshold > 1:
        short = sharing.shamir_join({places[i]: shares[i] for i in range(threshold - 1)})
        assert (short != secrets).any()  # 24 elements of 16 bits: equal by chance once in 2^384


@pytest.mark.parametrize("threshold", [2, 3, 180, 299])
def test_what_fewer_than_the_threshold_hold_fits_every_secret_equally(threshold: int) -> None:
    """Counted: beside fixed shares of threshold - 1 holders, one more opens every secret, each once."""
    places = list(range(300 - threshold, 300))
    seen = sharing.shamir_split(np.frombuffer(stream("secret", 2), "<u2"), places, threshold)
    shares = {place: np.repeat(share, 65536) for place, share in zip(places, seen, strict=True)}
    shares[places[0]] = np.arange(65536, dtype="<u2")
    assert len(np.unique(sharing.shamir_join(shares))) == 65536


def test_shares_of_16_bits_are_uniform_together() -> None:
    secrets = np.zeros(100_000, "<u2")
    shares = sharing.shamir_split(secrets, [1, 255, 256, 299, 65535], 3, stream("coefficients", 400_000))
    for i, j in combinations(range(5), 2):
        assert LOW < chi_square(shares[i].tobytes()) < HIGH
        assert LOW < chi_square((shares[i] ^ shares[j]).tobytes()) < HIGH


def test_a_full_house_opens() -> None:
    secrets = np.frombuffer(stream("s", 32), np.uint8)
    shares = sharing.shamir_split(secrets, 255, 170)
    opened = sharing.shamir_join({i + 1: shares[i] for i in range(255) if i % 3})
    np.testing.assert_array_equal(opened, secrets)


def test_one_share_fewer_fits_every_secret_equally() -> None:
    """Counted, not sampled: over all randomness, two of three shares take every value, each once."""
    seen: dict[int, set[tuple[int, int]]] = {}
    for secret in (0, 1, 0x8F):
        seen[secret] = set()
        for a in range(256):
            for b in (0, 77, 255):
                shares = sharing.shamir_split(np.array([secret], np.uint8), 3, 3, bytes([a, b]))
                seen[secret].add((int(shares[0, 0]), int(shares[1, 0])))
        assert len(seen[secret]) == 256 * 3
    every = np.arange(65536, dtype=np.uint32).astype(">u2")
    randomness = every.view(np.uint8).reshape(-1, 2).T.tobytes()
    for secret in (0, 1, 0x8F):
        shares = sharing.shamir_split(np.full(65536, secret, np.uint8), 3, 3, randomness)
        for i, j in combinations(range(3), 2):
            pairs = shares[i].astype(np.uint16) << 8 | shares[j]
            assert len(np.unique(pairs)) == 65536


def test_shares_below_the_threshold_are_uniform() -> None:
    secrets = np.zeros(100_000, np.uint8)
    shares = sharing.shamir_split(secrets, 5, 3, stream("coefficients", 200_000))
    for i, j in combinations(range(5), 2):
        assert LOW < chi_square(shares[i].tobytes()) < HIGH
        assert LOW < chi_square((shares[i] ^ shares[j]).tobytes()) < HIGH


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: str(vector["number"]))
def test_slip_0039(vector: dict) -> None:  # type: ignore[type-arg]
    """Satoshi Labs' vectors put the secret at 255 and, at 254, a digest of it under the bytes after it."""
    shares = {int(place): np.frombuffer(bytes.fromhex(v), np.uint8) for place, v in vector["shares"].items()}
    # Moving every place by x moves the value at x to 0, where shamir_join looks.
    secret = sharing.shamir_join({place ^ 255: share for place, share in shares.items()}).tobytes()
    digest = sharing.shamir_join({place ^ 254: share for place, share in shares.items()}).tobytes()
    assert secret.hex() == vector["secret"]
    assert crypto_hmac(digest[4:], secret)[:4] == digest[:4]


def crypto_hmac(key: bytes, message: bytes) -> bytes:
    import hmac

    return hmac.digest(key, message, "sha256")


def test_products_are_those_of_the_field() -> None:
    """FIPS 197, section 4.2: {57} times {83} is {c1}, {57} times {13} is {fe}."""
    table = sharing._products()
    assert table.shape == (256, 256)
    assert (table[0x57, 0x83], table[0x57, 0x13]) == (0xC1, 0xFE)
    np.testing.assert_array_equal(table, table.T)
    for row in range(1, 256):
        assert len(set(table[row].tolist())) == 256


elements = st.integers(0, 65535)


@given(elements, elements, elements)
@settings(max_examples=300, deadline=None)
def test_16_bits_are_a_field(a: int, b: int, c: int) -> None:
    def times(x: int, y: int) -> int:
        field = sharing._field(np.dtype(np.uint16))
        return int(field.times(np.array([x], np.uint16))(np.array([y], np.uint16))[0])

    assert times(a, b) == times(b, a) == reference.times(a, b, 16)
    assert times(a, times(b, c)) == times(times(a, b), c)
    assert times(a, b ^ c) == times(a, b) ^ times(a, c)
    assert (times(a, 1), times(a, 0)) == (a, 0)


def test_every_element_of_16_bits_has_an_inverse_of_its_own() -> None:
    """And x, of which the logarithms are, generates all 65,535: else the table would have gaps."""
    field = sharing._field(np.dtype(np.uint16))
    assert len(np.unique(field.powers[:65535])) == 65535
    every = np.arange(1, 65536, dtype=np.uint16)
    inverse = field.powers[65535 - field.logs[every]]
    assert (field.times(every)(inverse) == 1).all()
    assert len(np.unique(inverse)) == 65535
    assert not field.times(every)(np.zeros_like(every)).any()
    assert not field.times(np.zeros_like(every))(every).any()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: sharing.shamir_split(np.zeros(4, np.uint16), 65536, 2), "1 to 65535"),
        (lambda: sharing.shamir_split(np.zeros(4, np.uint16), 3, 2, bytes(4)), "needs 8 random bytes"),
        (lambda: sharing.shamir_split(np.zeros(4, np.uint32), 3, 2), "uint8 or uint16"),
        (lambda: sharing.shamir_join({1: np.zeros(4, np.int16)}), "uint8 or uint16"),
        (lambda: sharing.shamir_join({256: np.zeros(4, np.uint8)}), "1 to 255"),
        (lambda: sharing.shamir_join({1: np.zeros(4, np.uint8), 2: np.zeros(4, np.uint16)}), "differ"),
        (lambda: sharing.shamir_split(np.zeros(4, np.uint8), 3, 4), "1 to 3"),
        (lambda: sharing.shamir_split(np.zeros(4, np.uint8), 3, 0), "1 to 3"),
        (lambda: sharing.shamir_split(np.zeros(4, np.uint8), 256, 2), "1 to 255"),
        (lambda: sharing.shamir_split(np.zeros(4, np.uint8), [0, 1], 2), "1 to 255"),
        (lambda: sharing.shamir_split(np.zeros(4, np.uint8), [1, 1], 2), "different"),
        (lambda: sharing.shamir_split(np.zeros(4, np.uint8), [], 1), "at least one"),
        (lambda: sharing.shamir_split(np.zeros(4, np.uint8), 3, 2, bytes(5)), "needs 4 random bytes"),
        (lambda: sharing.shamir_join({}), "at least one"),
        (lambda: sharing.shamir_join({1: np.zeros(4, np.uint8), 2: np.zeros(5, np.uint8)}), "differ"),
    ],
)
def test_impossible_sharings_are_refused(make, told) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput, match=told):
        make()

"""The vault: everything comes back, nothing shows, and no changed byte goes unnoticed."""

from __future__ import annotations

import random
import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.errors import BadInput, KeyProblem, MasqueradeError, Tampered
from masquerade.keys import Key
from masquerade.mask.span import Fate
from masquerade.mask.surrogate import Surrogate
from masquerade.serve import vault as module
from masquerade.serve.vault import Vault

KEY = Key.generate()


def entry(i: int, fate: Fate = Fate.TOKEN) -> Surrogate:
    return Surrogate(f"[EMAIL_{i:010}]", f"{i:010}", f"canary{i}@example.com", "EMAIL", fate)


def filled(path: Path, n: int, key: Key = KEY, tenant: str = "default") -> Path:
    with Vault.create(path, key, tenant) as vault:
        for i in range(n):
            vault.put(entry(i))
        vault.notes["style"] = "ascii"
        vault.finish()
    return path


@pytest.mark.parametrize("n", [0, 1, 4095, 4096, 10_000])
def test_everything_comes_back(tmp_path: Path, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHED", 100)
    path = tmp_path / "v"
    with Vault.create(path, KEY, "acme") as vault:
        for i in range(n):
            vault.put(entry(i))
            vault.put(entry(i))
        assert all(vault.get(entry(i).needle) == entry(i) for i in range(n))
        assert vault.get("none") is None
        vault.finish()
    with Vault.open(path, KEY) as vault:
        assert all(vault.get(entry(i).needle) == entry(i) for i in reversed(range(n)))
        assert vault.get("none") is None
        assert (vault.count, vault.tenant, vault.key_id) == (n, "acme", KEY.id)
        assert vault.kinds == ({"EMAIL"} if n else set())
        assert len(vault._cache) <= 100
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(
    st.lists(
        st.tuples(st.text(), st.text(), st.text(), st.sampled_from(list(Fate))), unique_by=lambda e: e[1]
    )
)
@settings(max_examples=25, deadline=None)
def test_any_text_comes_back(entries: list[tuple[str, str, str, Fate]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        surrogates = [
            Surrogate(t, n.replace("\0", "-"), o, "PERSON", f) for t, n, o, f in entries if "\0" not in n
        ]
        with Vault.create(Path(folder, "v"), KEY) as vault:
            for one in surrogates:
                vault.put(one)
            vault.finish()
        with Vault.open(Path(folder, "v"), KEY) as vault:
            assert [vault.get(one.needle) for one in surrogates] == surrogates
            plausible = {one.needle for one in surrogates if one.fate is Fate.PLAUSIBLE}
            assert set(vault.plausible(1000)) == plausible


def test_nothing_private_is_in_the_file_or_in_a_repr(tmp_path: Path) -> None:
    path = filled(tmp_path / "v", 500, tenant="canary tenant")
    assert b"canary" not in path.read_bytes()
    with Vault.open(path, KEY) as vault:
        vault.get(entry(1).needle)
        assert "canary" not in repr(vault) + repr(vault.get(entry(1).needle))


def test_notes_come_back(tmp_path: Path) -> None:
    with Vault.open(filled(tmp_path / "v", 1), KEY) as vault:
        assert vault.notes == {"style": "ascii"}


def test_a_retired_key_still_opens(tmp_path: Path) -> None:
    path = filled(tmp_path / "v", 3)
    with Vault.open(path, KEY.rotate().rotate()) as vault:
        assert vault.get(entry(2).needle) == entry(2)


def test_the_wrong_key_is_told_which_one_is_needed(tmp_path: Path) -> None:
    other = Key.generate()
    with pytest.raises(KeyProblem, match=f"needs the key {KEY.id}.* this is {other.id}"):
        Vault.open(filled(tmp_path / "v", 3), other)


def test_two_vaults_of_one_value_have_nothing_in_common(tmp_path: Path) -> None:
    one, two = (
        sqlite3.connect(filled(tmp_path / name, 20)).execute("SELECT sealed FROM entry").fetchall()
        for name in ("a", "b")
    )
    assert not {*one} & {*two}


def test_any_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = filled(tmp_path / "v", 40)
    whole = path.read_bytes()
    places = [*random.Random(7).sample(range(len(whole)), 300), *range(len(whole) - 120, len(whole))]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises((Tampered, BadInput)) as caught:
            Vault.open(path, KEY)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 1, 15, 16, 50, 67, 68, 4096, -1, -28, -68, -69])
def test_a_cut_file_is_noticed(tmp_path: Path, kept: int) -> None:
    path = filled(tmp_path / "v", 40)
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    with pytest.raises((Tampered, BadInput)):
        Vault.open(path, KEY)
    path.write_bytes(whole + b"x")
    with pytest.raises(Tampered):
        Vault.open(path, KEY)


def refooted(path: Path, change: str, key: Key = KEY) -> None:
    """What an attacker with SQLite and without the key can do."""
    whole = path.read_bytes()
    body, footer = whole[: -module._FOOTER.size], whole[-module._FOOTER.size :]
    path.write_bytes(body)
    db = sqlite3.connect(path)
    db.executescript(change)
    db.close()
    body = path.read_bytes()
    head = footer[: module._HEAD_BYTES]
    bound = head + module.crypto.sha256(body + head)
    sealed = module.crypto.seal(module._header_key(key, b"x" * 16), b"", bound)
    path.write_bytes(body + bound + sealed)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM entry WHERE needle = '0000000003'",
        "DELETE FROM header",
        "UPDATE header SET sealed = x'00'",
        "ALTER TABLE header RENAME TO h; CREATE VIEW header AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL "
        "SELECT x + 1 FROM c) SELECT sealed FROM h, c WHERE x < 0",  # would never end
        "DROP TABLE entry",
        "SELECT 1",
    ],
)
def test_a_clever_change_is_noticed(tmp_path: Path, change: str) -> None:
    path = filled(tmp_path / "v", 40)
    refooted(path, change)
    with pytest.raises(Tampered):
        Vault.open(path, KEY)


def test_sqlite_reads_nothing_that_did_not_authenticate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled(tmp_path / "v", 4)
    refooted(path, "SELECT 1")
    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(Tampered):
        Vault.open(path, KEY)


def test_entries_cannot_change_places(tmp_path: Path) -> None:
    path = tmp_path / "v"
    with Vault.create(path, KEY) as vault:
        vault.put(entry(1))
        vault.put(entry(2))
        vault._write()
        vault._cache.clear()
        vault._db.execute("UPDATE entry SET sealed = (SELECT sealed FROM entry WHERE needle = '0000000001')")
        assert vault.get(entry(1).needle) == entry(1)
        with pytest.raises(Tampered):
            vault.get(entry(2).needle)


def test_an_unfinished_vault_does_not_open(tmp_path: Path) -> None:
    with Vault.create(tmp_path / "v", KEY) as vault:
        vault.put(entry(1))
        vault._write()
    with pytest.raises(MasqueradeError):
        Vault.open(tmp_path / "v", KEY)


def test_what_is_no_vault(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello " * 100)
    with pytest.raises(BadInput, match="no vault"):
        Vault.open(tmp_path / "text", KEY)
    with pytest.raises(BadInput, match="cannot read the vault: No such file"):
        Vault.open(tmp_path / "none", KEY)
    with pytest.raises(FileExistsError):
        Vault.create(tmp_path / "text", KEY)

"""The ledger's file: real processes that race for the last of a budget, or are killed while they spend."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from masquerade.crypto import sha256
from masquerade.dp.accountant import Pure, to_json
from masquerade.dp.ledger import Budget, Ledger, holding, paying
from masquerade.errors import BadInput, BudgetExceeded, OutputProblem
from masquerade.serve.books import FileStore, default_path

SPEND = """
import sys
from pathlib import Path
from masquerade.dp.accountant import Pure
from masquerade.dp.ledger import Ledger
from masquerade.errors import BudgetExceeded
from masquerade.serve.books import FileStore
ledger = Ledger(None, ["data", "more"], store=FileStore(Path(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
while True:
    try:
        ledger.spend(Pure(float(sys.argv[2])), "race")
    except BudgetExceeded:
        break
    print("paid", flush=True)
"""


def spender(path: Path, epsilon: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SPEND, str(path), repr(epsilon)]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def test_processes_race_for_a_budget(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger(Budget(1.0, 0), ["data", "more"], store=FileStore(path))
    racers = [spender(path, 1 / 64) for _ in range(3)]
    for racer in racers:
        go(racer)
    paid = sum(racer.communicate(timeout=60)[0].count("paid") for racer in racers)
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert paid == 64
    assert {name: account.spent for name, account in ledger.balance().items()} == {"data": 1, "more": 1}
    assert len(FileStore(path).entries()) == 2 * 64


def test_a_killed_process_has_spent_or_has_not(tmp_path: Path) -> None:
    """Killed at six moments: what it said it paid is there, all accounts agree, and others go on."""
    path = tmp_path / "ledger.db"
    ledger = Ledger(Budget(1e6, 0), ["data", "more"], store=FileStore(path))
    reported, seen = 0, 0.0
    for moment in range(6):
        victim = spender(path, 1.0)
        go(victim)
        assert victim.stdout is not None
        for _ in range(moment + 1):
            assert victim.stdout.readline() == "paid\n"
        time.sleep(0.0007 * moment)
        os.kill(victim.pid, signal.SIGKILL)
        reported += moment + 1 + victim.communicate(timeout=60)[0].count("paid\n")
        spent = {account.spent for account in ledger.balance().values()}
        assert len(spent) == 1, "one account paid and the other did not"
        (now,) = spent
        assert now >= seen
        # Each victim may have paid once more than it could tell.
        assert reported <= now <= reported + moment + 1
        seen = now
        ledger.spend(Pure(1.0))
        reported += 1
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_file_is_for_its_owner_and_holds_no_more_than_it_should(tmp_path: Path) -> None:
    path = tmp_path / "made" / "ledger.db"
    store = FileStore(path)
    assert store.entries() == []
    Ledger(Budget(1.0, 0), ["ages"], unit="person", store=store).spend(Pure(0.5), "mean of age")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    (entry,) = store.entries()
    assert entry[1:] == ("ages", "person", Pure(0.5), "mean of age")
    assert entry.paid.endswith("+00:00")
    again = Ledger(None, ["ages"], unit="person", store=FileStore(path))
    assert again.left == 0.5


def test_marks_are_kept_so_that_they_match_nowhere_else(tmp_path: Path) -> None:
    kept = []
    for name in ("one.db", "two.db"):
        with FileStore(tmp_path / name).locked() as entries:
            marks = [holding(sha256(b"ages"))]
            assert paying(entries, "ages", marks, unit="person", budget=Budget(1.0)) == ["ages"]
        with closing(sqlite3.connect(tmp_path / name)) as db:
            kept.append({mark for (mark,) in db.execute("SELECT mark FROM mark")})
        assert sha256(b"ages") not in (tmp_path / name).read_bytes()
    assert [len(marks) for marks in kept] == [2, 2]
    assert not kept[0] & kept[1]


FIRST = """
PRAGMA application_id = 1297173553;
CREATE TABLE account (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, unit TEXT NOT NULL,
    epsilon REAL NOT NULL, delta REAL NOT NULL, opened TEXT NOT NULL, UNIQUE (name, unit)
);
CREATE TABLE entry (
    id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account,
    event TEXT NOT NULL, note TEXT NOT NULL, paid TEXT NOT NULL
);
CREATE INDEX entry_of_account ON entry (account);
INSERT INTO account VALUES (1, 'ages', 'person', 1, 0, ''), (2, 'pay', 'visit', 2, 0, '');
INSERT INTO account VALUES (3, 'ages', 'visit', 9, 0, '');
INSERT INTO entry VALUES (1, 1, '{0}', 'one', ''), (2, 2, '{0}', 'two', ''), (3, 3, '{0}', 'three', '');
"""


def test_a_ledger_of_units_becomes_one_of_data(tmp_path: Path) -> None:
    """What was paid by another unit counts in the account that was opened first."""
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST.format(to_json(Pure(0.25))))
    store = FileStore(path)
    assert [entry.note for entry in store.entries()] == ["one", "two", "three"]
    for _ in range(2):
        ages = Ledger(Budget(1.0, 0), ["ages"], unit="person", store=store)
        assert (ages.spent, ages.left) == (0.5, 0.5)
        assert Ledger(None, ["pay"], unit="visit", store=store).left == 1.75
        assert [(entry.account, entry.unit) for entry in store.entries()] == [
            ("ages", "person"), ("pay", "visit"), ("ages", "person")
        ]  # fmt: skip
    with pytest.raises(BadInput, match="kept by the unit 'person'"):
        Ledger(None, ["ages"], unit="visit", store=store)


@pytest.mark.parametrize("content", [b"no database at all, but a text of more than sixteen bytes", None])
def test_other_files_are_no_ledgers(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.db"
    if content is None:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE something (else_ TEXT)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(BadInput, match="no ledger"):
        Ledger(Budget(1.0), store=FileStore(path))
    assert path.read_bytes() == before


def test_an_event_that_was_changed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger(Budget(1.0), store=FileStore(path))
    ledger.spend(Pure(0.5))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE entry SET event = '[]'")
    with pytest.raises(BadInput, match="cannot be read"):
        ledger.spend(Pure(0.1))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputProblem) as refused:
        Ledger(Budget(1.0), store=FileStore(tmp_path / "file" / "ledger.db"))
    assert not refused.value.made
    with pytest.raises(OutputProblem):
        Ledger(Budget(1.0), store=FileStore(tmp_path))


def test_where_it_is_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MASQUERADE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "ledger.db"


def test_it_stays_where_it_is_when_the_process_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(Budget(1.0), store=FileStore(Path("ledger.db")))
    ledger.spend(Pure(0.6))
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(BudgetExceeded):
        ledger.spend(Pure(0.6))
    assert not (tmp_path / "elsewhere" / "ledger.db").exists()

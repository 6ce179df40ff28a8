"""The journal: no value gets in, every change shows, and nothing that is no change is taken for one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masquerade.crypto import derive
from masquerade.errors import BadInput, JournalProblem
from masquerade.keys import Key
from masquerade.mask.policy import Policy
from masquerade.serve import journal as module
from masquerade.serve.journal import Entry, Journal, Limits, Verdict, signers
from masquerade.serve.proof import Fault, Reading
from masquerade.serve.source import Unreadable

KEY = Key(bytes(range(32)))
POLICY = Policy().version
OWN = 'version = 1\n[[pattern]]\nkind = "PROJECT"\nexpression = "PRJ-[0-9]{4}"\nscore = 0.9\n'
DAY = 86400.0
NOON = 1770120000.0  # 2026-02-03T12:00:00Z


class Clock:
    """A clock that is set."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def entry(**more: Any) -> Entry:
    told: dict[str, Any] = {
        "tenant": "acme",
        "request": "00112233445566778899aa",
        "endpoint": "chat",
        "policy": POLICY,
        "verdict": Verdict.SENT,
        "status": 200,
        "recipient": "api.example.com",
        "found": {"EMAIL": {"token": 2}, "US_SSN": {"redact": 1}},
        "restored": 2,
        "bytes_in": 1234,
        "bytes_out": 5678,
        "mask_seconds": 0.001,
        "upstream_seconds": 0.5,
        "seconds": 0.502,
    }
    return Entry(**told | more)


def opened(folder: Path, clock: Callable[[], float] | None = None, **limits: Any) -> Journal:
    return Journal(folder, KEY, limits=Limits(**{"seconds": 3600.0, **limits}), clock=clock or Clock())


def read(folder: Path, anchors: tuple[str, ...] = (), known: Any = None) -> Reading:
    reading = Reading(folder, signers(KEY) if known is None else known, anchors)
    reading.verify()
    return reading


def faults(folder: Path, *anchors: str) -> list[Fault]:
    return read(folder, anchors).faults


def requests(folder: Path) -> int:
    return sum(line["is"] == "request" for _, line in Reading(folder, signers(KEY)).lines())


def files(folder: Path, ending: str = ".jsonl") -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix == ending)


def sample(folder: Path) -> None:
    """Two writers and three files, one of them rotated: every kind of line."""
    clock = Clock()
    one = opened(folder, clock, lines=3)
    one.started("0.1.0", POLICY, "api.example.com", {"workers": 2, "trust": False, "log": "json"})
    one.policy(Policy())
    for _ in range(7):
        one.record(entry())
    one.checkpoint()
    clock.now += 1
    two = opened(folder, clock, lines=3)
    two.erased("acme", "subject", "ada.canary@example.com", {"entries": 3})
    two.close()
    clock.now += DAY
    one.checkpoint()  # a new day
    one.record(entry(verdict=Verdict.BLOCKED, code="blocked_by_policy", recipient="", status=400))
    one.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of such a journal, by file."""
    folder = tmp_path_factory.mktemp("journal")
    sample(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@contextlib.contextmanager
def copy_of(written: dict[str, bytes], folder: Path, **changed: bytes | None) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, data in {**written, **changed}.items():
        if data is not None:
            (folder / name).write_bytes(data)
    yield folder


# -- what is written ------------------------------------------------------------------------------------


def test_a_journal_is_as_it_was_written(tmp_path: Path) -> None:
    sample(tmp_path / "j")
    reading = Reading(tmp_path / "j", signers(KEY))
    told = [line for _, line in reading.lines()]
    assert reading.faults == []
    assert sorted(state.ended for state in reading.files) == ["rotated", "stopped", "stopped"]
    assert sum(line["is"] == "request" for line in told) == 8
    assert all(state.unsigned == 0 for state in reading.files)
    (line,) = [line for line in told if line.get("code")]
    assert line["verdict"] == "blocked" and "to" not in line
    assert line["at"] == "2026-02-04T12:00:01.000Z"
    assert line["us"] == [1000, 500000, 502000]


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    sample(tmp_path / "j")
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "j").iterdir()} == {0o600}


def test_every_writer_has_a_file_of_its_own(tmp_path: Path) -> None:
    writers = [opened(tmp_path) for _ in range(5)]
    threads = [
        threading.Thread(target=lambda j=j: [j.record(entry()) for _ in range(200)])  # type: ignore[misc]
        for j in writers
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in writers:
        each.close()
    assert len(files(tmp_path)) == 5
    assert faults(tmp_path) == []
    assert requests(tmp_path) == 2000


def test_a_new_day_and_a_large_file_begin_a_new_one(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock, size=4000) as journal:
        for _ in range(3):
            for _ in range(20):
                journal.record(entry())
            journal.checkpoint()
        clock.now += DAY
        journal.checkpoint()
    assert len(files(tmp_path)) == 5
    assert faults(tmp_path) == []
    assert requests(tmp_path) == 60


def test_a_clock_that_goes_back_breaks_nothing(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock) as journal:
        for now in (NOON, NOON - 3 * DAY, NOON - 5, -1.0, 1e18, NOON):
            clock.now = now
            journal.record(entry())
            journal.checkpoint()
    reading = Reading(tmp_path, signers(KEY))
    times = [line["at"][:10] for _, line in reading.lines() if line["is"] == "request"]
    assert times[:4] == ["2026-02-03", "2026-01-31", "2026-02-03", "1970-01-01"]
    assert reading.faults == []


def test_what_was_recorded_is_on_the_disk_without_being_asked(tmp_path: Path) -> None:
    journal = Journal(tmp_path, KEY, limits=Limits(seconds=0.05), clock=Clock())
    journal.record(entry())
    until = time.monotonic() + 30
    while read(tmp_path).files[0].unsigned:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert faults(tmp_path) == []
    journal.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system (Windows) has no os.fork")
def test_a_journal_belongs_to_the_process_that_made_it(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.record(entry())
        child = os.fork()
        if child == 0:
            try:
                journal.record(entry())
            except JournalProblem:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert faults(tmp_path) == []


def test_what_the_thread_cannot_do_is_told_to_whoever_writes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, KEY, limits=Limits(seconds=0.05), clock=Clock())
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda self, target: Path("/none").rename(target))
        until = time.monotonic() + 30
        with pytest.raises(JournalProblem, match="note the newest line"):
            while time.monotonic() < until:
                journal.record(entry())
                time.sleep(0.02)
    journal.close()
    assert faults(tmp_path) == []


def test_nothing_is_recorded_after_the_end(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.close()
    journal.close()
    with pytest.raises(JournalProblem, match="closed"):
        journal.record(entry())


# -- no value gets in ---------------------------------------------------------------------------------

CANARIES = (
    "ada.canary@example.com",
    "Ada Lovelace",
    "张三",
    "+1 212 555 0143",
    "4111 1111 1111 1111",
    "a\nb",
    "",
)


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("name", ["tenant", "request", "endpoint", "policy", "verdict", "code", "recipient"])
def test_no_text_has_room_in_an_entry(name: str, canary: str) -> None:
    if canary == "" and name in ("code", "recipient"):
        assert entry(**{name: canary}).fields()
        return
    with pytest.raises(JournalProblem) as refused:
        entry(**{name: canary})
    assert not canary or canary not in str(refused.value)


@pytest.mark.parametrize(
    "more",
    [
        {"found": {"ada.canary@example.com": {"token": 1}}},
        {"found": {"EMAIL": {"canary": 1}}},
        {"found": {"EMAIL": {"token": "canary"}}},
        {"found": {"EMAIL": {"token": 4111111111111111}}},
        {"found": {"EMAIL": {"token": True}}},
        {"found": {"EMAIL": {"token": -1}}},
        {"found": {"EMAIL": {"token": 1.5}}},
        {"withheld": {"canary": 1}},
        {"withheld": {"EMAIL": "canary"}},
        {"restored": "canary"},
        {"bytes_in": 4111111111111111},
        {"status": 5551234},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"mask_seconds": "canary"},
        {"verdict": "sent"},
    ],
)
def test_counts_are_counts(more: dict[str, Any]) -> None:
    with pytest.raises(JournalProblem) as refused:
        entry(**more)
    assert "canary" not in str(refused.value)


def test_kinds_are_those_of_policies(tmp_path: Path) -> None:
    own = Policy.parse(OWN)
    project = entry(policy=own.version, found={"PROJECT": {"token": 1}})
    with opened(tmp_path) as journal:
        with pytest.raises(JournalProblem):
            journal.record(project)
        with pytest.raises(JournalProblem):
            journal.record(entry(withheld={"ADA": 1}))
        journal.policy(own)
        journal.record(project)
    assert faults(tmp_path) == []


def test_events_take_no_text(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        for refused in (
            lambda: journal.started("0.1 canary", POLICY, "mirror", {}),
            lambda: journal.started("0.1.0", POLICY, "user:canary@host", {}),
            lambda: journal.started("0.1.0", POLICY, "mirror", {"a": "my canary"}),
            lambda: journal.started("0.1.0", POLICY, "mirror", {"my canary": "a"}),
            lambda: journal.erased("acme", "my canary", "x", {}),
            lambda: journal.erased("acme", "subject", "x", {"my canary": 1}),
            lambda: journal.erased("my canary", "subject", "x", {}),
        ):
            with pytest.raises(JournalProblem) as problem:
                refused()
            assert "canary" not in str(problem.value)
        digest = journal.erased("acme", "subject", "ada.canary@example.com", {"keys": 2})
        assert digest == journal.erased("acme", "subject", "ada.canary@example.com", {})
        assert digest != journal.erased("other", "subject", "ada.canary@example.com", {})
        assert digest != journal.erased("acme", "conversation", "ada.canary@example.com", {})
    text = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"canary" not in text and digest.encode() in text


# -- what is noticed ------------------------------------------------------------------------------------


def test_any_byte_flipped_is_noticed(written: dict[str, bytes], tmp_path: Path) -> None:
    """Of every line of every file, at every so many bytes, and at its ends."""
    for name, data in written.items():
        ends = [i for i, byte in enumerate(data) if byte == 10]
        places = {*range(0, len(data), 37), *ends, *(i - 1 for i in ends), *(i + 1 for i in ends[:-1])}
        for place in sorted(places):
            for flip in (1, 0x80):
                changed = bytearray(data)
                changed[place] ^= flip
                with copy_of(written, tmp_path / "j", **{name: bytes(changed)}) as folder:
                    found = faults(folder)
                    line = data[:place].count(b"\n") + 1
                    assert found, f"{name}, byte {place}"
                    assert found[0].file == name and found[0].line in (line, line + 1)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_is_noticed(written: dict[str, bytes], tmp_path: Path, data: st.DataObject) -> None:
    """Lines dropped, doubled, swapped, moved between files, cut; bytes cut, put in or changed."""
    name = data.draw(st.sampled_from(sorted(written)))
    raw = written[name]
    lines = raw.splitlines(keepends=True)
    at, other = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    place = data.draw(st.integers(0, len(raw) - 1))
    foreign = data.draw(st.sampled_from(sorted(written)))
    changes: dict[str, bytes] = {
        "drop": b"".join(lines[:at] + lines[at + 1 :]),
        "double": b"".join(lines[: at + 1] + lines[at:]),
        "swap": b"".join(
            lines[other] if i == at else lines[at] if i == other else x for i, x in enumerate(lines)
        ),
        "cut lines": b"".join(lines[:at]),
        "cut bytes": raw[:place],
        "insert": raw[:place] + data.draw(st.binary(min_size=1, max_size=3)) + raw[place:],
        "change": raw[:place] + bytes([raw[place] ^ data.draw(st.integers(1, 255))]) + raw[place + 1 :],
        "append": raw + data.draw(st.sampled_from(written[foreign].splitlines(keepends=True))),
        "append bytes": raw + b'{"n":99}\n',
        "of another": written[foreign],
    }
    changed = changes[data.draw(st.sampled_from(sorted(changes)))]
    if changed == raw:
        return
    with copy_of(written, tmp_path / "j", **{name: changed}) as folder:
        assert faults(folder), name


def test_any_file_that_is_removed_is_noticed(written: dict[str, bytes], tmp_path: Path) -> None:
    for name in written:
        with copy_of(written, tmp_path / "j", **{name: None}) as folder:
            found = faults(folder)
            assert found and "missing" in found[0].what
            assert name.endswith(".head") or found[0].file == name


def test_a_writer_that_is_removed_whole_is_noticed_where_another_came_later(
    written: dict[str, bytes], tmp_path: Path
) -> None:
    first = min(name for name in written if name.endswith(".jsonl"))
    gone = {name: None for name in written if name.startswith(first.split("-")[1]) or first == name}
    with copy_of(written, tmp_path / "j", **gone) as folder:
        assert first in {fault.file for fault in faults(folder)}


def test_a_copy_under_another_name_is_noticed(written: dict[str, bytes], tmp_path: Path) -> None:
    name = max(name for name in written if name.endswith(".jsonl"))
    with copy_of(written, tmp_path / "j", **{name.replace("2026", "2027"): written[name]}) as folder:
        assert [fault.line for fault in faults(folder)] == [1]


def test_the_file_and_the_line_are_told(written: dict[str, bytes], tmp_path: Path) -> None:
    name = min(name for name in written if name.endswith(".jsonl"))
    lines = written[name].splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"acme"', b'"acne"')
    with copy_of(written, tmp_path / "j", **{name: b"".join(lines)}) as folder:
        assert faults(folder)[0][:2] == (name, 5)
        reading = Reading(folder, signers(KEY))
        assert len([1 for file, _ in reading.lines() if file == name]) == 4  # what is before it, and no more


def test_without_the_key_no_line_can_be_signed(written: dict[str, bytes], tmp_path: Path) -> None:
    """A journal that someone made with a key of their own is whole, and not ours."""
    with Journal(tmp_path, Key(bytes(32)), clock=Clock()) as other:
        other.record(entry())
    assert read(tmp_path, known=signers(Key(bytes(32)))).faults == []
    assert [fault.line for fault in faults(tmp_path) if fault.file.endswith(".jsonl")] == [1]
    with copy_of(written, tmp_path / "k") as folder:  # one file of ours, continued by another's hand
        for path in tmp_path.iterdir():
            if path.is_file():
                (folder / path.name).write_bytes(path.read_bytes())
        assert faults(folder)


def test_links_made_anew_do_not_help(written: dict[str, bytes], tmp_path: Path) -> None:
    """Who can write all files but has no key: changes a count and computes every link behind it anew."""
    name = min(name for name in written if name.endswith(".jsonl"))
    link, out = module.START, []
    for raw in written[name].splitlines(keepends=True):
        body = raw.partition(module.LINK)[0].replace(b'"token":2', b'"token":1')
        link = module.crypto.sha256(link + body)
        out.append(body + module.LINK + link.hex().encode() + b'"}\n')
    with copy_of(written, tmp_path / "j", **{name: b"".join(out)}) as folder:
        assert faults(folder)[0].file == name


def test_lines_without_a_signature_are_few(tmp_path: Path) -> None:
    with opened(tmp_path, lines=5) as journal:
        for _ in range(12):
            journal.record(entry())
    (path,) = files(tmp_path)
    kinds = [json.loads(line)["is"] for line in path.read_bytes().splitlines()]
    runs = [len(list(run)) for what, run in groupby(kinds) if what == "request"]
    assert sum(runs) == 12 and max(runs) <= 5
    short = path.read_bytes().replace(b'"every":5', b'"every":4')
    path.write_bytes(short)
    assert [fault.line for fault in faults(tmp_path)] == [1]


def test_an_older_copy_shows_against_an_anchor_alone(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    first = opened(folder)
    first.record(entry())
    first.checkpoint()
    early = read(folder).anchor
    old = {path.name: path.read_bytes() for path in folder.iterdir()}
    first.record(entry())
    first.close()
    late = read(folder).anchor
    with opened(folder) as second:
        second.record(entry())
    assert faults(folder, early, late) == []
    with copy_of(old, folder):
        assert faults(folder) == []
        assert faults(folder, early) == []
        (fault,) = faults(folder, late)
        assert "the anchor" in fault.what


def test_what_is_no_anchor_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    for text in ("", "x", "a@1:2", read(tmp_path).anchor + ","):
        with pytest.raises(BadInput):
            faults(tmp_path, text)


def test_where_there_is_no_journal(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(Unreadable):
            read(folder)


# -- what is no fault -----------------------------------------------------------------------------------

WRITER = """
import sys
sys.path[:0] = {path!r}
from tests.serve.test_journal import *
journal = Journal(Path(sys.argv[1]), KEY, limits=Limits(lines=50, seconds=0.02))
print("ready", flush=True)
while True:
    journal.record(entry())
"""


def writer(folder: Path) -> subprocess.Popen[bytes]:
    code = WRITER.format(path=[*sys.path, str(Path(__file__).parent)])
    started = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert started.stdout is not None
    assert started.stdout.readline() == b"ready\n"
    return started


def test_a_process_that_is_killed_leaves_a_journal_that_verifies(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    for _ in range(3):
        process = writer(folder)
        time.sleep(0.2)
        assert faults(folder) == []  # while it writes, too
        process.send_signal(signal.SIGKILL)
        process.wait()
    reading = read(folder)
    assert reading.faults == []
    assert [state.ended for state in reading.files] == ["", "", ""]
    assert all(state.lines > 50 for state in reading.files)


@pytest.mark.parametrize("cut", [1, 40, 76, 77, 200])
def test_a_torn_last_line_is_no_fault_and_nobody_writes_behind_it(tmp_path: Path, cut: int) -> None:
    """What a loss of power leaves of what came after the last checkpoint."""
    folder = tmp_path / "j"
    killed = opened(folder)
    killed.record(entry())
    killed.checkpoint()
    killed.record(entry())
    (path,) = files(folder)
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size - cut)
    torn = path.read_bytes()
    reading = read(folder)
    assert reading.faults == []
    assert reading.files[0].torn == len(torn) - torn.rindex(b"\n") - 1 > 0
    with opened(folder) as another:
        another.record(entry())
    with contextlib.suppress(JournalProblem):  # the one whose file was cut notices, and begins a new one
        killed.checkpoint()
    with contextlib.suppress(JournalProblem):
        killed.record(entry())
    killed.record(entry())
    killed.close()
    assert path.read_bytes() == torn
    assert len(files(folder)) == 3
    assert faults(folder) == []


class Disk:
    """What a loss of power may leave: of every file as much as was brought to the disk, or any part more; and
    names only if their folder was."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sizes, self.names = folder, dict[int, int](), set[str]()
        self.real = os.fsync

    def fsync(self, descriptor: int) -> None:
        self.real(descriptor)
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            self.names = {path.name for path in self.folder.iterdir()}
        else:
            self.sizes[status.st_ino] = max(self.sizes.get(status.st_ino, 0), status.st_size)

    def lost(self, to: Path, chance: random.Random) -> None:
        to.mkdir()
        for path in self.folder.iterdir():
            data = path.read_bytes()
            if path.suffix == ".jsonl":
                safe = self.sizes.get(path.stat().st_ino, 0)
                if path.name not in self.names and chance.random() < 0.5:
                    continue
                data = data[: chance.choice((safe, len(data), chance.randint(safe, len(data))))]
            (to / path.name).write_bytes(data)


@pytest.mark.parametrize("seed", range(30))
def test_a_loss_of_power_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """At any time, with several writers that rotate; whatever the disk kept of what it was not told to."""
    chance, clock, folder = random.Random(seed), Clock(), tmp_path / "j"
    folder.mkdir()
    disk = Disk(folder)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    monkeypatch.setattr(Journal, "_tend", lambda self: None)  # what its thread does, is done here
    writers = [opened(folder, clock, lines=7)]
    for i in range(60):
        journal = chance.choice(writers)
        match chance.choices(range(5), (60, 15, 8, 8, 5))[0]:
            case 0:
                for _ in range(chance.randint(1, 9)):
                    journal.record(entry())
            case 1:
                journal.checkpoint()
            case 2:
                clock.now += DAY * chance.random() * 2
            case 3 if len(writers) < 4:
                writers.append(opened(folder, clock, lines=7))
            case 4 if len(writers) > 1:
                writers.remove(journal)
                journal.close()
        if i % 4 == 0:
            disk.lost(tmp_path / f"lost {i}", chance)
            assert faults(tmp_path / f"lost {i}") == []
    for journal in writers:
        journal.close()
    assert faults(folder) == []


def test_a_file_that_was_removed_while_in_use_is_told_and_missed(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.record(entry())
        journal.checkpoint()
        (path,) = files(tmp_path)
        path.unlink()
        journal.checkpoint()
        with pytest.raises(JournalProblem, match="removed or changed"):
            journal.record(entry())
        journal.record(entry())
    assert requests(tmp_path) == 1
    assert [fault.file for fault in faults(tmp_path)] == [path.name]


FULL = """
import resource, sys
sys.path[:0] = {path!r}
from tests.serve.test_journal import *
journal = opened(Path(sys.argv[1]), lines=10)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
told = refused = 0
for _ in range(200):
    try:
        journal.record(entry())
        told += 1
    except JournalProblem:
        refused += 1
assert refused > 20, refused
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for _ in range(5):
    journal.record(entry())
journal.close()
print(told + 5)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file size (RLIMIT_FSIZE)")
def test_a_full_disk_refuses_whole_lines_and_is_got_over(tmp_path: Path) -> None:
    """The system writes the part of a line that there is room for: that part does not stay."""
    code = FULL.format(path=[*sys.path, str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "j")],
        capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert faults(tmp_path / "j") == []
    assert requests(tmp_path / "j") == int(done.stdout)


def test_a_part_of_a_line_that_cannot_be_taken_back_stays_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write

    def short(descriptor: int, data: bytes) -> int:
        if data.startswith(b"{"):
            return real(descriptor, data[:100])
        raise OSError(28, "No space left on device")

    def never(descriptor: int, size: int) -> None:
        raise OSError(1, "Operation not permitted")

    journal = opened(tmp_path)
    journal.record(entry())
    journal.checkpoint()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short)
        patch.setattr(os, "ftruncate", never)
        for _ in range(3):
            with pytest.raises(JournalProblem):
                journal.record(entry())
    journal.record(entry())
    journal.close()
    reading = read(tmp_path)
    assert reading.faults == []
    assert [state.torn for state in reading.files] == [100, 0]
    assert requests(tmp_path) == 2


def test_a_disk_that_loses_what_it_took_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    journal = opened(tmp_path)
    journal.record(entry())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(JournalProblem, match="Input/output error"):
            journal.checkpoint()
        with pytest.raises(JournalProblem, match="Input/output error"):
            journal.record(entry())
    journal.record(entry())
    journal.close()
    assert len(files(tmp_path)) == 2
    assert faults(tmp_path) == []


def test_an_interrupt_leaves_a_whole_line_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write

    def interrupted(descriptor: int, data: bytes) -> int:
        real(descriptor, data)
        raise KeyboardInterrupt

    with opened(tmp_path) as journal:
        journal.record(entry())
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", interrupted)
            with pytest.raises(KeyboardInterrupt):
                journal.record(entry())
        journal.record(entry())
    assert faults(tmp_path) == []
    assert requests(tmp_path) == 2


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalProblem):
        opened(tmp_path / "file" / "journal")
    with pytest.raises(JournalProblem):
        opened(tmp_path / "file")


def test_a_rotated_root_key_still_signs_for_its_time(tmp_path: Path) -> None:
    sample(tmp_path)
    new = KEY.rotate()
    with Journal(tmp_path, new, clock=Clock()) as journal:
        journal.record(entry())
    assert read(tmp_path, known=signers(new)).faults == []
    assert faults(tmp_path) != []  # the old root alone does not know the new one
    assert read(tmp_path, known=frozenset()).faults
    assert Reading(tmp_path).faults == []


def test_old_files_are_removed_by_whoever_may_and_missed_else(tmp_path: Path) -> None:
    clock = Clock()
    for _ in range(3):
        with opened(tmp_path, clock) as journal:
            journal.record(entry())
        clock.now += DAY
    journal = opened(tmp_path, clock)
    anchor = read(tmp_path).anchor
    assert journal.retire(date(2026, 2, 1)) == 0
    assert journal.retire(date(2026, 2, 5)) == 2
    assert journal.retire(date(2026, 2, 5)) == 0
    assert len(files(tmp_path)) == 2 and len(files(tmp_path, ".head")) == 2
    assert faults(tmp_path, anchor) == []
    assert journal.retire(date(2026, 2, 6)) == 1
    with pytest.raises(BadInput, match="not over"):
        journal.retire(date(2026, 2, 7))
    journal.close()
    assert faults(tmp_path, anchor) == []
    assert requests(tmp_path) == 0
    with opened(tmp_path, clock):
        pass
    files(tmp_path)[0].unlink()
    assert faults(tmp_path) != []


def test_first_lines_do_not_grow_with_the_journal(tmp_path: Path) -> None:
    for _ in range(20):
        with opened(tmp_path):
            pass
    first = [json.loads(path.read_bytes().splitlines()[0]) for path in files(tmp_path)]
    assert sorted(len(line["heads"]) for line in first) == [0, *[1] * 19]


# -- by the specification alone ---------------------------------------------------------------------------


def strangers_faults(folder: Path, key: str) -> set[str]:
    """A second reader, made from docs/spec/journal.md: files in which something is not as it should be."""
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
    links: dict[str, list[str]] = {}
    named: list[tuple[str, int, str]] = []
    bad: set[str] = set()

    def verified(label: bytes, before: bytes, raw: bytes) -> dict[str, Any]:
        line: dict[str, Any] = json.loads(raw)
        public.verify(bytes.fromhex(line["signed"]), label + before + raw[: raw.index(b',"signed":')])
        named.extend((name, n, link) for name, (n, link) in line.get("heads", {}).items())
        return line

    for path in sorted(folder.glob("*.jsonl")):
        before, unsigned, links[path.name], ended = sha256(b"masquerade journal 1").digest(), 0, [], False
        try:
            for raw in path.read_bytes().splitlines(keepends=True):
                if not raw.endswith(b"\n"):
                    break
                line = json.loads(raw)
                link = sha256(before + raw[: raw.rindex(b',"link":')]).digest()
                spelt = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
                assert spelt.encode() == raw and not ended and line["n"] == len(links[path.name])
                assert line["link"] == link.hex()
                if line["is"] == "request":
                    unsigned += 1
                else:
                    unsigned = 0
                    verified(b"masquerade journal line 1", before, raw)
                if line["n"] == 0:
                    assert (line["is"], line["journal"], line["file"]) == ("opened", 1, path.name)
                    assert line["key"] == key
                    every = line["every"]
                assert unsigned <= every
                ended = line["is"] == "ended"
                links[path.name].append(line["link"])
                before = link
        except Exception:
            bad.add(path.name)
    for path in folder.glob("*.head"):
        try:
            raw = path.read_bytes()
            assert verified(b"masquerade journal head 1", b"", raw)["writer"] == path.stem
            assert raw.endswith(b'"}\n')
        except Exception:
            bad.add(path.name)
    for name, n, link in named:
        if links.get(name, [])[n : n + 1] != [link]:
            bad.add(name)
    notes = {path.stem for path in folder.glob("*.head")}
    return bad | {name for name in links if name.split("-")[1] not in notes and len(links[name]) > 1}


def test_a_stranger_can_verify_by_the_specification(written: dict[str, bytes], tmp_path: Path) -> None:
    (key,) = signers(KEY)
    with copy_of(written, tmp_path / "j") as folder:
        assert strangers_faults(folder, key) == set()
    for name, data in written.items():
        for place in range(11, len(data), 211):
            changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            with copy_of(written, tmp_path / "j", **{name: changed}) as folder:
                assert name in strangers_faults(folder, key)
                assert faults(folder)
        with copy_of(written, tmp_path / "j", **{name: None}) as folder:
            assert bool(strangers_faults(folder, key)) == bool(faults(folder)) is True


def test_the_key_is_derived_as_specified() -> None:
    inner = derive(derive(bytes(range(32)), "masquerade tenant"), "masquerade purpose", b"journal")
    assert signers(KEY) == {Ed25519PrivateKey.from_private_bytes(inner).public_key().public_bytes_raw().hex()}

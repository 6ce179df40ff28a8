"""The journal: what a gateway did, in lines that can be added and not changed, and that hold no value.

    Entry  ->  one line of JSON  ->  appended to this process's own file, chained, signed at checkpoints
    folder of such files  ->  proof.py  ->  the lines that are sound, and the first fault of each file

A folder is one journal. Each process writes files of its own in it (one a day, or more if they grow), so no
two write to one file:

    20260203T040506789Z-9f86d081884c7d65-0001.jsonl   when it was opened, by which writer, its how-manieth
    9f86d081884c7d65.head                             that writer's newest line on the disk, signed

**What is noticed.** Every line carries its number, and the SHA-256 of the line before it and itself. Every
line that is not a request is signed (Ed25519, by an identity derived from the root key), and so is a
checkpoint every few lines and seconds. The first line of a file names the newest lines of the others at
that time, and a note beside them the newest of each writer. So, without the key, nothing up to a file's
last checkpoint can be changed, dropped, moved, doubled or cut off, and no file removed.

**What is not.** Who holds the root key can write a journal anew. Who can write to the folder can cut off or
change what came after the last checkpoint, and can put a whole older copy of the folder in place: both show
only against an anchor (``Reading.anchor``), a line of text that is kept elsewhere.

A last line that is cut off is what a killed process or a loss of power leaves; it is told apart from a fault,
and nobody writes behind it. Format: ``docs/spec/journal.md``.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from binascii import hexlify
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import orjson

from masquerade import crypto
from masquerade.errors import BadInput, JournalProblem
from masquerade.keys import Identity, Key
from masquerade.mask.policy import Policy
from masquerade.mask.span import KINDS, Fate
from masquerade.serve.landing import sync_folder, take_lock

VERSION = 1
START = crypto.sha256(b"masquerade journal 1")
"""What the first line of a file is chained to."""
LINE_LABEL, HEAD_LABEL = b"masquerade journal line 1", b"masquerade journal head 1"
"""What signatures begin with."""
MOST_LINE = 1 << 20
LINK, SIGNED = b',"link":"', b',"signed":"'
NAME = re.compile(r"([0-9]{8})T[0-9]{9}Z-([0-9a-f]{16})-[0-9]{4,}\.jsonl")
HEAD_NAME = re.compile(r"([0-9a-f]{16})\.head")


# Entries ------------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    """What became of a request."""

    SENT = "sent"
    """It went to the recipient, masked, and was answered."""
    BLOCKED = "blocked"
    """The policy forbids it; nothing was sent."""
    REFUSED = "refused"
    """The gateway would not have it; nothing was sent."""
    FAILED = "failed"
    """The recipient, the client or the gateway broke off."""


_TENANT = re.compile(r"(?:caller:)?[A-Za-z0-9._\-]{1,64}")
_REQUEST = re.compile(r"[0-9a-f]{16,64}")
_ENDPOINT = re.compile(r"(?:/?v[0-9]{1,2})?[a-z_./{}:\-]{1,80}")
_POLICY = re.compile(r"[0-9a-f]{12}")
_CODE = re.compile(r"[a-z_]{0,64}")
_HOST = re.compile(r"(?:[a-z0-9][a-z0-9.\-]{0,252}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?|")
_KIND = re.compile(r"[A-Z][A-Z0-9_]{1,30}")
_NAMED = re.compile(r"[a-z_]{1,32}")
_SETTING = re.compile(r"[A-Za-z0-9_.:\[\]\-]{0,64}")
_PLACES = frozenset(("link", "tool"))
_FATES = frozenset(str(fate) for fate in Fate)
_MOST_COUNT = 10**8
_MOST_BYTES = 1 << 40
_MOST_SECONDS = 10**6


@dataclass(frozen=True, slots=True)
class Entry:
    """One request, as the journal takes it: names, ids, counts and times. No field has room for a text.

    Raises:
        JournalProblem: a field has another shape; the message names it, and not what stands there.
    """

    tenant: str
    request: str
    """Its random number, as the client got it: 16 to 64 hexadecimal digits."""
    endpoint: str
    """The route's name in the gateway's table, never the path that was asked for."""
    policy: str
    """The version of the policy that was applied."""
    verdict: Verdict
    code: str = ""
    """Why it was blocked or refused, or how it failed."""
    status: int = 0
    """The HTTP status that the client got; 0 if it got none."""
    recipient: str = ""
    """Host of the service that something was sent to, as configured; empty if nothing was sent."""
    found: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """How often each kind was found, by its fate."""
    withheld: Mapping[str, int] = field(default_factory=dict)
    """By where they stood (``link``, ``tool``): tokens of the reply that were not restored, for they were
    about to leave by it."""
    restored: int = 0
    unresolved: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    mask_seconds: float = 0.0
    upstream_seconds: float = 0.0
    seconds: float = 0.0
    """In all."""

    def __post_init__(self) -> None:
        _check("tenant", self.tenant, _TENANT)
        _check("request", self.request, _REQUEST)
        _check("endpoint", self.endpoint, _ENDPOINT)
        _check("policy", self.policy, _POLICY)
        _check("code", self.code, _CODE)
        _check("recipient", self.recipient, _HOST)
        if not isinstance(self.verdict, Verdict):
            raise JournalProblem("the journal takes no such verdict")
        for kind in self.found:
            _check("found: kind", kind, _KIND)
        if not _PLACES.issuperset(self.withheld):
            raise JournalProblem("withheld: the journal takes no such place")
        for fates in self.found.values():
            if not _FATES.issuperset(fates):
                raise JournalProblem("the journal takes no such fate")
            for n in fates.values():
                _count("found", n)
        for n in self.withheld.values():
            _count("withheld", n)
        _count("status", self.status, 1000)
        _count("restored", self.restored)
        _count("unresolved", self.unresolved)
        _count("bytes_in", self.bytes_in, _MOST_BYTES)
        _count("bytes_out", self.bytes_out, _MOST_BYTES)
        for seconds in (self.mask_seconds, self.upstream_seconds, self.seconds):
            if not isinstance(seconds, float | int) or not 0 <= seconds < _MOST_SECONDS:  # NaN is neither
                raise JournalProblem("the journal takes no such time")

    def fields(self) -> dict[str, Any]:
        """What the line holds, in its order; what is empty or zero is left out, but for the first ones."""
        told: dict[str, Any] = {
            "tenant": self.tenant,
            "request": self.request,
            "endpoint": self.endpoint,
            "policy": self.policy,
            "verdict": self.verdict.value,
        }
        if self.code:
            told["code"] = self.code
        if self.status:
            told["status"] = self.status
        if self.recipient:
            told["to"] = self.recipient
        if self.found:
            told["found"] = {k: {str(fate): n for fate, n in f.items()} for k, f in self.found.items()}
        if self.withheld:
            told["withheld"] = dict(self.withheld)
        if self.restored:
            told["restored"] = self.restored
        if self.unresolved:
            told["unresolved"] = self.unresolved
        told["bytes"] = [self.bytes_in, self.bytes_out]
        told["us"] = [int(s * 1e6) for s in (self.mask_seconds, self.upstream_seconds, self.seconds)]
        return told


def _check(what: str, value: object, shape: re.Pattern[str]) -> None:
    if type(value) is not str or not shape.fullmatch(value):
        raise JournalProblem(f"the journal takes no such {what}")


def _count(what: str, value: object, most: int = _MOST_COUNT) -> None:
    if type(value) is not int or not 0 <= value < most:
        raise JournalProblem(f"{what}: the journal takes counts alone")


# Writing ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """When a checkpoint is due, and a new file."""

    lines: int = 1000
    """Most lines that are not signed."""
    seconds: float = 10.0
    """Most seconds until a line is signed and on the disk."""
    size: int = 64 << 20
    """Bytes of a file, about."""


class Head(NamedTuple):
    """A line by its number and its link, in hexadecimal digits."""

    n: int
    link: str


class Journal:
    """The journal of one process, to be made in that process (not before a fork). Threads may share it.

    What :meth:`record` returns from outlives this process. It outlives a loss of power once it is on the
    disk, which a thread sees to within ``limits.seconds``.

    Raises:
        JournalProblem: the folder or the file cannot be made, or written to.
    """

    def __init__(
        self, folder: Path, key: Key, *, limits: Limits | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder, self._limits, self._clock = folder, limits or Limits(), clock
        self._identity = identity(key)
        self._asked = crypto.Prf(key.tenant("").purpose("journal asked"))
        self._kinds = set(KINDS)
        self._writer, self._part = crypto.random_bytes(8).hex(), 0
        self._lock, self._settling = threading.Lock(), threading.Lock()
        self._wake, self._over = threading.Event(), False
        self._process = os.getpid()
        self._file: _File | None = None
        self._left: list[_File] = []
        """Ended or broken: still to be brought to the disk, and closed."""
        self._durable: dict[str, Head] = {}
        """This writer's newest lines that are on the disk, by file: of the last file or two."""
        self._trouble: JournalProblem | None = None
        self._second, self._prefix = -1, ""
        try:
            with _trouble("make the journal"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._begin(_tips(folder))
                self._settle()
                sync_folder(folder)  # for the note, without which no second line may stand
        except BaseException:
            self._let_go()
            raise
        self._thread = threading.Thread(target=self._tend, name="masquerade-journal", daemon=True)
        self._thread.start()

    @property
    def public(self) -> str:
        """Who signs it: 64 hexadecimal digits."""
        return self._identity.public

    def record(self, entry: Entry) -> None:
        """Write the line of one request.

        Raises:
            JournalProblem: it was not written, or a kind is none of a policy that was announced.
        """
        if not self._kinds.issuperset(entry.found):
            raise JournalProblem("the journal takes kinds of announced policies alone")
        self._add("request", entry.fields())

    def started(
        self, version: str, policy: str, recipient: str, settings: Mapping[str, str | int | bool]
    ) -> None:
        """The gateway begins its work: its version, and what of its settings matters to a regulator.

        Raises:
            JournalProblem: it was not written, or has a shape that a setting has not.
        """
        _check("version", version, _SETTING)
        _check("policy", policy, _POLICY)
        _check("recipient", recipient, _HOST)
        for name, value in settings.items():
            _check("name of a setting", name, _NAMED)
            if isinstance(value, str):
                _check("setting", value, _SETTING)
            elif type(value) is not bool:
                _count("a setting", value, _MOST_BYTES)
        told = {"version": version, "policy": policy, "to": recipient, "settings": dict(settings)}
        self._add("started", told)

    def policy(self, policy: Policy) -> None:
        """``policy`` is in force from now on: what becomes of each kind by it. Announces its own kinds.

        Raises:
            JournalProblem: it was not written.
        """
        kinds = (*KINDS, *policy.own_kinds)
        fates = {kind: policy.fate(kind).value for kind in kinds}
        self._add("policy", {"policy": policy.version, "fates": fates})
        self._kinds.update(kinds)

    def erased(self, tenant: str, scope: str, asked: str, counts: Mapping[str, int]) -> str:
        """An erasure was done for ``tenant``: ``scope`` says what ``asked`` names (as ``subject``), and
        ``counts`` how much of what was destroyed.

        ``asked`` may be private: the line holds its keyed digest, which is returned.

        Raises:
            JournalProblem: it was not written, or has no such shape.
        """
        _check("tenant", tenant, _TENANT)
        _check("scope", scope, _NAMED)
        for name, n in counts.items():
            _check("name of a count", name, _NAMED)
            _count("erased", n)
        message = b"\0".join((tenant.encode(), scope.encode(), asked.encode("utf-8", "surrogatepass")))
        digest = self._asked.digest(message).hex()
        told = {"tenant": tenant, "scope": scope, "asked": digest, "counts": dict(counts)}
        self._add("erasure", told)
        return digest

    def retire(self, before: date) -> int:
        """Remove the files whose lines are all from before that day (UTC), once a line says so; their number.

        A file that a process still writes stays.

        Raises:
            BadInput: the day before that is not over.
            JournalProblem: the line was not written, and nothing was removed; or a file cannot be removed.
        """
        day = before.isoformat()
        with self._lock:
            if day > self._now()[:10]:  # it would excuse files that are yet to come
                raise BadInput("the days that are to be removed are not over")
        old = [name for name in names(self.folder) if _is_over(self.folder / name, day)]
        if old:
            self._add("retired", {"before": day, "files": len(old)})
            self.checkpoint()
            with _trouble("remove old files of the journal"):
                for name in old:
                    (self.folder / name).unlink()
                heads = list(self.folder.glob("*.head"))  # before the files, which are made before their note
                writers = {name.split("-")[1] for name in names(self.folder)}
                for head in heads:
                    if HEAD_NAME.fullmatch(head.name) and head.stem not in writers:
                        head.unlink()
        return len(old)

    def checkpoint(self) -> None:
        """Sign what was written, and see to it that it is on the disk; begin a new file if one is due.

        Raises:
            JournalProblem: that failed.
        """
        self._settle()

    def close(self) -> None:
        """End the file, signed and on the disk. Nothing can be recorded any more.

        Raises:
            JournalProblem: the end was not written; a file without one looks like that of a killed process.
        """
        with self._lock:
            if self._over:
                return
            self._over = True
        self._wake.set()
        self._thread.join()
        try:
            with self._lock:
                if self._file is not None:
                    self._end("stopped")
            self._settle()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        for file in (*self._left, *([self._file] if self._file else [])):
            file.close()
        self._left, self._file = [], None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    # Lines

    def _add(self, what: str, told: Mapping[str, Any]) -> None:
        with self._lock:
            if self._over or os.getpid() != self._process:
                raise JournalProblem("the journal is closed, or was made by another process")
            if self._trouble is not None:
                trouble, self._trouble = self._trouble, None
                raise trouble
            file = self._file
            if file is None:  # the last one broke: what of it is on the disk is all that can be promised
                file = self._begin(dict(self._durable))
            if what == "request" and file.unsigned >= self._limits.lines:
                self._line(file, "checkpoint", {})
            self._line(file, what, told)
            due = file.unsigned >= self._limits.lines or file.size >= self._limits.size
        if due or what != "request":
            self._wake.set()

    def _line(self, file: _File, what: str, told: Mapping[str, Any]) -> None:
        try:
            file.append(
                {"n": file.n + 1, "at": self._now(), "is": what, **told},
                None if what == "request" else self._identity.signer,
            )
        except JournalProblem:
            if file.broken:
                self._drop(file)
            raise

    def _now(self) -> str:
        """UTC, in milliseconds, as in ``2026-02-03T04:05:06.789Z``."""
        second, ms = divmod(int(min(max(self._clock(), 0.0), 253402300799.0) * 1000), 1000)
        if second != self._second:
            self._second, self._prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._prefix}{ms:03d}Z"

    # Files

    def _begin(self, heads: Mapping[str, Head]) -> _File:
        now = self._now()
        self._part += 1
        stamp = now.translate(_NO_SIGNS)
        file = _File.create(self.folder / f"{stamp}-{self._writer}-{self._part:04d}.jsonl", now[:10])
        try:
            told = {
                "journal": VERSION,
                "file": file.path.name,
                "key": self._identity.public,
                "every": self._limits.lines,
                "heads": {name: list(head) for name, head in heads.items()},
            }
            self._line(file, "opened", told)
        except BaseException:
            file.discard()
            raise
        self._file = file
        return file

    def _end(self, why: str) -> None:
        file = self._file
        assert file is not None  # noqa: S101
        self._line(file, "ended", {"why": why})
        self._drop(file)

    def _drop(self, file: _File) -> None:
        """Nothing is written to ``file`` any more."""
        if self._file is file:
            self._file = None
            self._left.append(file)

    def _tend(self) -> None:
        while not self._over:
            self._wake.wait(self._limits.seconds)
            self._wake.clear()
            if not self._over:
                try:
                    self._settle()
                except JournalProblem as trouble:  # whoever writes next is told
                    with self._lock:
                        self._trouble = trouble

    def _settle(self) -> None:
        """Checkpoint, bring to the disk, note what is there; and a new file if it is time for one."""
        with self._settling:
            self._sync()
            with self._lock:
                file = self._file
                old = file is not None and not self._over and self._is_old(file)
            if file is not None and old:
                self._turn(file)
                self._sync()

    def _is_old(self, file: _File) -> bool:
        return file.size >= self._limits.size or self._now()[:10] > file.day

    def _turn(self, file: _File) -> None:
        """End ``file`` and begin the next, which names what is known to be on the disk."""
        with _trouble("read the journal"):
            others = _tips(self.folder, but=self._writer)
        with self._lock:
            if self._file is not file or self._over:
                return
            self._end("rotated")
            self._begin({**others, **self._durable})

    def _sync(self) -> None:
        with self._lock:
            file = self._file
            if file is not None:
                if not file.is_whole():  # removed, or changed by someone else: nothing is written behind that
                    self._drop(file)
                    self._trouble = JournalProblem("the journal's file was removed or changed while in use")
                elif file.unsigned:
                    self._line(file, "checkpoint", {})
            left, self._left = self._left, []
            current = self._file
            head = current.head if current is not None else None
            copy = os.dup(current.descriptor) if current is not None else None
        heads: dict[str, Head] = {}
        try:
            for each in left:
                with _trouble("bring the journal to the disk"):
                    os.fsync(each.descriptor)
                    if each.is_whole():
                        heads[each.path.name] = each.head
                each.close()
            if copy is not None and current is not None and head is not None:
                with _trouble("bring the journal to the disk"):
                    os.fsync(copy)
                    heads[current.path.name] = head
                    if current.path.name not in self._durable:
                        sync_folder(self.folder)  # a name, too, has to come to the disk
        except JournalProblem as trouble:
            with self._lock:
                self._trouble = trouble
                if current is not None:
                    self._drop(current)
            raise
        finally:
            if copy is not None:
                os.close(copy)
        self._note(heads)

    def _note(self, heads: dict[str, Head]) -> None:
        """Write down what is on the disk, beside the files: signed, and of the last two files alone."""
        noted = dict(sorted((self._durable | heads).items())[-2:])
        if noted == self._durable:
            return
        told = {
            "journal": VERSION,
            "writer": self._writer,
            "key": self._identity.public,
            "heads": {name: list(head) for name, head in noted.items()},
        }
        body = orjson.dumps(told)[:-1]
        signature = self._identity.signer.sign(HEAD_LABEL + body)
        line = body + SIGNED + hexlify(signature) + b'"}\n'
        part = self.folder / f".{self._writer}.head.part"
        with _trouble("note the newest line of the journal"):
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                if os.write(descriptor, line) < len(line):
                    raise JournalProblem("cannot note the newest line of the journal: the disk is full")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            part.replace(self.folder / f"{self._writer}.head")
        self._durable = noted


_NO_SIGNS = str.maketrans("", "", "-:.")


class _File:
    """One file that is open to be appended to."""

    def __init__(self, path: Path, descriptor: int, day: str) -> None:
        self.path, self.descriptor, self.day = path, descriptor, day
        self.n, self.size, self.unsigned = -1, 0, 0
        self.broken = False
        self._link = START

    @classmethod
    def create(cls, path: Path, day: str) -> _File:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        flags |= getattr(os, "O_BINARY", 0)
        with _trouble("make a file of the journal"):
            descriptor = os.open(path, flags, 0o600)
        take_lock(descriptor)
        return cls(path, descriptor, day)

    @property
    def head(self) -> Head:
        return Head(self.n, self._link.hex())

    def append(self, told: Mapping[str, Any], signer: crypto.Signer | None) -> None:
        """One line, signed if there is who signs."""
        body = orjson.dumps(told)[:-1]
        if signer is not None:
            body += SIGNED + hexlify(signer.sign(LINE_LABEL + self._link + body)) + b'"'
        link = crypto.sha256(self._link + body)
        line = body + LINK + hexlify(link) + b'"}\n'
        if len(line) > MOST_LINE:
            raise JournalProblem("the journal takes no line of that length")
        unsigned = 0 if signer is not None else self.unsigned + 1
        before = self._link, self.n, self.size, self.unsigned
        try:
            done = os.write(self.descriptor, line)
            while done < len(line):
                done += os.write(self.descriptor, line[done:])
            self._link, self.n, self.size, self.unsigned = link, self.n + 1, self.size + done, unsigned
        except BaseException as problem:  # an interrupt, too, is to leave a whole line or none
            self._link, self.n, self.size, self.unsigned = before
            self._take_back()
            if isinstance(problem, OSError):
                raise JournalProblem(f"cannot write to the journal: {problem.strerror}") from None
            raise

    def _take_back(self) -> None:
        """Remove what was written of a line; where that fails, it stays cut off, and nothing is behind it."""
        try:
            os.ftruncate(self.descriptor, self.size)
        except OSError:
            self.broken = True

    def is_whole(self) -> bool:
        """Whether the file is still there, as long as what was written."""
        status = os.fstat(self.descriptor)
        return status.st_nlink > 0 and status.st_size == self.size

    def discard(self) -> None:
        """Remove the file, in which no line is."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


@contextlib.contextmanager
def _trouble(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise JournalProblem(f"cannot {what}: {problem.strerror}") from None


def identity(key: Key) -> Identity:
    """Who signs the journal under this root key."""
    return Identity(key.tenant("").purpose("journal"))


def signers(key: Key) -> frozenset[str]:
    """Who may have signed a journal of the holder of ``key``: its identity, and those of retired roots."""
    return frozenset(identity(each).public for each in (key, *key.retired))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if NAME.fullmatch(path.name))


def _tips(folder: Path, but: str = "") -> dict[str, Head]:
    """The newest lines of all files that no first line of another names, brought to the disk.

    Naming these alone is enough: what they name in turn is bound by them. ``but``: a writer who is left out.
    """
    heads: dict[str, Head] = {}
    named: dict[str, int] = {}
    for name in names(folder):
        with contextlib.suppress(OSError, *ODD), (folder / name).open("rb") as file:
            for other, head in heads_of(orjson.loads(file.readline(MOST_LINE))).items():
                named[other] = max(head.n, named.get(other, 0))
            last = orjson.loads(_last_line(file))
            heads[name] = head_of([last["n"], last["link"]])
    tips = {
        name: head
        for name, head in heads.items()
        if named.get(name, -1) < head.n and name.split("-")[1] != but
    }
    for name in tips:
        with contextlib.suppress(FileNotFoundError), (folder / name).open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)
    return tips


ODD = (ValueError, KeyError, TypeError, IndexError, AttributeError)
"""What reading a line raises that is none of ours."""
_MOST_LINES = 1 << 53


def head_of(told: Any) -> Head:
    """Raises one of :data:`ODD`."""
    n, link = told
    if type(n) is not int or not 0 <= n < _MOST_LINES or not re.fullmatch("[0-9a-f]{64}", link):
        raise ValueError("no line")
    return Head(n, link)


def heads_of(line: Any) -> dict[str, Head]:
    """Raises one of :data:`ODD`."""
    heads = {name: head_of(told) for name, told in line["heads"].items()}
    if not all(map(NAME.fullmatch, heads)):
        raise ValueError("no file")
    return heads


def _last_line(file: BinaryIO) -> bytes:
    """The last line that is whole."""
    end, tail = file.seek(0, os.SEEK_END), b""
    while end > 0 and tail.count(b"\n") < 2 and len(tail) < 2 * MOST_LINE:
        start = max(0, end - (1 << 12))
        file.seek(start)
        tail, end = file.read(end - start) + tail, start
    return tail.split(b"\n")[-2]


def _is_over(path: Path, day: str) -> bool:
    """Whether all lines of a file are from before ``day``, and nobody writes to it any more."""
    with contextlib.suppress(OSError, *ODD), path.open("rb") as file:
        at = str(orjson.loads(_last_line(file))["at"])
        stamp = path.name[:8]
        return at[:10] < day and stamp < day.replace("-", "") and take_lock(file.fileno())
    return False

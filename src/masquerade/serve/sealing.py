"""``masquerade seal``, ``open`` and ``inspect``: packages of files and folders, and what was opened before.

    files and folders  ->  entries  ->  seal/envelope.py  ->  one file, in place when it is whole
    package  ->  verified, piece by piece  ->  .DIR.xxxxxxxx.part  ->  DIR, when it is whole

Nothing follows a link. Whoever opens remembers the newest number of each series (``seen.db`` by the key
file), so that an older package, though genuine, is not taken for the newest.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from masquerade import crypto, seal
from masquerade.dp.accountant import to_json
from masquerade.errors import BadInput, KeyProblem, Outdated, OutputProblem
from masquerade.keys import Identity
from masquerade.seal.envelope import room
from masquerade.seal.manifest import Manifest, Paid, Price, problem_of
from masquerade.serve import keyfile
from masquerade.serve.landing import FolderLanding, Landing, writing
from masquerade.serve.source import Unreadable, Usage

_TEXT_BYTES = 1 << 20
_WRITE_BYTES = 1 << 18
"""Written at once: of larger writes the kernel makes larger pages, at several times the cost."""
_WAIT_SECONDS = 60.0
_HEX = re.compile(r"[0-9a-f]{64}")

Tell = Callable[[int], object]


# Seal ---------------------------------------------------------------------------------------------------


def run_seal(args: argparse.Namespace) -> int:
    """Seal; the exit code is 0."""
    started = time.monotonic()
    recipients = [keyfile.load_recipient(Path(path)) for path in args.to]
    identity = keyfile.load_identity(Path(args.sign))
    entries, folders = gather(args.paths, never=(args.sign, args.output))
    texts: dict[str, Any] = {
        "series": args.series if args.series is not None else _series(args),
        "title": args.title,
        "card": _text(args.card),
        "configuration": _json(args.configuration),
        "ledger": _paid(args),
        "folders": folders,
        "sequence": args.sequence if args.sequence is not None else time.time_ns() // 1_000_000,
    }
    size = sum(entry.size for entry in entries)
    with Landing(args.output, force=args.force) as landing, _progress(args, "sealing", room(size)) as tell:
        out = _Out(landing.file(), landing.name)
        with _reading("what is sealed"):
            cover = seal.seal(out, entries, recipients, identity, progress=tell, **texts)
        landing.land()
    if args.json:
        print(json.dumps({"command": "seal", **_cover(cover), "files": len(entries), "bytes": size}))
    else:
        seconds = time.monotonic() - started
        _say(args, f"sealed {len(entries):,} files, {size:,} bytes in {seconds:.1f} s")
        _say(args, f"for {', '.join(cover.recipients)}, number {cover.public.sequence}")
    return 0


def gather(paths: Sequence[str], never: Sequence[str] = ()) -> tuple[list[seal.Entry], list[str]]:
    """All files below ``paths``, by name, and the folders in which there is nothing.

    A file that was named is called by its name; those of a folder by its name and their paths in it.
    ``never``: files that are refused, one's own identity and the output.

    Raises:
        BadInput: a link or a device, a name that is not safe everywhere, or a file of ``never``.
        Unreadable: something is not there, or may not be read.
    """
    refused = {(s.st_dev, s.st_ino) for s in map(_status, never) if s is not None}
    entries: list[seal.Entry] = []
    folders: list[str] = []

    def take(name: str, path: Path) -> None:
        if problem := problem_of(name):
            raise BadInput(f"it cannot be sealed: its name {problem}", source=ascii(str(path))[1:-1])
        with _reading(str(path)):
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                inside = sorted(path.iterdir())
                if not inside:
                    folders.append(name)
                for each in inside:
                    take(f"{name}/{each.name}", each)
                return
        if not stat.S_ISREG(status.st_mode):
            raise BadInput("it cannot be sealed: it is a link, or no file", source=str(path))
        if (status.st_dev, status.st_ino) in refused:
            raise BadInput("it is your own identity, or the output: leave it out", source=str(path))
        entries.append(seal.Entry(name, status.st_size, lambda: _opened(path)))

    for given in paths:
        path = Path(
            os.path.realpath(given)
        )  # a link that is named is meant; one in a folder may be an accident
        take(Path(os.path.abspath(given)).name, path)  # noqa: PTH100 - the name as it was given
    return entries, folders


def _status(path: str) -> os.stat_result | None:
    try:
        return Path(path).stat()
    except OSError:
        return None


def _opened(path: Path) -> io.FileIO:
    """The file, without following a link that has taken its place."""
    with _reading(str(path)):
        flags = (
            os.O_RDONLY
            | getattr(os, "O_NOFOLLOW", 0)
            | getattr(os, "O_NONBLOCK", 0)
            | getattr(os, "O_BINARY", 0)
        )
        file = io.FileIO(os.open(path, flags), closefd=True)
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise BadInput("it is no file any more", source=str(path))
        return file


class _Out:
    """A file whose refusals are ours."""

    def __init__(self, file: Any, name: str) -> None:
        self._file, self._name = file, name

    def write(self, data: bytes | memoryview) -> None:
        with writing(self._name):
            _write_all(self._file, memoryview(data))

    def seek(self, offset: int) -> None:
        with writing(self._name):
            self._file.seek(offset)


def _series(args: argparse.Namespace) -> str:
    """What stands for what is sealed, from one time to the next: its name."""
    only = args.paths[0] if len(args.paths) == 1 else args.output
    return Path(os.path.abspath(only)).name  # noqa: PTH100


def _text(path: str | None) -> str:
    if path is None:
        return ""
    with _reading(path), Path(path).open("rb") as file:
        data = file.read(_TEXT_BYTES + 1)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput("is no utf-8 text, or over 1 MiB", source=path) from None


def _json(path: str | None) -> str:
    text = _text(path)
    try:
        if path is not None:
            json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput("the configuration is no JSON", source=path) from None
    return text


def _paid(args: argparse.Namespace) -> list[Paid]:
    """The accounts that are named, as they stand in the ledger."""
    if not args.account:
        if args.ledger is not None:
            raise Usage("say with --account which accounts of the ledger are told")
        return []
    from masquerade.serve.books import FileStore, default_path

    path = args.ledger or default_path()
    if not path.exists():
        raise Unreadable("there is no ledger", source=str(path))
    with FileStore(path).locked() as entries:
        found = {name: entries.account(name) for name in args.account}
    paid = [Paid.of(name, account.unit, account) for name, account in found.items() if account is not None]
    if len(paid) < len(args.account):
        raise BadInput("the ledger has no such account", source=str(path))
    return paid


# Open ---------------------------------------------------------------------------------------------------


def run_open(args: argparse.Namespace) -> int:
    """Open; the exit code is 0."""
    started = time.monotonic()
    identity, signer = keyfile.load_identity(Path(args.key)), signer_of(args.sender)
    seen = Seen(keyfile.home() / "seen.db")
    with opened(args.file) as file, _reading(args.file):
        package = seal.open(file, identity, signer)
        wanted = _wanted(package.manifest, args.only)
        if not args.older:
            seen.check(package)
        size = sum(member.size for member in wanted)
        with (
            FolderLanding(args.output, force=args.force, source=args.file) as landing,
            _progress(args, "opening", size) as tell,
        ):
            _write(package, wanted, landing, tell, whole=not args.only)
            seen.record(package, older=args.older)
            landing.land()
    told = {"command": "open", **_cover(package.cover), "files": len(wanted), "bytes": size}
    if args.json:
        print(json.dumps(told))
    else:
        seconds = time.monotonic() - started
        _say(args, f"opened {len(wanted):,} files, {size:,} bytes in {seconds:.1f} s")
        _say(args, f"signed by {signer}, number {package.cover.public.sequence}")
    return 0


def _write(
    package: seal.Package, wanted: Sequence[seal.Member], landing: FolderLanding, tell: Tell, *, whole: bool
) -> None:
    for member in wanted:
        with landing.make(member.name) as file:
            for part in package.parts(member.name):
                with writing(landing.name):
                    _write_all(file, part)
                tell(len(part))
            with writing(landing.name):
                os.fsync(file.fileno())
    if whole:
        package.finish()
        for name in package.manifest.folders:
            landing.folder(name)


def _write_all(file: Any, part: memoryview) -> None:
    while part:
        part = part[file.write(part[:_WRITE_BYTES]) :]


def _wanted(manifest: Manifest, only: Sequence[str]) -> list[seal.Member]:
    """The files that are wanted: all, or those named, or in the folders named."""
    if not only:
        return list(manifest.members)
    heads = [name.rstrip("/") for name in only]
    for name, head in zip(only, heads, strict=True):
        if not any(m.name == head or m.name.startswith(head + "/") for m in manifest.members):
            raise Usage(f"there is no file {name!r} in the package: masquerade inspect --key lists them")
    return [
        m for m in manifest.members if any(m.name == head or m.name.startswith(head + "/") for head in heads)
    ]


def signer_of(told: str) -> str:
    """Who must have signed: an identity's public half, or a recipient file that holds it."""
    if _HEX.fullmatch(told.lower()):
        return told.lower()
    return keyfile.load_recipient(Path(told)).identity.hex()


@contextlib.contextmanager
def opened(path: str) -> Iterator[io.FileIO]:
    with _reading(path):
        file = io.FileIO(path)
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Unreadable("a package is read from a file: it is gone back in", source=path)
        yield file


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    """The system's refusal to read, as our own error."""
    try:
        yield
    except OSError as problem:
        raise Unreadable(f"cannot read it: {problem.strerror}", source=name) from None


class Seen:
    """The newest number of each series that was opened here, in a file at ``path``.

    It names signers, fingerprints of series and of packages, and no file. Many processes may share it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    def check(self, package: seal.Package) -> None:
        """Raises :class:`Outdated` if a newer one of its series was opened, or another one of its number."""
        with self._open() as db:
            self._check(db, package)

    def record(self, package: seal.Package, *, older: bool = False) -> None:
        """Remember ``package``; what is ``older`` changes nothing. Raises as :meth:`check` unless it is."""
        cover = package.cover
        with self._open() as db:
            try:
                self._check(db, package)
            except Outdated:
                if not older:
                    raise
                return
            db.execute(
                "INSERT OR REPLACE INTO seen (signer, series, sequence, package) VALUES (?, ?, ?, ?)",
                (*_place(package), cover.public.sequence, cover.id),
            )

    @staticmethod
    def _check(db: sqlite3.Connection, package: seal.Package) -> None:
        row = db.execute(
            "SELECT sequence, package FROM seen WHERE signer = ? AND series = ?", _place(package)
        ).fetchone()
        number, cover = package.cover.public.sequence, package.cover
        if row is not None and (number < row[0] or (number == row[0] and cover.id != row[1])):
            raise Outdated(number, row[0])

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            with contextlib.closing(
                sqlite3.connect(self._path, timeout=_WAIT_SECONDS, isolation_level=None)
            ) as db:
                db.execute("PRAGMA synchronous = EXTRA")
                db.execute("BEGIN IMMEDIATE")
                db.execute(
                    "CREATE TABLE IF NOT EXISTS seen (signer TEXT, series TEXT, sequence INTEGER NOT NULL, "
                    "package TEXT NOT NULL, PRIMARY KEY (signer, series))"
                )
                yield db
                db.execute("COMMIT")
        except (sqlite3.Error, OSError):
            raise OutputProblem(
                f"cannot keep {self._path}, which remembers what was opened", made=True
            ) from None


def _place(package: seal.Package) -> tuple[str, str]:
    return package.cover.signer, crypto.sha256(package.manifest.series.encode()).hex()


# Inspect ------------------------------------------------------------------------------------------------


def run_inspect(args: argparse.Namespace) -> int:
    """Say who, what and which budget; the exit code is 0. The payload is not opened."""
    signer = signer_of(args.sender) if args.sender else None
    manifest = None
    with opened(args.file) as file, _reading(args.file):
        if args.key:
            package = seal.open(file, keyfile.load_identity(Path(args.key)), signer)
            cover, manifest = package.cover, package.manifest
        else:
            cover = seal.inspect(file)
            if signer not in (None, cover.signer):
                raise KeyProblem(f"{cover.signer} signed this package, and not {signer}")
    if args.json:
        told = {"command": "inspect", **_cover(cover), "signer_checked": signer is not None}
        print(json.dumps(told | ({"manifest": _manifest(manifest)} if manifest else {}), ensure_ascii=False))
        return 0
    for line in _lines(cover, manifest, checked=signer is not None):
        print(line)
    return 0


def _lines(cover: seal.Cover, manifest: Manifest | None, *, checked: bool) -> Iterator[str]:
    doubt = "" if checked else "  (is this who should have? say with --from)"
    yield f"signed by  {cover.signer}{doubt}"
    for recipient in cover.recipients:
        yield f"sealed to  {recipient}"
    if cover.public.title:
        yield f"title      {cover.public.title}"
    yield f"number     {cover.public.sequence}"
    for price in cover.public.budget:
        yield f"budget     {_budget(price)}"
    yield f"payload    {cover.payload:,} bytes, with padding"
    if manifest is None:
        return
    yield f"series     {_plain(manifest.series)}"
    for paid in manifest.ledger:
        yield f"account    {_plain(paid.account)}, {_budget(paid)}"
        for event, count in paid.events:
            yield f"           {count:,} x {to_json(event)}"
    for name in manifest.folders:
        yield f"folder     {name}"
    for member in manifest.members:
        yield f"file       {member.name}  {member.size:,} bytes"
    for what, text in (("card", manifest.card), ("configuration", manifest.configuration)):
        if text:
            yield f"\n{what}:"
            yield _plain(text.rstrip("\n"))


def _budget(price: Price | Paid) -> str:
    return f"{price.unit}: spent epsilon {price.spent:.4g} of {price.epsilon:g} at delta {price.delta:g}"


def _plain(text: str) -> str:
    """Text of another without what moves a cursor or turns letters round."""
    return re.sub(r"[^\S \n\t]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "\ufffd", text)


def _cover(cover: seal.Cover) -> dict[str, Any]:
    return {
        "signer": cover.signer,
        "recipients": list(cover.recipients),
        "title": cover.public.title,
        "sequence": cover.public.sequence,
        "budget": [_price(price) for price in cover.public.budget],
        "payload": cover.payload,
        "id": cover.id,
    }


def _price(price: Price | Paid) -> dict[str, Any]:
    spent = price.spent if price.spent < float("inf") else None
    return {"unit": price.unit, "epsilon": price.epsilon, "delta": price.delta, "spent": spent}


def _manifest(manifest: Manifest) -> dict[str, Any]:
    return {
        "series": manifest.series,
        "files": [member._asdict() for member in manifest.members],
        "folders": list(manifest.folders),
        "ledger": [
            {"account": paid.account, **_price(paid), "events": [[to_json(e), n] for e, n in paid.events]}
            for paid in manifest.ledger
        ],
        "card": manifest.card,
        "configuration": manifest.configuration,
    }


# What they share ----------------------------------------------------------------------------------------


def _say(args: argparse.Namespace, message: str) -> None:
    if not args.quiet:
        print(message, file=sys.stderr)


@contextlib.contextmanager
def _progress(args: argparse.Namespace, verb: str, size: int) -> Iterator[Tell]:
    """A bar on standard error, if a person is looking at it."""
    if args.quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.progress import TransferSpeedColumn as Speed

    shown = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), Speed(), TimeRemainingColumn())
    with Progress(*shown, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(verb, total=size)
        yield lambda n: bar.advance(task, n)


def run_keys(args: argparse.Namespace) -> int:
    """``keys new`` and ``keys recipient``."""
    path = Path(args.file)
    if args.action == "recipient":
        identity: Identity = keyfile.load_identity(path)
        sys.stdout.write(seal.Recipient.of(identity).export())
        return 0
    identity = keyfile.new_keys(path)
    print(identity.public)
    print(f"give others {keyfile.recipient_path(path)}, and {path} to nobody", file=sys.stderr)
    return 0

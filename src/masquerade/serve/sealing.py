"""``masquerade seal``, ``open`` and ``inspect``: sealed packages in files, and what they hold on disk.

What is opened lies in a hidden folder until all of it was checked, and then gets its name at once. The home
folder remembers, of each signer and name, the latest number that was opened: an older package is refused.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from masquerade import crypto
from masquerade.errors import BadInput, KeyProblem, OutputProblem, Tampered
from masquerade.keys import Identity, Recipient
from masquerade.seal.envelope import Sealed, seal
from masquerade.seal.manifest import Manifest, Member
from masquerade.serve import keyfile
from masquerade.serve.bar import bytes_bar
from masquerade.serve.landing import Landing, alone, writing
from masquerade.serve.source import Source, Unreadable

_READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_MEMORY = "opened.json"


# -- sealing ---------------------------------------------------------------------------------------------


class _File:
    """A member on disk, opened when it is read and closed when it ends, so that few are open at once."""

    def __init__(self, path: Path, told: Callable[[int], object]) -> None:
        self._path, self._told = path, told
        self._file: BinaryIO | None = None

    def read(self, size: int = -1) -> bytes:
        if self._file is None:
            self._file = _opened(self._path)
        some = self._file.read(size)
        self._told(len(some))
        if not some:
            self._file.close()
        return some


def _opened(path: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, _READ_ONLY), "rb")
    except OSError as problem:
        raise Unreadable(f"cannot read {path}: {problem.strerror}") from None


def found(paths: list[str]) -> list[tuple[Member, Path]]:
    """The files that are meant: those named, and all in folders named, under the name of what was named.

    Raises:
        Unreadable: one cannot be read.
        BadInput: one is a link, a pipe or a device: what it is elsewhere is not what it is here.
    """
    members: list[tuple[Member, Path]] = []
    for text in paths:
        path = Path(os.path.abspath(text))  # noqa: PTH100 - resolving would follow links
        _add(path, path.name, members)
    return members


def _add(path: Path, name: str, members: list[tuple[Member, Path]]) -> None:
    try:
        status = path.lstat()
        inside = sorted(path.iterdir()) if stat.S_ISDIR(status.st_mode) else None
    except OSError as problem:
        raise Unreadable(f"cannot read {path}: {problem.strerror}") from None
    if inside is not None:
        for each in inside:
            _add(each, f"{name}/{each.name}", members)
    elif stat.S_ISREG(status.st_mode):
        members.append((Member(name, status.st_size), path))
    else:
        raise BadInput(f"{path} is no file and no folder: links, pipes and devices are not sealed")


def seal_files(
    paths: list[str],
    landing: Landing,
    *,
    to: list[Recipient],
    sign: Identity,
    name: str,
    number: int,
    about: dict[str, Any],
    told: Callable[[int], object],
) -> None:
    """Seal files and folders into ``landing``; it is in place after ``landing.land()``."""
    members = [(member, _File(path, told)) for member, path in found(paths)]
    for piece in seal(members, to=to, sign=sign, name=name, number=number, about=about):
        landing.write(bytes(piece))


# -- opening ---------------------------------------------------------------------------------------------


def open_file(
    source: Source,
    target: Path,
    identity: Identity,
    signer: Recipient,
    *,
    older: bool,
    told: Callable[[int], object],
) -> Manifest:
    """Open a package into a new folder, whole or not at all.

    Raises:
        OutputProblem: the folder is there already, or cannot be made or written.
        Tampered: the package was changed, or is older than one that was opened before.
        KeyProblem: it is not for this identity, or another signer's.
    """
    if os.path.lexists(target):
        raise OutputProblem(f"{target} is there already: name a folder that is not", made=False)
    sealed = Sealed.read(source.file)
    opened = sealed.open(identity, signer)
    home = keyfile.home()
    with writing(str(home), made=False):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone([home]):
        _check_number(sealed, signer, older)
        part = target.parent / f".{target.name}.{crypto.random_bytes(4).hex()}.part"
        with writing(str(part), made=False):
            part.mkdir(mode=0o700)
        try:
            _write_members(opened.chunks(source.file), part, told)
            _remember(sealed, signer)
            with writing(str(target)):
                if os.path.lexists(target):
                    raise OutputProblem(f"{target} came into being meanwhile: nothing was opened", made=False)
                part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return sealed.manifest


def _write_members(
    chunks: Iterator[tuple[Member, memoryview]], folder: Path, told: Callable[[int], object]
) -> None:
    now: Member | None = None
    with contextlib.ExitStack() as files:
        for member, piece in chunks:
            if member is not now:
                files.close()
                path = folder.joinpath(*member.name.split("/"))
                with writing(member.name):
                    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    file = files.enter_context(os.fdopen(os.open(path, _NEW, 0o600), "wb"))
                now = member
            with writing(str(path)):
                file.write(piece)
            told(len(piece))


def _check_number(sealed: Sealed, signer: Recipient, older: bool) -> None:
    known = _memory().get(signer.id, {}).get(sealed.manifest.name, -1)
    if sealed.manifest.number < known and not older:
        raise Tampered(
            f"this package has the number {sealed.manifest.number}, and number {known} of the same name was "
            "opened before: somebody may have put an old one in its place; if it is meant, add --older"
        )


def _remember(sealed: Sealed, signer: Recipient) -> None:
    memory = _memory()
    names = memory.setdefault(signer.id, {})
    names[sealed.manifest.name] = max(sealed.manifest.number, names.get(sealed.manifest.name, -1))
    with Landing(str(keyfile.home() / _MEMORY), force=True, private=True, locked=True) as landing:
        landing.write(json.dumps(memory, indent=1, sort_keys=True).encode() + b"\n")
        landing.land()


def _memory() -> dict[str, dict[str, int]]:
    path = keyfile.home() / _MEMORY
    try:
        memory: dict[str, dict[str, int]] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise KeyProblem(
            f"{path}, which remembers what was opened, cannot be read: mend it or remove it"
        ) from None
    return memory


# -- the command -----------------------------------------------------------------------------------------


def add_verbs(verb: Callable[..., argparse.ArgumentParser]) -> None:
    """The three verbs, for the command line."""
    sealing = verb("seal", _seal, "seal files and folders for others, signed")
    add = sealing.add_argument
    add("paths", nargs="+", metavar="PATH", help="files and folders")
    add("--to", required=True, action="append", metavar="FILE", help="a recipient's public file; repeatable")
    add("--sign", required=True, metavar="FILE", help="your identity: see  masquerade keys new")
    add("--name", metavar="NAME", help="what it is called (default: the first PATH's name)")
    add("--number", type=int, metavar="N", help="larger for a later one (default: seconds since 1970)")
    add("--about", metavar="FILE.json", help="public, and signed: a JSON object")
    add("-o", "--output", required=True, metavar="OUT", help="the package, or - for a pipe")
    add("--force", action="store_true", help="write over a file that is there")

    opening = verb("open", _open, "open a sealed package into a new folder")
    add = opening.add_argument
    add("package", metavar="FILE", help="the package, or - for a pipe")
    add("--key", required=True, metavar="FILE", help="your identity")
    add("--from", required=True, dest="signer", metavar="FILE", help="the public file of its signer")
    add("--older", action="store_true", help="accept one that is older than another before it")
    add("-o", "--output", required=True, metavar="FOLDER", help="a folder that is not there yet")

    inspecting = verb("inspect", _inspect, "say who sealed a package for whom, what it is, and at what cost")
    add = inspecting.add_argument
    add("package", metavar="FILE", help="the package, or - for a pipe")
    add("--from", dest="signer", metavar="FILE", help="check that its signer is this one")

    for parser in (sealing, opening):
        parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    for parser in (sealing, opening, inspecting):
        parser.add_argument("--json", action="store_true", help="print one JSON object")


def load_recipient(path: str) -> Recipient:
    """The recipient in a file, which anybody may read."""
    try:
        return Recipient.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise KeyProblem(
            f"no recipient's file at {path}: ask them for what 'masquerade keys new' printed"
        ) from None
    except KeyProblem as problem:
        raise KeyProblem(f"{path}: {problem}") from None


def _seal(args: argparse.Namespace) -> int:
    to = [load_recipient(path) for path in args.to]
    identity = keyfile.load_identity(Path(args.sign))
    number = int(time.time()) if args.number is None else args.number
    name = args.name or Path(os.path.abspath(args.paths[0])).name  # noqa: PTH100
    total = sum(member.size for member, _ in found(args.paths))
    with (
        Landing(args.output, force=args.force, source=args.paths[0]) as landing,
        bytes_bar("sealing", total, quiet=args.quiet) as told,
    ):
        seal_files(
            args.paths,
            landing,
            to=to,
            sign=identity,
            name=name,
            number=number,
            about=_about(args.about),
            told=told,
        )
        landing.land()
    if args.json and args.output != "-":
        print(json.dumps({"name": name, "number": number, "bytes": total, "to": [each.id for each in to]}))
    return 0


def _about(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as problem:
        raise Unreadable(f"cannot read {path}: {problem.strerror}") from None
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise BadInput(f"{path} is no JSON object")
    return told


def _open(args: argparse.Namespace) -> int:
    identity, signer = keyfile.load_identity(Path(args.key)), load_recipient(args.signer)
    with Source.open(args.package) as source, bytes_bar("opening", source.size, quiet=args.quiet) as told:
        manifest = open_file(source, Path(args.output), identity, signer, older=args.older, told=told)
    if args.json:
        print(json.dumps({"name": manifest.name, "number": manifest.number, "bytes": manifest.payload}))
    return 0


def _inspect(args: argparse.Namespace) -> int:
    with Source.open(args.package) as source:
        sealed = Sealed.read(source.file)
    manifest = sealed.manifest
    if args.signer is not None and load_recipient(args.signer).signing != sealed.signer:
        raise KeyProblem(f"this package is not signed by the holder of {args.signer}")
    told = {
        "name": manifest.name,
        "number": manifest.number,
        "bytes": manifest.payload,
        "signer": sealed.signer.hex(),
        "signer_checked": args.signer is not None,
        "recipients": [each.recipient for each in manifest.recipients],
        "about": dict(manifest.about),
    }
    if args.json:
        print(json.dumps(told, ensure_ascii=False))
        return 0
    whose = "as asked" if args.signer is not None else "whose that is, --from checks"
    print(f"name        {manifest.name}, number {manifest.number}")
    print(f"inside      {manifest.payload:,} bytes; the files are seen by those who can open it")
    print(f"signed by   {sealed.signer.hex()}  ({whose})")
    print(f"sealed for  {', '.join(each.recipient for each in manifest.recipients)}")
    if manifest.about:
        print(json.dumps(dict(manifest.about), indent=2, ensure_ascii=False))
    return 0

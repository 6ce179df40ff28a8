"""Where the root key lives: a file that only its owner can read, or the environment.

``MASQUERADE_KEY`` (what ``masquerade keys export`` printed) wins over the file. The file is ``key`` in
``MASQUERADE_HOME``, else in the platform's folder for a program's settings. It is plain text: one key a line,
the active one first, each with the time of its making as a comment.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TextIO

from masquerade.errors import KeyProblem
from masquerade.keys import Identity, Key
from masquerade.seal.recipient import Recipient
from masquerade.serve.landing import sync_folder

ENVIRONMENT = "MASQUERADE_KEY"
"""The variable that holds the key itself; several keys are parted by white space, the active one first."""

_HEADER = "# Masquerade key file. Whoever reads it can undo every mask: keep it closed, and keep a copy.\n"
_WAIT_SECONDS = 5.0
_RECIPIENT_BYTES = 1 << 16


class KeptKey(NamedTuple):
    """One line of a key file, without the secret."""

    id: str
    created: str | None
    """When, in UTC (ISO 8601), if the line says so."""


def home(environ: Mapping[str, str] | None = None) -> Path:
    """The folder of Masquerade's own files: ``MASQUERADE_HOME``, or the platform's folder for settings."""
    env = os.environ if environ is None else environ
    if named := env.get("MASQUERADE_HOME"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        return Path(env.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "masquerade"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "masquerade"
    return Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "masquerade"


def default_path(environ: Mapping[str, str] | None = None) -> Path:
    """The key file's path when none is given."""
    return home(environ) / "key"


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Key:
    """The key from the environment, else from ``path`` (by default :func:`default_path`).

    Raises:
        KeyProblem: there is none, it is malformed, or others can read its file; the message says what to do.
    """
    env = os.environ if environ is None else environ
    if ENVIRONMENT in env:
        return _from_environment(env[ENVIRONMENT])
    return _parse(path := path or default_path(env), _read(path))


def load_or_create(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Key:
    """As :func:`load`; a file that does not exist is made, with a new key, mode 0600, in a 0700 folder.

    However many processes call this at once, all of them get the same key.

    Raises:
        KeyProblem: as :func:`load`, or the file cannot be made.
    """
    env = os.environ if environ is None else environ
    if ENVIRONMENT in env:
        return _from_environment(env[ENVIRONMENT])
    path = path or default_path(env)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError), _new_file(path) as file:
            file.write(_HEADER + _dated(Key.generate()))
    except OSError as problem:
        raise KeyProblem(
            f"cannot make the key file {path}: {problem.strerror}; set MASQUERADE_HOME to a folder of your "
            f"own, or {ENVIRONMENT} to a key"
        ) from None
    return _parse(path, _read(path))


def rotate(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Key:
    """Puts a new active key in front of the file; those there stay, retired, and still restore.

    The new file replaces the old in one step, so a reader sees one or the other, and a crash loses neither.

    Raises:
        KeyProblem: as :func:`load`; the key is in the environment, where only its owner can change it; or
            another rotation is under way.
    """
    env = os.environ if environ is None else environ
    if ENVIRONMENT in env:
        raise KeyProblem(f"the key comes from {ENVIRONMENT}, so it is rotated there: put the new key first")
    path = (path or default_path(env)).resolve()
    new = path.with_name(path.name + ".new")
    try:
        # The name is fixed and taken exclusively: of two rotations at once, one would lose the other's key.
        with _new_file(new) as file:
            text = _read(path)
            key = _parse(path, text).rotate()
            file.write(_HEADER + _dated(key) + text.removeprefix(_HEADER))
        new.replace(path)
        sync_folder(path.parent)
    except FileExistsError:
        raise KeyProblem(
            f"another rotation is under way; if none is, one was cut short: remove {new} and try again"
        ) from None
    except OSError as problem:
        raise KeyProblem(f"cannot replace the key file {path}: {problem.strerror}") from None
    return key


def history(path: Path | None = None, environ: Mapping[str, str] | None = None) -> list[KeptKey]:
    """The keys in use, the active one first, without their secrets.

    Raises:
        KeyProblem: as :func:`load`.
    """
    env = os.environ if environ is None else environ
    key = load(path, env)
    if ENVIRONMENT in env:
        return [KeptKey(each.id, None) for each in (key, *key.retired)]
    lines = [line for line in _read(path or default_path(env)).splitlines() if line.partition("#")[0].strip()]
    dates = [line.partition("# created ")[2].strip() or None for line in lines]
    return [KeptKey(each.id, date) for each, date in zip((key, *key.retired), dates, strict=False)]


def new_identity(path: Path) -> Identity:
    """A new identity in a new file, mode 0600.

    Raises:
        KeyProblem: the file exists, or cannot be made.
    """
    identity = Identity.generate()
    try:
        with _new_file(path) as file:
            file.write(f"# Masquerade identity {identity.public}. Whoever reads it can speak in its name.\n")
            file.write(identity.export())
    except FileExistsError:
        raise KeyProblem(f"{path} is there already: choose another name, or use that identity") from None
    except OSError as problem:
        raise KeyProblem(f"cannot make {path}: {problem.strerror}") from None
    return identity


def load_identity(path: Path) -> Identity:
    """The identity in ``path``.

    Raises:
        KeyProblem: there is none, it is malformed, or others can read its file.
    """
    if not path.exists():
        raise KeyProblem(f"no identity at {path}: make one with 'masquerade keys new {path}'")
    try:
        return Identity.parse(_read(path))
    except KeyProblem as problem:
        raise KeyProblem(f"{path}: {problem}") from None


def new_keys(path: Path) -> Identity:
    """As :func:`new_identity`, with what others seal to beside it, in ``path``.recipient.

    Raises:
        KeyProblem: one of the files exists, or cannot be made.
    """
    public = recipient_path(path)
    if os.path.lexists(public):
        raise KeyProblem(f"{public} is there already: choose another name")
    identity = new_identity(path)
    text = f"# Masquerade recipient {identity.public}. What is sealed to it, only its identity opens.\n"
    try:
        with public.open("x", encoding="ascii") as file:
            file.write(text + Recipient.of(identity).export())
    except OSError as problem:
        raise KeyProblem(
            f"made {path}, but not {public}: {problem.strerror}; 'masquerade keys recipient {path}' prints it"
        ) from None
    return identity


def recipient_path(path: Path) -> Path:
    """Where :func:`new_keys` puts the public half."""
    return path.with_name(path.name + ".recipient")


def load_recipient(path: Path) -> Recipient:
    """What others gave as theirs.

    Raises:
        KeyProblem: there is none, or it was changed.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_RECIPIENT_BYTES).decode("ascii", "replace")
    except OSError as problem:
        raise KeyProblem(f"cannot read the recipient {path}: {problem.strerror}") from None
    try:
        return Recipient.parse(text)
    except KeyProblem as problem:
        raise KeyProblem(f"{path}: {problem}") from None


def _from_environment(text: str) -> Key:
    try:
        return Key.parse("\n".join(text.split()))
    except KeyProblem as problem:
        raise KeyProblem(f"{ENVIRONMENT}: {problem}") from None


def _parse(path: Path, text: str) -> Key:
    try:
        return Key.parse(text)
    except KeyProblem as problem:
        raise KeyProblem(f"{path}: {problem}") from None


def _read(path: Path) -> str:
    """The file's text, once its maker has written it; refused when others could have read or replaced it."""
    until = time.monotonic() + _WAIT_SECONDS
    try:
        while True:
            with path.open(encoding="ascii", errors="replace") as file:
                _refuse_shared(path, os.fstat(file.fileno()))
                if text := file.read():
                    return text
            if time.monotonic() > until:
                raise KeyProblem(
                    f"the key file {path} is empty: put your copy back, or remove it for a new key"
                )
            time.sleep(0.01)
    except FileNotFoundError:
        raise KeyProblem(
            f"no key at {path}: copy it there, set {ENVIRONMENT}, or make one with 'masquerade keys create'"
        ) from None
    except OSError as problem:
        raise KeyProblem(f"cannot read the key file {path}: {problem.strerror}") from None


def _refuse_shared(path: Path, status: os.stat_result) -> None:
    if sys.platform == "win32":
        return
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise KeyProblem(f"others can read the key file {path}: run  chmod 600 '{path}'")
    folder = path.resolve().parent
    mode = folder.stat().st_mode
    if mode & 0o022 and not mode & stat.S_ISVTX:
        raise KeyProblem(f"others can replace the key file {path}: run  chmod go-w '{folder}'")


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    """A file of mode 0600 that did not exist before, on the disk when the block ends, gone if it fails."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            path.unlink()
            raise
    sync_folder(path.parent)


def _dated(key: Key) -> str:
    """The line of ``key``'s active root."""
    return f"{key.export().split()[0]}  # created {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n"

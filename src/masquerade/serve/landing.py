"""Output files that appear under their names together, whole, or not at all.

    made without a name (Linux), or as .NAME.xxxxxxxx.part  ->  written  ->  all put in place, under a lock

A process that is killed leaves nothing behind where the system can make files without a name. A vault needs
one, and so do other systems: there each part is locked by whoever writes it, and the next run for the same
output removes parts whose lock is free, since their writer is dead.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from masquerade import crypto
from masquerade.errors import OutputProblem
from masquerade.keys import Key
from masquerade.serve.vault import Vault

if sys.platform != "win32":
    import fcntl

_LOCK_SECONDS = 60.0
_ANONYMOUS: int = getattr(os, "O_TMPFILE", 0)


@contextlib.contextmanager
def writing(name: str, *, made: bool = True) -> Iterator[None]:
    """The system's refusal to write, as our own error."""
    try:
        yield
    except BrokenPipeError:
        raise OutputProblem(f"{name}: the reader of this pipe has gone", made=True) from None
    except OSError as problem:
        verb = "write" if made else "make"
        raise OutputProblem(f"cannot {verb} {name}: {problem.strerror}", made=made) from None


class Landing:
    """The outputs of one run: what was made of the input, its vault, and what was set aside.

    ``target`` ``-`` is the standard output, and a device or pipe is written as it is; for these there is no
    going back. Leaving the block without :meth:`land` removes all that was written, and what stood under
    these names before stays until then. ``locked``: the caller is :func:`alone` in its folders.

    Raises:
        OutputProblem: a file exists and ``force`` is not given, it is the input, or it cannot be made.
    """

    def __init__(
        self,
        target: str,
        *,
        vault: Path | None = None,
        rejected: Path | None = None,
        force: bool = False,
        private: bool = False,
        source: str = "-",
        locked: bool = False,
    ) -> None:
        self.name = "standard output" if target == "-" else target
        self.rejected = 0
        """Lines set aside."""
        self._force, self._private, self._locked = force, private, locked
        special = Path(target).exists() and not (Path(target).is_file() or Path(target).is_dir())
        # A pipe behind a link, as /dev/stdout, has no path of its own to resolve to.
        self._target = None if target == "-" else Path(target if special else os.path.realpath(target))
        self._vault, self._rejected = vault, rejected
        self._parts: dict[Path, _Part] = {}
        self._direct: BinaryIO | None = None
        files = [path for path in (None if special else self._target, vault, rejected) if path is not None]
        for path in files:
            _check_target(path, source, force)
        if len({os.path.realpath(path) for path in files}) < len(files):
            raise OutputProblem("the output, the vault and what is set aside need three names", made=False)
        for path in files:
            _sweep(path)
        if self._target is None:
            self._direct = sys.stdout.buffer
        elif special:
            with writing(self.name, made=False):
                self._direct = self._target.open("wb")

    @property
    def vault_name(self) -> str:
        """The vault's final name."""
        return str(self._vault)

    def vault(self, key: Key, tenant: str) -> Vault:
        """A new vault, to be filled and finished before :meth:`land`."""
        if self._vault is None:
            raise ValueError("this landing was given no path for a vault")
        with writing(self.vault_name, made=False):
            part = self._parts[self._vault] = _Part(self._vault, 0o600, named=True)
            return Vault.create(part.path, key, tenant, reserved=True)

    def write(self, data: bytes) -> None:
        """Appends ``data`` to the output."""
        if self._direct is not None:
            with writing(self.name):
                self._direct.write(data)
        elif self._target is not None:
            self._append(self._target, data, 0o600 if self._private else 0o666)

    def file(self) -> BinaryIO:
        """The output itself, for what is not written from the beginning to the end.

        Raises:
            OutputProblem: it is a pipe or a device, which cannot be gone back in; or it cannot be made.
        """
        if self._direct is not None or self._target is None:
            raise OutputProblem(f"{self.name} cannot be gone back in: name a file", made=False)
        self.write(b"")
        return self._parts[self._target].file

    def reject(self, data: bytes) -> None:
        """Sets ``data``, a line that could not be read and is not masked, aside."""
        self.rejected += 1
        if self._rejected is not None:
            self._append(self._rejected, data if data.endswith(b"\n") else data + b"\n", 0o600)

    def land(self) -> None:
        """Puts everything in place. A vault is there before its output is, never an output without it; and
        of two runs for the same output, one is wholly done before the other begins."""
        if self._direct is not None:
            with writing(self.name):
                self._direct.flush()
        finals = [path for path in (self._vault, self._rejected, self._target) if path in self._parts]
        for path in finals:
            with writing(str(path)):
                self._parts[path].complete()
        with contextlib.nullcontext() if self._locked else alone(path.parent for path in finals):
            try:
                for path in finals:
                    with writing(str(path)):
                        self._parts[path].place(force=self._force, last=path == finals[-1])
            except BaseException:
                for path in reversed(finals):
                    self._parts[path].put_back()
                raise
            for path in finals:
                self._parts[path].settle()

    def _append(self, path: Path, data: bytes, mode: int) -> None:
        part = self._parts.get(path)
        if part is None:
            with writing(str(path), made=False):
                part = self._parts[path] = _Part(path, mode)
        with writing(str(path)):
            part.file.write(data)

    def __enter__(self) -> Landing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for part in self._parts.values():
            part.drop()
        if self._direct is not None and self._target is not None:
            with contextlib.suppress(OSError):
                self._direct.close()


class FolderLanding:
    """A folder that appears under its name whole, or not at all.

    Made as ``.NAME.xxxxxxxx.part`` beside it, closed to others, and renamed by :meth:`land`; leaving the
    block without it removes all. What stood there before stays until then. What a
    killed process left is removed by the next run for the same folder.

    Raises:
        OutputProblem: something exists and ``force`` is not given, it is no folder, the working folder or
            ``source`` lies in it, or it cannot be made.
    """

    def __init__(self, target: str, *, force: bool = False, source: str = "-") -> None:
        self.name, self._force = target, force
        self._final = Path(os.path.realpath(target))
        self._check(source)
        for old in self._final.parent.glob(f".{glob.escape(self._final.name)}.????????.part"):
            _sweep_folder(old)
        self._made: set[Path] = set()
        with writing(target, made=False):
            self._path = _beside(self._final, "part")
            new = self._path.with_suffix(".new")
            new.mkdir(mode=0o700)
            self._held = _held(new)
            new.rename(self._path)

    def make(self, name: str) -> BinaryIO:
        """A new file ``a/b/c`` of the folder, for its owner alone. The caller has checked that the name leads
        nowhere else."""
        path = self.folder(name.rpartition("/")[0]) / name.rpartition("/")[2]
        with writing(self.name, made=False):
            flags = (
                os.O_WRONLY
                | os.O_CREAT
                | os.O_EXCL
                | getattr(os, "O_NOFOLLOW", 0)
                | getattr(os, "O_BINARY", 0)
            )
            return os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)

    def folder(self, name: str) -> Path:
        """The folder ``a/b`` of the folder, made if it is new."""
        path = self._path / name
        with writing(self.name, made=False):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._made.update(each for each in (path, *path.parents) if self._path in (each, *each.parents))
        return path

    def land(self) -> None:
        """Put it in place."""
        with writing(self.name):
            for folder in (self._path, *self._made):
                sync_folder(folder)
        with alone([self._final.parent]), writing(self.name):
            old = None
            if self._force and self._final.exists():
                old = _beside(self._final, "old")
                self._final.rename(old)
            elif os.path.lexists(self._final):
                raise OutputProblem(f"{self.name} was made meanwhile by another program", made=False)
            try:
                self._path.rename(self._final)
            except OSError:
                if old is not None:
                    old.rename(self._final)
                raise
            sync_folder(self._final.parent)
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)

    def _check(self, source: str) -> None:
        if not os.path.lexists(self._final):
            return
        if not self._final.is_dir():
            raise OutputProblem(f"cannot make the folder {self.name}: it is something else", made=False)
        if not self._force:
            raise OutputProblem(
                f"{self.name} exists: give another name, or --force to replace all of it", made=False
            )
        if any(Path(os.path.realpath(inner)).is_relative_to(self._final) for inner in (source, ".")):
            raise OutputProblem(
                f"{self.name} holds the input, or is where you are: give another name", made=False
            )

    def __enter__(self) -> FolderLanding:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._path.exists():
            shutil.rmtree(self._path, ignore_errors=True)
        if self._held is not None:
            os.close(self._held)


def _held(folder: Path) -> int | None:
    """The folder, locked for as long as it is open."""
    if sys.platform == "win32":
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    if not take_lock(descriptor):
        os.close(descriptor)
        raise BlockingIOError(errno.EWOULDBLOCK, "it is in use")
    return descriptor


def _sweep_folder(path: Path) -> None:
    """Remove a folder whose maker is dead."""
    with contextlib.suppress(OSError):
        descriptor = _held(path)
        if descriptor is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """See to it that names in ``folder`` outlast a loss of power."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _Part:
    """One output before it is whole: written out of sight, then put under its name, and put back if another
    one fails.

    ``named``: it must have a ``path`` from the beginning.
    """

    def __init__(self, final: Path, mode: int, *, named: bool = False) -> None:
        self._final, self._mode = final, mode
        self._path: Path | None = None
        self._old: Path | None = None
        self._placed = False
        descriptor = None if named else _without_name(final.parent, mode)
        if descriptor is None:
            self._path, descriptor = _hidden(final, mode)
        self.file: BinaryIO = os.fdopen(descriptor, "w+b")

    @property
    def path(self) -> Path:
        """The name that it has until it is in place."""
        if self._path is None:
            raise ValueError("this part has no name yet")
        return self._path

    def complete(self) -> None:
        """Bring all bytes to the disk, under some name."""
        self.file.flush()
        os.fsync(self.file.fileno())
        if self._path is None:
            self._path = self._named()
        if sys.platform == "win32":
            self.file.close()  # an open file has no other name there

    def place(self, *, force: bool, last: bool) -> None:
        """Put it under its final name; with ``force`` in place of what stands there, which is kept until
        :meth:`settle` unless this is the ``last``, after which nothing can fail."""
        part = self.path
        if force:
            if not last:
                self._set_aside()
            part.replace(self._final)
        else:
            try:
                os.link(part, self._final)  # which, unlike a renaming, never replaces what came meanwhile
            except FileExistsError:
                raise OutputProblem(
                    f"{self._final} was made meanwhile by another program", made=False
                ) from None
            except OSError:  # a file system without links
                _check_target(self._final, "-", force=False)
                part.replace(self._final)
            else:
                part.unlink()
        self._path, self._placed = None, True

    def put_back(self) -> None:
        """Undo :meth:`place`."""
        with contextlib.suppress(OSError):
            if self._old is not None:
                self._old.replace(self._final)
                self._old.unlink(missing_ok=True)  # two names of one file: the system renames nothing then
            elif self._placed:
                self._final.unlink()
        self._old, self._placed = None, False

    def settle(self) -> None:
        """Let go of what stood there before."""
        if self._old is not None:
            with contextlib.suppress(OSError):
                self._old.unlink()
        self._old = None

    def drop(self) -> None:
        """Remove what is not in place."""
        with contextlib.suppress(OSError):
            self.file.close()
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _named(self) -> Path:
        """Give a file without a name one; where the system will not, copy it."""
        path = _beside(self._final, "part")
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            # With a folder of its own, os.link follows the link that /proc has for an open file.
            os.link(f"/proc/self/fd/{self.file.fileno()}", path.name, dst_dir_fd=folder, follow_symlinks=True)
        except OSError:
            path, descriptor = _hidden(self._final, self._mode)
            self._path = path
            written, self.file = self.file, os.fdopen(descriptor, "w+b")
            with written:
                written.seek(0)
                shutil.copyfileobj(written, self.file, 1 << 20)
            self.file.flush()
            os.fsync(descriptor)
        finally:
            os.close(folder)
        return path

    def _set_aside(self) -> None:
        old = _beside(self._final, "old")
        try:
            os.link(self._final, old)
        except FileNotFoundError:
            return
        except OSError:  # a file system without links
            self._final.replace(old)
        self._old = old


def _beside(final: Path, ending: str) -> Path:
    return final.with_name(f".{final.name}.{crypto.random_bytes(4).hex()}.{ending}")


def _without_name(folder: Path, mode: int) -> int | None:
    """A new file that is nowhere in ``folder`` yet, locked; None where the system has no such thing."""
    if not _ANONYMOUS or not Path("/proc/self/fd").is_dir():
        return None
    try:
        descriptor = os.open(folder, _ANONYMOUS | os.O_RDWR, mode)
    except OSError:
        return None
    take_lock(descriptor)
    return descriptor


def _hidden(final: Path, mode: int) -> tuple[Path, int]:
    """A new part of ``final`` under a name, locked before it has this name."""
    path = _beside(final, "part")
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
    take_lock(descriptor)
    new.rename(path)
    return path, descriptor


def _sweep(final: Path) -> None:
    """Remove the parts of ``final`` whose writers are dead."""
    if sys.platform == "win32":
        return
    for path in final.parent.glob(f".{glob.escape(final.name)}.????????.part"):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
            finally:
                os.close(descriptor)


def take_lock(descriptor: int) -> bool:
    """Lock an open file for as long as it is open; whether no other process has it locked."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        return problem.errno not in (errno.EWOULDBLOCK, errno.EACCES)  # a file system without locks
    return True


@contextlib.contextmanager
def alone(folders: Iterable[Path]) -> Iterator[None]:
    """While this lasts, no other run puts files into these folders.

    Raises:
        OutputProblem: another one does for longer than a minute.
    """
    with contextlib.ExitStack() as stack:
        found: dict[tuple[int, int], int] = {}  # by what they are, for one may have several names
        for folder in folders:
            with contextlib.suppress(OSError):  # Windows opens no folder
                descriptor = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                status = os.fstat(descriptor)
                found.setdefault((status.st_dev, status.st_ino), descriptor)
        until = time.monotonic() + _LOCK_SECONDS
        for _, descriptor in sorted(found.items()):
            while not take_lock(descriptor):
                if time.monotonic() > until:
                    raise OutputProblem("another run keeps the output's folder locked", made=False)
                time.sleep(0.01)
        yield


def _check_target(path: Path, source: str, force: bool) -> None:
    if not path.exists():
        return
    if path.is_dir():
        raise OutputProblem(f"cannot make {path}: it is a folder", made=False)
    if _same_file(path, source):
        raise OutputProblem(
            f"{path} is the input: nothing is changed in place, give another name", made=False
        )
    if not force:
        raise OutputProblem(f"{path} exists: give another name, or --force to replace it", made=False)


def _same_file(path: Path, source: str) -> bool:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # no such file, or no standard input
        read = os.fstat(sys.stdin.fileno()) if source == "-" else Path(source).stat()
        return os.path.samestat(path.stat(), read)
    return False

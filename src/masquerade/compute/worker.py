"""One process that computes: started by ``engine.py``, told what to do over its standard input.

    request   R function arguments    compute one part; an empty function is the one before
              M class arguments       become an actor: make an object
              A method arguments      ask the object
    reply     D result                done
              F reason                failed; the reason names no value

Each is a frame: its length in 8 bytes, little end first, a letter, and pickled bytes. Pickles run code, so
they come from the process that started this one and from nobody else. When that process goes, this one goes
too.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from masquerade.errors import EngineProblem, MasqueradeError, ProtocolProblem

_PACKAGE = str(Path(__file__).resolve().parent.parent)


def write_frame(stream: IO[bytes], *pieces: bytes) -> None:
    """One frame of all ``pieces``, and a flush."""
    stream.write(sum(map(len, pieces)).to_bytes(8, "little"))
    for piece in pieces:
        stream.write(piece)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """The next frame, or None where the stream ends."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    length = int.from_bytes(head, "little")
    body = stream.read(length)
    return body if len(body) == length else None


def reason(error: BaseException) -> str:
    """What failed and where, without its message: that may hold a value of the data.

    Only the text of the package's own errors is kept, where the package raised them.
    """
    frames = traceback.extract_tb(error.__traceback__)
    name = type(error).__name__
    if isinstance(error, MasqueradeError) and frames and frames[-1].filename.startswith(_PACKAGE):
        return str(error)
    theirs = [frame for frame in frames if not frame.filename.startswith(_PACKAGE)]
    if not theirs:
        return name
    first = theirs[0]
    return f"{name} in {first.name}, {Path(first.filename).name} line {first.lineno}"


def attempt(work: Callable[[], Any]) -> tuple[bool, Any]:
    """(True, what ``work`` returns) or (False, the reason why it failed)."""
    try:
        return True, work()
    except BaseException as error:
        return False, reason(error)


def asked(actor: Any, name: str) -> Any:
    """The method of an actor that is asked for: a public one, so that what it holds stays where it is."""
    if name.startswith("_"):
        raise ProtocolProblem("an actor is asked its public methods only")
    return getattr(actor, name)


class _Worker:
    def __init__(self) -> None:
        self._function: Any = None
        self._actor: Any = None

    def answer(self, frame: bytes) -> Any:
        """Do what ``frame`` asks, and give its result."""
        import cloudpickle

        letter, body = frame[:1], memoryview(frame)[1:]
        if letter == b"R":
            size = int.from_bytes(body[:8], "little")
            if size:
                self._function = None  # never the one before, should this one not be readable
                self._function = cloudpickle.loads(body[8 : 8 + size])
            if self._function is None:
                raise EngineProblem("the function could not be read in this process")
            return self._function(*cloudpickle.loads(body[8 + size :]))
        name, arguments = cloudpickle.loads(body)
        if letter == b"M":
            self._actor = name(*arguments)
            return None
        return asked(self._actor, name)(*arguments)


def main() -> None:
    """Answer requests until the standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us decides when we stop
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # what is computed must not read requests,
    os.dup2(2, 1)  # nor print among replies
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        while (frame := read_frame(requests)) is not None:
            inbox.put(frame)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    import cloudpickle

    worker = _Worker()
    while True:
        frame = inbox.get()
        done, result = attempt(lambda: worker.answer(frame))  # noqa: B023
        if done:
            done, packed = attempt(lambda: cloudpickle.dumps(result, protocol=5))  # noqa: B023
            result = packed
        letter, body = (b"D", result) if done else (b"F", result.encode())
        write_frame(replies, letter, body)
        del frame, result, body

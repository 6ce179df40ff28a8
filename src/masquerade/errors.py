"""Every error that Masquerade raises, drawn once as a tree.

    MasqueradeError
    ├── KeyProblem            a key is missing, malformed, badly kept, or the wrong one
    │   └── UnsupportedKem    a key of a kind that the installed library lacks
    ├── PolicyProblem         a policy file says something impossible; names the line
    ├── Blocked               the policy forbids sending this text at all
    ├── BadInput              a file, line, column or request that could not be read
    ├── OutputProblem         a file that could not be made or written; nothing half-written is left
    ├── BudgetExceeded        the privacy budget does not pay for this; nothing was released or charged
    ├── MissingPackage        a package that only some of us need is not installed; names the extra
    ├── ProtocolProblem       a message of a secure sum that breaks its rules, or too few clients for one
    ├── EngineProblem         a process, node or actor that is needed is not there, or gone
    ├── PartFailed            parts of a sum failed; names them, and keeps the rest for another try
    ├── JournalProblem        the journal could not take a line; nothing half-written counts
    ├── Tampered              sealed bytes that were changed, cut, or sealed with another key
    ├── Outdated              a package older than one that was opened before, or a second one of its number
    ├── StoreProblem          the sealed store is gone, full, busy or not as it must be; nothing was sent
    └── UpstreamProblem       the model service did not answer as it should

No message, ``repr`` or attribute of any of them holds a protected value: they name kinds, counts and
places (file, line, column, field), never the text that stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class MasqueradeError(Exception):
    """Base of the tree; catching it catches everything that Masquerade raises on purpose."""


class KeyProblem(MasqueradeError):
    """A key is missing, malformed, readable by others, or not the one that is needed."""


class UnsupportedKem(KeyProblem):
    """The cryptography library that is installed lacks what this key needs; the message says what to do."""


class PolicyProblem(MasqueradeError):
    """A policy cannot be used as written.

    ``line`` is 1-based, or None when the problem belongs to no single line.
    """

    def __init__(self, message: str, *, source: str = "policy", line: int | None = None) -> None:
        self.message, self.source, self.line = message, source, line
        where = source if line is None else f"{source}, line {line}"
        super().__init__(f"{where}: {message}")


class Blocked(MasqueradeError):
    """The policy's fate for something that was found is ``block``: nothing was sent.

    ``counts`` maps each blocking kind to the number of places found.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.counts = dict(counts)
        found = ", ".join(f"{kind} ({n})" for kind, n in sorted(self.counts.items()))
        super().__init__(f"the policy blocks text that contains: {found}; remove it, or change the policy")


class BadInput(MasqueradeError):
    """Input that could not be read or understood; the message says what, where, and what to do.

    ``line`` is 1-based, or None when the problem belongs to no single line.
    """

    def __init__(self, message: str, *, source: str | None = None, line: int | None = None) -> None:
        self.source, self.line = source, line
        where = "" if source is None else source if line is None else f"{source}, line {line}"
        super().__init__(f"{where}: {message}" if where else message)


class OutputProblem(MasqueradeError):
    """A file could not be made or written; no half-written one is left under its name.

    ``made`` says whether it could at least be made: then the disk is full, or broken.
    """

    def __init__(self, message: str, *, made: bool) -> None:
        self.made = made
        super().__init__(message)


class BudgetExceeded(MasqueradeError):
    """A privacy budget does not pay for what was asked: nothing was released, and nothing charged.

    ``wanted``, ``left`` and ``budget`` are values of epsilon at the budget's delta: what the account would
    have spent in all less what it has spent, what is left of it, and what it had in the beginning.
    """

    def __init__(self, account: str, *, wanted: float, left: float, budget: float) -> None:
        self.account, self.wanted, self.left, self.budget = account, wanted, left, budget
        super().__init__(
            f"the privacy budget of {account} does not pay for this: it would cost epsilon {wanted:.4g}, and "
            f"{left:.4g} of {budget:.4g} is left; ask with a smaller epsilon, or not at all"
        )


class MissingPackage(MasqueradeError):
    """A package that this needs is not installed; the message names the extra that brings it."""

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs a package that is not here: pip install 'masquerade[{extra}]'")


class ProtocolProblem(MasqueradeError):
    """A secure sum cannot go on: a message is malformed, unsigned or out of turn, lists contradict each
    other, or too few clients are left.

    ``client`` is the place in the roster, from 0, of the one whose message it was; None where it was the
    aggregator's, or nobody's. ``plain`` is the message without it.
    """

    def __init__(self, message: str, *, client: int | None = None) -> None:
        self.plain, self.client = message, client
        super().__init__(message if client is None else f"client {client}: {message}")


class EngineProblem(MasqueradeError):
    """A process, node or actor could not be started, is gone, or does not answer; nothing was released."""


class PartFailed(MasqueradeError):
    """Some parts of a sum have no result.

    ``failures`` maps the name of each to the reason: what was raised and where, never its message, for that
    may hold a value of the data. What the other parts gave is kept, until one of these is called:

    * :meth:`resume` computes the failed parts again, and nothing else;
    * :meth:`rest` gives the sum of the others;
    * :meth:`close` gives all up, and ends what the sum had started.
    """

    def __init__(
        self,
        failures: Mapping[str, str],
        total: int,
        resume: Callable[[Any], Any],
        rest: Callable[[], Any],
        close: Callable[[], None],
    ) -> None:
        self.failures = dict(failures)
        self._resume, self._rest, self._close = resume, rest, close
        name, why = next(iter(self.failures.items()))
        more = f" (and {len(self.failures) - 1} more)" if len(self.failures) > 1 else ""
        super().__init__(f"{len(self.failures)} of {total} parts failed: {name}: {why}{more}")

    def resume(self, f: Callable[..., Any] | None = None) -> Any:
        """The sum, after computing the failed parts again, by ``f`` if it is given; may raise the like of
        this.

        A hidden sum takes another ``f`` only if no part is in yet, or as many as its least cohort: one that
        gives known results for all parts but one would show that one. Otherwise it is refused, and kept.
        """
        return self._resume(f)

    def rest(self) -> Any:
        """The sum of the parts that did not fail, with the others as ``missing``.

        Raises:
            BadInput: there are none.
            ProtocolProblem: there are fewer than the least cohort of a hidden sum.
        """
        return self._rest()

    def close(self) -> None:
        """Keep nothing, and end what the sum had started."""
        self._close()


class JournalProblem(MasqueradeError):
    """The journal could not take a line: its disk is full or gone, or the line is none that it takes.

    Nothing of that line is in the journal, or only a part that is recognised as cut off. The next line may
    be tried; whether work goes on without a journal is for the caller to say.
    """


class Tampered(MasqueradeError):
    """Sealed bytes did not authenticate: changed, truncated, or sealed under another key."""


class Outdated(MasqueradeError):
    """A genuine package that is not the next: an older one of its series than was opened before here, or
    another one of the same number.

    ``sequence`` is its number, ``newest`` the highest that was opened.
    """

    def __init__(self, sequence: int, newest: int) -> None:
        self.sequence, self.newest = sequence, newest
        what = "another package of this number" if sequence == newest else f"number {newest} of its series"
        super().__init__(f"this package has the number {sequence}, and {what} was opened here before")


class StoreProblem(MasqueradeError):
    """The sealed store cannot be read or written: what depended on it was not sent, and nothing is lost.

    What was reported as kept stays kept; what raised this may be tried again, for nothing happens twice.
    """


class UpstreamProblem(MasqueradeError):
    """The model service refused, timed out, broke off, or answered in a shape we cannot read.

    ``status`` is the HTTP status to give the client (502 or 504, or the upstream's own).
    """

    def __init__(self, message: str, *, status: int = 502) -> None:
        self.status = status
        super().__init__(message)

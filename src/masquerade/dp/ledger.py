"""A privacy budget for each data set: spend, or ``BudgetExceeded``.

    ledger = Ledger(Budget(epsilon=3, delta=1e-6))
    ledger.spend(mechanism.event, "mean age")    # before anything is released
    ledger.left                                  # what further questions may cost

A data set has one account: a budget, the privacy unit that it is kept in (what one record stands for: a
person, a visit), and a list of events, which together never cost more than the budget. An account knows its
data by marks: names, and digests of content. All accounts that know a mark of some data pay for it, whatever
it is called now, so no budget is opened twice for what is known. Several accounts may pay for one event: all
of them do, or none. That is more than has to be paid and never less, where one alone would leave the promise
of the other unkept.

Accounts live in a store. The one here lasts as long as its process; ``serve/books.py`` has one in a file,
for many processes. A store holds names, budgets, events and notes, and of data no more than marks: what is in
a ledger is not private, and it is no place for what is.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from masquerade.dp.accountant import Event, Repeated, price
from masquerade.errors import BadInput, BudgetExceeded

_ROUNDING = 1e-9
"""By which part of itself a sum of decimal fractions may pass a budget: 0.1 three times is paid by 0.3."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that all events of an account may cost together: ``epsilon`` at ``delta``."""

    epsilon: float
    delta: float = 1e-6

    def __post_init__(self) -> None:
        if not (0 < self.epsilon < math.inf and 0 <= self.delta < 1):
            raise BadInput(
                "a budget is an epsilon above 0 and a delta of at least 0 and below 1, "
                f"not {self.epsilon:g} and {self.delta:g}"
            )


class Account(NamedTuple):
    """One account as it stands: its budget, how often each event was paid, and what a record stands for."""

    budget: Budget
    events: Mapping[Event, int]
    unit: str = "record"

    @property
    def spent(self) -> float:
        """What its events cost together, as epsilon at the budget's delta."""
        return price([Repeated(event, n) for event, n in self.events.items()], self.budget.delta)

    @property
    def left(self) -> float:
        """The budget less what is spent. An event that costs this by itself may well cost less on top."""
        return max(0.0, self.budget.epsilon - self.spent)


def charged(account: Account, event: Event, name: str = "this data") -> Account:
    """The account after it has paid for ``event``: the whole rule of the ledger, without a store.

    Raises:
        BudgetExceeded: the events would then cost more than the budget.
    """
    after = account._replace(events={**account.events, event: account.events.get(event, 0) + 1})
    if not after.spent <= account.budget.epsilon * (1 + _ROUNDING):
        wanted = after.spent - account.spent
        raise BudgetExceeded(name, wanted=wanted, left=account.left, budget=account.budget.epsilon)
    return after


class Receipt(NamedTuple):
    """What a spending did to the account that has least left, in epsilon at the budget's ``delta``."""

    account: str
    cost: float
    """What the event added to what was spent."""
    spent: float
    left: float
    budget: float
    delta: float


# Stores -------------------------------------------------------------------------------------------------


class Entries(Protocol):
    """A store while it is locked: nobody else reads or writes."""

    def account(self, name: str) -> Account | None:
        """The account as it stands, or None if it was never opened."""

    def known(self, marks: Iterable[bytes]) -> list[str]:
        """The names of all accounts that know one of these marks, oldest first."""

    def open(self, name: str, unit: str, budget: Budget) -> None:
        """Make an account."""

    def learn(self, name: str, marks: Iterable[bytes]) -> None:
        """Have the account know its data by these marks too."""

    def add(self, name: str, event: Event, note: str) -> None:
        """Record that the account has paid for ``event``."""


class Store(Protocol):
    """Where accounts live."""

    def locked(self) -> AbstractContextManager[Entries]:
        """Entries for one at a time, over all threads and processes that share the store.

        Left without an error, all of what was written is kept, and is safe when this returns; left with
        one, nothing is.
        """


@dataclass
class MemoryStore:
    """Accounts of this process, for as long as it lives; shared by its threads."""

    _accounts: dict[str, Account] = field(default_factory=dict)
    _marks: frozenset[tuple[bytes, str]] = frozenset()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def locked(self) -> Iterator[Entries]:
        with self._lock:
            entries = _MemoryEntries(dict(self._accounts), self._marks)
            yield entries
            self._accounts, self._marks = entries.accounts, entries.marks


@dataclass
class _MemoryEntries:
    accounts: dict[str, Account]
    marks: frozenset[tuple[bytes, str]]

    def account(self, name: str) -> Account | None:
        return self.accounts.get(name)

    def known(self, marks: Iterable[bytes]) -> list[str]:
        asked = set(marks)
        found = {name for mark, name in self.marks if mark in asked}
        return [name for name in self.accounts if name in found]

    def open(self, name: str, unit: str, budget: Budget) -> None:
        self.accounts[name] = Account(budget, {}, unit)

    def learn(self, name: str, marks: Iterable[bytes]) -> None:
        self.marks |= {(mark, name) for mark in marks}

    def add(self, name: str, event: Event, note: str) -> None:
        account = self.accounts[name]
        events = {**account.events, event: account.events.get(event, 0) + 1}
        self.accounts[name] = account._replace(events=events)


# Whose data it is ---------------------------------------------------------------------------------------


def named(name: str) -> bytes:
    """The mark of data that is called so."""
    return b"name " + name.encode()


def holding(digest: bytes) -> bytes:
    """The mark of data of which this is the SHA-256."""
    return b"sha256 " + digest


def paying(
    entries: Entries, name: str, marks: Iterable[bytes] = (), *, unit: str, budget: Budget | None
) -> list[str]:
    """The accounts that pay for data of this name and these marks, and that know it by all of them from now
    on; a new one if none knows it yet.

    Raises:
        BadInput: none does, and there is no budget to open one with.
    """
    marks = (named(name), *marks)
    accounts = entries.known(marks)
    if not accounts:
        if budget is None:
            raise BadInput(f"the ledger has no account of {name}: give a budget to open it with")
        entries.open(name, unit, budget)
        accounts = [name]
    for account in accounts:
        entries.learn(account, marks)
    return accounts


# The ledger ---------------------------------------------------------------------------------------------


class Ledger:
    """The accounts that pay for what is asked of some data."""

    def __init__(
        self,
        budget: Budget | None = None,
        accounts: Sequence[str] = ("this data",),
        *,
        unit: str = "record",
        store: Store | None = None,
    ) -> None:
        """Accounts that are new are opened, each with ``budget``; without one they must be there.

        A name by which other accounts know their data stands for those, all of them.

        Raises:
            BadInput: no account is named, there is no such account, or it has another budget or another
                unit: both are fixed when an account is opened.
        """
        if not accounts or len(set(accounts)) != len(accounts):
            raise BadInput("a ledger needs the names of its accounts, each once")
        self.unit = unit
        self._store: Store = MemoryStore() if store is None else store
        with self._store.locked() as entries:
            known = (paying(entries, name, unit=unit, budget=budget) for name in accounts)
            self.accounts = tuple(dict.fromkeys(name for names in known for name in names))
            for name in self.accounts:
                account = _found(entries, name)
                if budget is not None and account.budget != budget:
                    raise BadInput(
                        f"the account of {name} was opened with a budget of epsilon "
                        f"{account.budget.epsilon:g} at delta {account.budget.delta:g}, and keeps it"
                    )
                if account.unit != unit:
                    raise BadInput(
                        f"the budget of {name} is kept by the unit {account.unit!r}, and data has one "
                        f"budget: ask by that unit, not by {unit!r}"
                    )

    def spend(self, event: Event, note: str = "") -> Receipt:
        """All accounts pay for ``event``, or none; on return it is recorded for good.

        Call it before what ``event`` names is released. There is no refund.

        Raises:
            BudgetExceeded: an account's budget does not pay for it.
        """
        return self._charge(event, note, record=True)

    def check(self, event: Event) -> Receipt:
        """What :meth:`spend` would do, without doing it: no promise, since others may spend meanwhile.

        Raises:
            BudgetExceeded: as :meth:`spend`.
        """
        return self._charge(event, "", record=False)

    def _charge(self, event: Event, note: str, *, record: bool) -> Receipt:
        receipts = []
        with self._store.locked() as entries:
            for name in self.accounts:
                before = _found(entries, name)
                after = charged(before, event, name)
                budget, delta = before.budget.epsilon, before.budget.delta
                receipts.append(
                    Receipt(name, after.spent - before.spent, after.spent, after.left, budget, delta)
                )
                if record:
                    entries.add(name, event, note)
        return min(receipts, key=lambda receipt: receipt.left)

    @property
    def left(self) -> float:
        """What the account with least has left, as epsilon at its delta."""
        return min(account.left for account in self.balance().values())

    @property
    def spent(self) -> float:
        """What the account with most has spent, as epsilon at its delta."""
        return max(account.spent for account in self.balance().values())

    def balance(self) -> dict[str, Account]:
        """Each account by its name, as it stands now."""
        with self._store.locked() as entries:
            return {name: _found(entries, name) for name in self.accounts}

    def __repr__(self) -> str:
        return f"Ledger({len(self.accounts)} accounts, unit {self.unit})"


def _found(entries: Entries, name: str) -> Account:
    account = entries.account(name)
    if account is None:
        raise BadInput(f"the account of {name} is gone from the ledger")
    return account

"""A privacy budget for each data set and privacy unit: spend, or ``BudgetExceeded``.

    ledger = Ledger(Budget(epsilon=3, delta=1e-6))
    ledger.spend(mechanism.event, "mean age")    # before anything is released
    ledger.left                                  # what further questions may cost

An account is the name of a data set and of its privacy unit (what one record stands for: a person, a visit).
It has a budget, and a list of events; all events together never cost more than the budget. Several accounts
may pay for one event, for data in several files: all of them do, or none.

Accounts live in a store. The one here lasts as long as its process; ``serve/books.py`` has one in a file,
for many processes. A store holds names, budgets, events and notes, and nothing that was computed from data:
what is in a ledger is not private, and it is no place for what is.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
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
    """One account as it stands: its budget, and how often each event was paid."""

    budget: Budget
    events: Mapping[Event, int]

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
    after = Account(account.budget, {**account.events, event: account.events.get(event, 0) + 1})
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

    def account(self, name: str, unit: str) -> Account | None:
        """The account as it stands, or None if it was never opened."""

    def open(self, name: str, unit: str, budget: Budget) -> None:
        """Make an account."""

    def add(self, name: str, unit: str, event: Event, note: str) -> None:
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

    _accounts: dict[tuple[str, str], Account] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def locked(self) -> Iterator[Entries]:
        with self._lock:
            entries = _MemoryEntries(dict(self._accounts))
            yield entries
            self._accounts = entries.accounts


@dataclass
class _MemoryEntries:
    accounts: dict[tuple[str, str], Account]

    def account(self, name: str, unit: str) -> Account | None:
        return self.accounts.get((name, unit))

    def open(self, name: str, unit: str, budget: Budget) -> None:
        self.accounts[name, unit] = Account(budget, {})

    def add(self, name: str, unit: str, event: Event, note: str) -> None:
        budget, events = self.accounts[name, unit]
        self.accounts[name, unit] = Account(budget, {**events, event: events.get(event, 0) + 1})


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

        Raises:
            BadInput: no account is named, there is no such account, or it has another budget: budgets are
                fixed when an account is opened.
        """
        if not accounts or len(set(accounts)) != len(accounts):
            raise BadInput("a ledger needs the names of its accounts, each once")
        self.accounts, self.unit = tuple(accounts), unit
        self._store: Store = MemoryStore() if store is None else store
        with self._store.locked() as entries:
            for name in self.accounts:
                account = entries.account(name, unit)
                if account is None:
                    if budget is None:
                        raise BadInput(f"the ledger has no account of {name}: give a budget to open it with")
                    entries.open(name, unit, budget)
                elif budget is not None and account.budget != budget:
                    raise BadInput(
                        f"the account of {name} was opened with a budget of epsilon "
                        f"{account.budget.epsilon:g} at delta {account.budget.delta:g}, and keeps it"
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
                before = _found(entries, name, self.unit)
                after = charged(before, event, name)
                budget, delta = before.budget.epsilon, before.budget.delta
                receipts.append(
                    Receipt(name, after.spent - before.spent, after.spent, after.left, budget, delta)
                )
                if record:
                    entries.add(name, self.unit, event, note)
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
            return {name: _found(entries, name, self.unit) for name in self.accounts}

    def __repr__(self) -> str:
        return f"Ledger({len(self.accounts)} accounts, unit {self.unit})"


def _found(entries: Entries, name: str, unit: str) -> Account:
    account = entries.account(name, unit)
    if account is None:
        raise BadInput(f"the account of {name} is gone from the ledger")
    return account

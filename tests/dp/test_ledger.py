"""A ledger pays or refuses, all or nothing; the same for the store in memory and the one in a file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masquerade.dp.accountant import Event, Gaussian, Pure, price
from masquerade.dp.ledger import Account, Budget, Ledger, MemoryStore, Store, charged, paying
from masquerade.errors import BadInput, BudgetExceeded
from masquerade.serve.books import FileStore


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else FileStore(tmp_path / "ledger.db")


def test_it_pays_until_the_budget_is_spent(store: Store) -> None:
    ledger = Ledger(Budget(1.0, 0), store=store)
    for n in range(1, 5):
        receipt = ledger.spend(Pure(0.25))
        assert (receipt.cost, receipt.spent, receipt.left) == (0.25, 0.25 * n, 1 - 0.25 * n)
    with pytest.raises(BudgetExceeded) as refused:
        ledger.spend(Pure(0.01))
    assert (refused.value.left, refused.value.budget) == (0, 1)
    assert refused.value.wanted == pytest.approx(0.01)
    assert ledger.spent == 1.0
    assert ledger.left == 0.0


def test_decimal_fractions_pay_what_they_say(store: Store) -> None:
    ledger = Ledger(Budget(0.3, 0), store=store)
    for _ in range(3):
        ledger.spend(Pure(0.1))
    with pytest.raises(BudgetExceeded):
        ledger.spend(Pure(1e-6))


def test_checking_spends_nothing(store: Store) -> None:
    ledger = Ledger(Budget(1.0), store=store)
    assert ledger.check(Pure(0.5)) == ledger.check(Pure(0.5))
    assert ledger.spent == 0
    with pytest.raises(BudgetExceeded):
        ledger.check(Pure(1.5))


def test_an_event_without_noise_is_never_paid(store: Store) -> None:
    with pytest.raises(BudgetExceeded):
        Ledger(Budget(1e300), store=store).spend(Gaussian(0.0))


def test_all_accounts_pay_or_none(store: Store) -> None:
    Ledger(Budget(1.0, 0), ["a"], store=store)
    Ledger(Budget(0.25, 0), ["b"], store=store)
    both = Ledger(None, ["a", "b"], store=store)
    with pytest.raises(BudgetExceeded, match="of b does not"):
        both.spend(Pure(0.5))
    assert {name: account.spent for name, account in both.balance().items()} == {"a": 0, "b": 0}
    receipt = both.spend(Pure(0.2))
    assert (receipt.account, receipt.budget) == ("b", 0.25)
    assert Ledger(None, ["a"], store=store).spent == 0.2


def test_data_has_one_budget_in_one_unit(store: Store) -> None:
    Ledger(Budget(1.0, 0), ["a"], unit="person", store=store).spend(Pure(0.5))
    with pytest.raises(BadInput, match=r"budget of a is kept by the unit 'person'.*not by 'visit'"):
        Ledger(Budget(1.0, 0), ["a"], unit="visit", store=store)
    with pytest.raises(BadInput, match="ask by that unit"):
        Ledger(None, ["a"], store=store)
    assert Ledger(None, ["a"], unit="person", store=store).spent == 0.5


def paid_by(store: Store, name: str, *marks: bytes) -> list[str]:
    with store.locked() as entries:
        return paying(entries, name, marks, unit="record", budget=Budget(1.0, 0))


def test_data_that_is_known_by_any_mark_opens_no_budget(store: Store) -> None:
    assert paid_by(store, "a", b"1") == ["a"]
    assert paid_by(store, "copy", b"1") == ["a"]
    assert paid_by(store, "copy", b"2") == ["a"], "the copy grew, and keeps its account by its name"
    assert paid_by(store, "moved", b"2") == ["a"]
    assert paid_by(store, "b", b"3") == ["b"]
    assert Ledger(None, ["moved"], store=store).accounts == ("a",)


def test_data_of_two_accounts_is_paid_by_both_from_then_on(store: Store) -> None:
    paid_by(store, "b", b"2")
    paid_by(store, "a", b"1")
    assert paid_by(store, "both", b"1", b"2") == ["b", "a"], "in the order in which they were opened"
    both = Ledger(None, ["both"], store=store)
    both.spend(Pure(0.5))
    assert {name: account.left for name, account in both.balance().items()} == {"b": 0.5, "a": 0.5}
    assert paid_by(store, "grown", b"1") == ["b", "a"]


def test_what_is_refused_is_not_remembered(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.locked() as entries:
        paying(entries, "a", [b"1"], unit="record", budget=Budget(1.0))
        raise ZeroDivisionError
    assert paid_by(store, "b", b"1") == ["b"]


def test_a_budget_is_fixed_and_an_account_must_be_there(store: Store) -> None:
    Ledger(Budget(1.0), ["a"], store=store)
    assert Ledger(Budget(1.0), ["a"], store=store).left == 1.0
    with pytest.raises(BadInput, match="keeps it"):
        Ledger(Budget(2.0), ["a"], store=store)
    with pytest.raises(BadInput, match="no account of b"):
        Ledger(None, ["b"], store=store)
    for wrong in ([], ["a", "a"]):
        with pytest.raises(BadInput):
            Ledger(Budget(1.0), wrong, store=store)


@pytest.mark.parametrize(
    ("epsilon", "delta"), [(0, 0), (-1, 0), (float("inf"), 0), (float("nan"), 0), (1, 1), (1, -1)]
)
def test_impossible_budgets_are_refused(epsilon: float, delta: float) -> None:
    with pytest.raises(BadInput):
        Budget(epsilon, delta)


@given(st.lists(st.floats(0.01, 0.5).map(Pure) | st.floats(3, 50).map(Gaussian), max_size=12))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_budget_is_never_overspent(events: list[Event]) -> None:
    ledger = Ledger(Budget(1.0, 1e-6))
    paid: list[Event] = []
    for event in events:
        try:
            receipt = ledger.spend(event)
        except BudgetExceeded:
            assert price([*paid, event], 1e-6) > 1.0
        else:
            paid.append(event)
            assert receipt.spent == price(paid, 1e-6) <= 1.0
    assert ledger.spent == price(paid, 1e-6)


def test_the_rule_is_a_function() -> None:
    empty = Account(Budget(1.0, 0), {})
    once = charged(empty, Pure(0.75))
    assert (empty.spent, once.spent, once.left) == (0, 0.75, 0.25)
    with pytest.raises(BudgetExceeded, match="of this data does not"):
        charged(once, Pure(0.75))


def test_an_error_keeps_nothing(store: Store) -> None:
    Ledger(Budget(1.0, 0), ["a"], store=store)
    with pytest.raises(ZeroDivisionError), store.locked() as entries:
        entries.add("a", Pure(0.5), "")
        raise ZeroDivisionError
    assert Ledger(None, ["a"], store=store).spent == 0


def test_threads_that_race_do_not_overspend(store: Store) -> None:
    ledger = Ledger(Budget(1.0, 0), store=store)
    outcomes: list[bool] = []

    def spend() -> None:
        for _ in range(10):
            try:
                ledger.spend(Pure(0.0625))
                outcomes.append(True)
            except BudgetExceeded:
                outcomes.append(False)

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcomes) == 16
    assert ledger.spent == 1.0


def test_it_shows_no_names() -> None:
    ledger: Callable[[], str] = Ledger(Budget(1.0), ["canary"]).__repr__
    assert "canary" not in ledger()

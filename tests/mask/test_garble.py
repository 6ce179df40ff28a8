"""What models do to tokens, and what must never be taken for one."""

from __future__ import annotations

import pytest

from masquerade.mask.restore import Lexicon, Restorer
from tests.mask import garble


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(garble.surrogates())


def test_at_least_99_percent_come_back(record_property: pytest.RecordProperty) -> None:
    total, good, failed = garble.report()
    record_property("garbled tokens restored", f"{good} of {total}")
    assert total >= 300
    assert good >= 0.99 * total, failed


def test_at_least_99_percent_have_their_value_back_when_garbled_twice() -> None:
    total, good, failed = garble.report_twice()
    assert good >= 0.99 * total, failed


def test_never_a_wrong_value(lexicon: Lexicon) -> None:
    for case in [*garble.cases(), *garble.wrong_cases()]:
        back = lexicon.restore(case.reply)
        for _, value in garble.VALUES:
            assert back.count(value) <= case.expected.count(value), case.name
    for case in garble.twice():
        back = lexicon.restore(case.reply)
        assert not any(value in back for _, value in garble.VALUES if value != case.expected), case.name


def test_the_broken_stay_and_are_counted(lexicon: Lexicon) -> None:
    for case in garble.wrong_cases():
        restorer = Restorer(lexicon)
        assert restorer.feed(case.reply) + restorer.finish() == case.reply, case.name
        assert restorer.restored == 0
        if case.unresolved is not None:
            assert restorer.unresolved == case.unresolved, case.name


def test_the_restored_are_counted(lexicon: Lexicon) -> None:
    for case in garble.cases():
        restorer = Restorer(lexicon)
        if restorer.feed(case.reply) + restorer.finish() == case.expected:
            assert (restorer.restored, restorer.unresolved) == (case.restored, 0), case.name


def test_every_form_survives_every_single_cut(lexicon: Lexicon) -> None:
    for case in [*garble.cases(), *garble.wrong_cases()]:
        if len(case.reply) > 60:
            continue
        whole = lexicon.restore(case.reply)
        for cut in range(1, len(case.reply)):
            restorer = Restorer(lexicon)
            parts = restorer.feed(case.reply[:cut]), restorer.feed(case.reply[cut:]), restorer.finish()
            assert "".join(parts) == whole, (case.name, cut)

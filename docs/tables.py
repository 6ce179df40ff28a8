"""Write the tables of the documentation anew from the code: `python docs/tables.py`.

A table stands in its page between `<!-- table: NAME -->` and `<!-- end -->`. A test fails while a page says
something else than the code, and so says which table to write again.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from masquerade.mask.patterns import ROWS
from masquerade.mask.policy import Policy, _rule_scores
from masquerade.mask.span import KINDS
from masquerade.mask.surrogate import _PLAUSIBLE
from masquerade.serve.cli import command_line
from masquerade.serve.gateway import ENDPOINTS, REFUSED
from masquerade.serve.openapi import DONE
from masquerade.wire.endpoint import Endpoint
from masquerade.wire.rules import SCHEMA, How, Known, Names, Never, Only, Refuse, Rule, Signed, Strings

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "README.zh.md", "docs/kinds.md", "docs/fields.md", "docs/command.md")
PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

MEANING = {
    "PERSON": "names of people",
    "LOCATION": "places",
    "ORGANIZATION": "companies, institutions",
    "ADDRESS": "postal addresses",
    "DATE_TIME": "dates, dates of birth",
    "PHONE": "telephone numbers, with extensions",
    "EMAIL": "e-mail addresses",
    "URL": "web addresses",
    "IP_ADDRESS": "IPv4 and IPv6 addresses",
    "MAC_ADDRESS": "hardware addresses",
    "CREDIT_CARD": "credit, debit and bank cards",
    "BANK_ACCOUNT": "account and routing numbers after a label",
    "IBAN": "international bank account numbers",
    "SWIFT": "bank codes (BIC)",
    "CRYPTO_WALLET": "wallet addresses",
    "CN_RESIDENT_ID": "mainland China identity numbers",
    "CN_USCC": "mainland China unified social credit codes",
    "HK_ID": "Hong Kong identity cards",
    "TW_ID": "Taiwan identity and residence numbers",
    "MO_ID": "Macao identity cards",
    "PASSPORT": "passport and travel document numbers",
    "DRIVER_LICENSE": "driver's licences after a label",
    "LICENSE_PLATE": "number plates",
    "US_SSN": "US social security numbers",
    "US_ITIN": "US taxpayer numbers",
    "UK_NINO": "UK national insurance numbers",
    "IMEI": "device numbers",
    "USERNAME": "user names, WeChat, QQ, handles",
    "SECRET": "API keys, tokens, passwords, private keys, connection strings",
}

FATE_ZH = {"token": "代号", "plausible": "仿真", "redact": "抹去", "block": "阻止", "keep": "保留"}


def scores(kind: str) -> list[float]:
    """The score of each rule for ``kind``."""
    return sorted(_rule_scores().get(kind, ()))


def found(*, zh: bool) -> Iterator[str]:
    """What is found, for the READMEs."""
    policy = Policy()
    yield "| 类别 | 名称 | 默认处理 |" if zh else "| kind | what | by default |"
    yield "| --- | --- | --- |"
    for kind, name in KINDS.items():
        if scores(kind):
            fate = policy.fate(kind).value
            yield f"| `{kind}` | {name if zh else MEANING[kind]} | {FATE_ZH[fate] if zh else fate} |"


def kinds() -> Iterator[str]:
    """Everything that the table of identifiers says about each kind."""
    policy = Policy()
    yield "| kind | 中文 | what | by default | rules | scores | plausible | sources |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for kind, name in KINDS.items():
        given = scores(kind)
        if not given:
            by = "by the [model](names.md)"
            yield f"| `{kind}` | {name} | {MEANING[kind]} | {policy.fate(kind).value} | {by} | | | |"
            continue
        spread = f"{given[0]:g}" if given[0] == given[-1] else f"{given[0]:g} to {given[-1]:g}"
        sources = "; ".join(dict.fromkeys(row.source for row in ROWS if row.kind == kind and row.source))
        yield (
            f"| `{kind}` | {name} | {MEANING[kind]} | {policy.fate(kind).value} | {len(given)} | {spread} "
            f"| {'yes' if kind in _PLAUSIBLE else 'no'} | {sources} |"
        )


def fields() -> Iterator[str]:
    """What is done with each field of a request and of its reply, for every address."""
    yield "| address | |"
    yield "| --- | --- |"
    for path, endpoint in ENDPOINTS.items():
        yield f"| `POST {path}` | [{endpoint.name}](#{_anchor(path)}) |"
    yield from (f"| `POST {path}` | **refused**: {why} |" for path, why in REFUSED.items())
    shown: dict[int, str] = {}
    for path, endpoint in ENDPOINTS.items():
        yield f"\n## `POST {path}`\n"
        if endpoint.media:
            yield f"**Refused** if anything is found in it: {endpoint.media}.\n"
        if twin := shown.get(id(endpoint.request)):
            yield f"As [`POST {twin}`](#{_anchor(twin)})."
            continue
        shown[id(endpoint.request)] = path
        yield from Table(endpoint)
        if not endpoint.media:
            yield f"\nIn a reply all text is restored but for: {_listed(sorted(endpoint.written.kept))}."
        if endpoint.written.objects:
            yield f"Keys are restored too below {_listed(sorted(endpoint.written.objects))}."


def _anchor(path: str) -> str:
    return "post-" + path.replace("/", "")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


class Table:
    """What is done with each field of a request to one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._passed: list[str] = []
        self._met: list[tuple[str, dict[str, Rule]]] = []
        self._rows = list(self._fields(endpoint.request, ""))

    def __iter__(self) -> Iterator[str]:
        yield "| field of the request | what is done |"
        yield "| --- | --- |"
        yield from (f"| `{path}` | {done} |" for path, done in self._rows)
        yield f"| any field that is in no row | {DONE[How.DEEP]} |"
        yield ""
        yield f"{DONE[How.PASS].capitalize()}: {_listed(self._passed)}."

    def _fields(self, rules: dict[str, Rule], path: str) -> Iterator[tuple[str, str]]:
        for name, rule in rules.items():
            if name != "*":
                yield from self._field(rule, f"{path}.{name}".lstrip("."))

    def _field(self, rule: Rule, path: str, before: str = "") -> Iterator[tuple[str, str]]:
        if rule is SCHEMA:
            yield path, "a JSON Schema: names, types and formats pass, all other text in it is masked"
        elif isinstance(rule, dict):
            yield from self._object(rule, path, before)
        elif isinstance(rule, list) and isinstance(rule[0], dict) and rule[0].keys() >= {"type", "text"}:
            yield from self._object(rule[0], f"{path}[]", before or "a text: masked as text; a list: ")
        elif isinstance(rule, list):
            yield from self._field(rule[0], f"{path}[]", before)
        elif isinstance(rule, Names):
            yield from self._field(rule.rule, f"{path}.*", before)
        elif isinstance(rule, Refuse):
            yield path, f"**refused**: {rule.why}"
        elif isinstance(rule, Only):
            yield path, _only(rule)
        elif isinstance(rule, Never):
            yield path, f"{_values(rule.values)} **refused**: {rule.why}; others pass as names do"
        elif isinstance(rule, Strings):
            yield path, f"texts, masked; anything else **refused**: {rule.why}"
        elif isinstance(rule, Signed):
            seals = " or ".join(f"`{name}`" for name in rule.by)
            signed = f"of type `{rule.kind}` beside {seals}: **passed byte for byte**, but looked at; else "
            yield from self._field(rule.rule, path, signed)
        elif isinstance(rule, Known):
            own = "what names the service's own client passes; else "
            yield from self._field(rule.rule, path, own)
        elif rule in (How.PASS, How.NUMBER):
            self._passed.append(path)
        else:
            yield path, before + DONE[rule]

    def _object(self, rule: dict[str, Rule], path: str, before: str) -> Iterator[tuple[str, str]]:
        for where, met in self._met:
            other = {name: each for name, each in rule.items() if met.get(name) is not each}
            if len(other) < len(rule) / 4 and len(met) <= len(rule) * 2:
                but = ", but for the rows below it" if other else ""
                yield path, f"{before}as `{where}`{but}"
                yield from self._fields(other, path)
                return
        self._met.append((path, rule))
        if before:
            yield path, before + "as follows"
        yield from self._fields(rule, path)


def _only(rule: Only) -> str:
    allowed = _values(rule.values)
    reasons: dict[str, list[str]] = {}
    for value, why in rule.others.items():
        reasons.setdefault(why, []).append(f"`{value}`")
    others = "".join(f"; {', '.join(values)}: {why}" for why, values in reasons.items() if why != rule.why)
    return f"only {allowed}, else **refused**: {rule.why}{others}"


def _values(values: Iterable[str | bool]) -> str:
    return _listed(sorted(str(value).lower() for value in values))


def commands() -> Iterator[str]:
    """Every verb and action with its arguments."""
    for name, parser in verbs(command_line()):
        told = [action for action in parser._actions if action.help and action.dest != "help"]
        rows = [action for action in told if not isinstance(action, argparse._SubParsersAction)]
        required = [str(a.metavar) for a in rows if not a.option_strings and a.nargs != "?"]
        optional = [f"[{a.metavar}]" for a in rows if not a.option_strings and a.nargs == "?"]
        yield f"### {name}\n"
        yield f"`{' '.join([name, *required, *optional])}`: {parser.description or HELP[name]}\n"
        if rows:
            yield "| argument | meaning |"
            yield "| --- | --- |"
            yield from (f"| {_spelt(action)} | {_meant(action)} |" for action in rows)
            yield ""


def _spelt(action: argparse.Action) -> str:
    names = " ".join(f"`{name}`" for name in reversed(action.option_strings)) or f"`{action.metavar}`"
    if not action.option_strings or action.nargs == 0:
        return names
    if action.choices:
        return f"{names} {' or '.join(map(str, action.choices))}"
    value = " ".join(action.metavar) if isinstance(action.metavar, tuple) else action.metavar
    return f"{names} {value}{' ...' if action.nargs == '+' else ''}"


def _meant(action: argparse.Action) -> str:
    return str(action.help).replace("%(default)s", str(action.default)).replace("|", "\\|")


def exit_codes() -> Iterator[str]:
    """The exit codes, as `masquerade --help` ends with them."""
    yield "| code | meaning |"
    yield "| --- | --- |"
    for code, meaning in re.findall(r"^ +(\d+) +(\S.*)$", str(command_line().epilog), re.MULTILINE):
        yield f"| {code} | {meaning} |"


HELP: dict[str, str] = {}
"""What the list above a command says of it, by its full name; filled by :func:`verbs`."""


def verbs(
    parser: argparse.ArgumentParser, name: str = "masquerade"
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command, with its parser: verbs, and the actions under them."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            HELP.update((f"{name} {choice.dest}", choice.help or "") for choice in action._choices_actions)
            for verb, sub in action.choices.items():
                yield f"{name} {verb}", sub
                yield from verbs(sub, f"{name} {verb}")


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "found": lambda: found(zh=False),
    "found_zh": lambda: found(zh=True),
    "kinds": kinds,
    "fields": fields,
    "commands": commands,
    "exit_codes": exit_codes,
}


def written(page: str) -> str:
    """``page`` with its tables as the code has them."""

    def table(place: re.Match[str]) -> str:
        return place[1] + "\n".join(TABLES[place[2]]()).rstrip() + "\n" + place[3]

    return PLACE.sub(table, page)


def main() -> None:
    for name in PAGES:
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        if (new := written(text)) != text:
            path.write_text(new, encoding="utf-8")
            sys.stdout.write(f"{name} written anew\n")


if __name__ == "__main__":
    main()

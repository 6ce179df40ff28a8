"""What models do to tokens: a table of ways to garble one, each with what a reader should get back.

``python -m tests.mask.garble`` prints the share that is restored.

In a row, ``T`` is the token as it was sent, ``K`` its kind and ``B`` its body; a letter stands for itself
outside braces. ``{V}`` is the value that must stand there again.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote

from masquerade.keys import Key
from masquerade.mask.restore import Lexicon
from masquerade.mask.span import KINDS
from masquerade.mask.surrogate import Mint, Surrogate

# name, the token garbled, what comes back
FORMS: list[tuple[str, str, str]] = [
    # Markdown
    ("as it was", "{T}", "{V}"),
    ("bold", "**{T}**", "**{V}**"),
    ("italic", "*{T}*", "*{V}*"),
    ("italic with underscores", "_{T}_", "_{V}_"),
    ("bold italic", "***{T}***", "***{V}***"),
    ("strikethrough", "~~{T}~~", "~~{V}~~"),
    ("code", "`{T}`", "`{V}`"),
    ("code, bare", "`{K}_{B}`", "`{V}`"),
    ("code block", "```\n{T}\n```", "```\n{V}\n```"),
    ("heading", "\n## {T}\n", "\n## {V}\n"),
    ("quote", "\n> {T}\n", "\n> {V}\n"),
    ("list item", "\n- {T}\n", "\n- {V}\n"),
    ("task", "\n- [ ] {T}\n", "\n- [ ] {V}\n"),
    ("table cell", "| {T} |", "| {V} |"),
    ("table cell, bare", "|{K}_{B}|", "|{V}|"),
    ("link target", "[write](mailto:{T})", "[write](mailto:{V})"),
    ("link target, bare", "[write](mailto:{K}_{B})", "[write](mailto:{V})"),
    ("link text", "[{T}](https://example.com)", "[{V}](https://example.com)"),
    ("image text", "![{T}](a.png)", "![{V}](a.png)"),
    ("footnote", "{T}[^1]", "{V}[^1]"),
    ("underscore escaped", "[{Ke}\\_{B}]", "{V}"),
    ("brackets escaped", "\\[{K}_{B}\\]", "{V}"),
    ("all escaped", "\\[{Ke}\\_{B}\\]", "{V}"),
    ("bold inside the brackets", "[**{K}_{B}**]", "{V}"),
    ("body bold", "[{K}_**{B}**]", "{V}"),
    ("body bold, bare", "{K}_**{B}**", "{V}"),
    ("part of the body bold", "[{K}_{B1}**{B2}**]", "{V}"),
    ("bold, bare", "**{K}_{B}**", "**{V}**"),
    ("bold, lower case", "**[{k}_{b}]**", "**{V}**"),
    # As people are written about
    ("salutation", "Dear {T},", "Dear {V},"),
    ("salutation, bold", "Dear **{T}**,", "Dear **{V}**,"),
    ("salutation in Chinese", "亲爱的{T}：", "亲爱的{V}："),
    ("salutation in Chinese, other brackets", "尊敬的【{K}_{B}】：", "尊敬的{V}："),
    ("before an honorific", "{T}先生说", "{V}先生说"),
    ("two of them", "{T}和{T}", "{V}和{V}"),
    ("initial before", "J. {T}", "J. {V}"),
    ("hyphenated", "pro-{T}", "pro-{V}"),
    # HTML and XML
    ("element", "<p>{T}</p>", "<p>{V}</p>"),
    ("element, bare", "<td>{K}_{B}</td>", "<td>{V}</td>"),
    ("attribute", '<a href="mailto:{T}">x</a>', '<a href="mailto:{V}">x</a>'),
    ("attribute, bare", '<input value="{K}_{B}"/>', '<input value="{V}"/>'),
    ("decimal entities", "&#91;{K}_{B}&#93;", "{V}"),
    ("hexadecimal entities", "&#x5B;{K}_{B}&#x5d;", "{V}"),
    ("named entities", "&lbrack;{K}_{B}&rbrack;", "{V}"),
    ("short named entities", "&lsqb;{K}_{B}&rsqb;", "{V}"),
    ("entities encoded twice", "&amp;#91;{K}_{B}&amp;#93;", "{V}"),
    ("underscore as an entity", "[{K}&#95;{B}]", "{V}"),
    ("underscore by name", "[{K}&lowbar;{B}]", "{V}"),
    ("angle brackets as entities", "&lt;{K}_{B}&gt;", "{V}"),
    ("break opportunity", "[{K}_<wbr>{B}]", "{V}"),
    ("break opportunity inside", "[{K}_{B1}<wbr>{B2}]", "{V}"),
    ("line break element inside", "[{K}_{B1}<br/>{B2}]", "{V}"),
    ("bold element around", "<b>{T}</b>", "<b>{V}</b>"),
    ("no-break space entity", "[{K}&nbsp;{B}]", "{V}"),
    ("soft hyphen entity", "[{K}_{B1}&shy;{B2}]", "{V}"),
    ("XML text", "<to>{T}</to>", "<to>{V}</to>"),
    ("CDATA", "<![CDATA[{T}]]>", "<![CDATA[{V}]]>"),
    # JSON, CSV, YAML, TOML, code
    ("JSON string", '{{"to": "{T}"}}', '{{"to": "{V}"}}'),
    ("JSON string, bare", '{{"to": "{K}_{B}"}}', '{{"to": "{V}"}}'),
    ("JSON list", '["{T}", "x"]', '["{V}", "x"]'),
    ("JSON list, bare", '["{K}_{B}", "x"]', '["{V}", "x"]'),
    ("JSON escapes", "\\u005b{K}_{B}\\u005d", "{V}"),
    ("JSON escapes, upper case", "\\u005B{K}\\u005F{B}\\u005D", "{V}"),
    ("JSON escaped twice", "\\\\u005b{K}_{B}\\\\u005d", "{V}"),
    ("JSON string with a line break", '"x\\n{T}\\n"', '"x\\n{V}\\n"'),
    ("CSV", 'a,{T},"b"', 'a,{V},"b"'),
    ("CSV, bare", "a,{K}_{B},b", "a,{V},b"),
    ("YAML", "to: '{T}'", "to: '{V}'"),
    ("YAML, bare", "to: {K}_{B}\n", "to: {V}\n"),
    ("TOML", 'to = "{T}"', 'to = "{V}"'),
    ("f-string", 'print(f"{{x}} {T}")', 'print(f"{{x}} {V}")'),
    ("argument, bare", "send('{K}_{B}')", "send('{V}')"),
    ("SQL", "WHERE a='{T}';", "WHERE a='{V}';"),
    ("shell", "echo {T} | sh", "echo {V} | sh"),
    ("path", "/home/{T}/x", "/home/{V}/x"),
    # LaTeX
    ("LaTeX", "[{Ke}\\_{B}]", "{V}"),
    ("LaTeX bold", "\\textbf{{[{Ke}\\_{B}]}}", "\\textbf{{{V}}}"),
    ("LaTeX bold, bare", "\\textbf{{{Ke}\\_{B}}}", "\\textbf{{{V}}}"),
    # URLs
    ("URL encoding", "%5B{K}_{B}%5D", "{V}"),
    ("URL encoding, lower case", "%5b{K}%5f{B}%5d", "{V}"),
    ("URL encoding in a query", "https://example.com/?q=%5B{K}_{B}%5D&n=1", "https://example.com/?q={V}&n=1"),
    ("wide brackets in a URL", "%E3%80%90{K}_{B}%E3%80%91", "{V}"),
    # case
    ("lower case", "[{k}_{b}]", "{V}"),
    ("lower-case label", "[{k}_{B}]", "{V}"),
    ("lower-case body", "[{K}_{b}]", "{V}"),
    ("title case", "[{Kt}_{B}]", "{V}"),
    ("title case, body too", "[{Kt}_{bt}]", "{V}"),
    ("lower case, bare", "{k}_{b}", "{V}"),
    ("upper case sentence", "SEE {T}!", "SEE {V}!"),
    # spaces and line breaks
    ("spaces inside", "[ {K}_{B} ]", "{V}"),
    ("space before the underscore", "[{K} _{B}]", "{V}"),
    ("space after the underscore", "[{K}_ {B}]", "{V}"),
    ("space for the underscore", "[{K} {B}]", "{V}"),
    ("spaces for every underscore", "[{Ks} {B}]", "{V}"),
    ("space in the body", "[{K}_{B1} {B2}]", "{V}"),
    ("body spelled out", "[{K}_{Bs}]", "{V}"),
    ("line break in the body", "[{K}_{B1}\n{B2}]", "{V}"),
    ("line break after the label", "[{K}_\n{B}]", "{V}"),
    ("line break after the bracket", "[\n{K}_{B}\n]", "{V}"),
    ("broken with a hyphen", "[{K}_{B1}-\n{B2}]", "{V}"),
    ("broken with a backslash", "[{K}_{B1}\\\n{B2}]", "{V}"),
    ("indented continuation", "[{K}_{B1}\n        {B2}]", "{V}"),
    ("tab", "[{K}\t{B}]", "{V}"),
    ("no-break space", "[{K}\u00a0{B}]", "{V}"),
    ("ideographic space", "[{K}\u3000{B}]", "{V}"),
    # invisible characters
    ("zero-width space", "[{K}_\u200b{B}]", "{V}"),
    ("zero-width joiner in the body", "[{K}_{B1}\u200d{B2}]", "{V}"),
    ("soft hyphen in the body", "[{K}_{B1}\u00ad{B2}]", "{V}"),
    ("word joiner around", "\u2060{T}\u2060", "\u2060{V}\u2060"),
    ("byte order mark inside", "[\ufeff{K}_{B}]", "{V}"),
    # brackets
    ("full-width brackets", "［{K}_{B}］", "{V}"),
    ("lenticular brackets", "【{K}_{B}】", "{V}"),
    ("corner brackets", "「{K}_{B}」", "{V}"),
    ("tortoise-shell brackets", "〔{K}_{B}〕", "{V}"),
    ("white lenticular brackets", "〖{K}_{B}〗", "{V}"),
    ("book-title brackets", "《{K}_{B}》", "{V}"),
    ("angle brackets", "<{K}_{B}>", "{V}"),
    ("full-width angle brackets", "＜{K}_{B}＞", "{V}"),
    ("round brackets", "({K}_{B})", "{V}"),
    ("full-width round brackets", "（{K}_{B}）", "{V}"),
    ("braces", "{{{K}_{B}}}", "{V}"),
    ("mixed brackets", "【{K}_{B}]", "{V}"),
    ("in round brackets", "({T})", "({V})"),
    ("in full-width round brackets", "（{T}）", "（{V}）"),
    ("doubled brackets", "[{T}]", "[{V}]"),
    ("doubled brackets, lower case", "[[{k}_{b}]]", "[{V}]"),
    ("doubled braces", "{{{{{T}}}}}", "{{{{{V}}}}}"),
    ("no brackets", "{K}_{B}", "{V}"),
    ("no opening bracket", "{K}_{B}]", "{V}]"),
    ("no closing bracket", "[{K}_{B} and", "[{V} and"),
    ("no label", "[{B}]", "{V}"),
    ("body alone", "{B}", "{V}"),
    ("body alone, lower case", "{b}", "{V}"),
    ("body in lenticular brackets", "【{B}】", "{V}"),
    # the joint
    ("hyphen for the underscore", "[{K}-{B}]", "{V}"),
    ("hyphens for every underscore", "[{Kh}-{B}]", "{V}"),
    ("full-width underscore", "[{K}＿{B}]", "{V}"),
    ("two underscores", "[{K}__{B}]", "{V}"),
    ("nothing for the underscore", "[{K}{B}]", "{V}"),
    ("en dash for the underscore", "[{K}–{B}]", "{V}"),
    # letters
    ("full-width letters", "[{Kw}_{Bw}]", "{V}"),
    ("all full-width", "［{Kw}＿{Bw}］", "{V}"),
    ("zero as O", "[{K}_{BO}]", "{V}"),
    ("one as I", "[{K}_{BI}]", "{V}"),
    ("one as l", "[{K}_{Bl}]", "{V}"),
    # translated
    ("label translated", "[{Z}_{B}]", "{V}"),
    ("label translated, lenticular brackets", "【{Z}_{B}】", "{V}"),
    ("label translated, no underscore", "【{Z}{B}】", "{V}"),
    ("label translated, a space", "【{Z} {B}】", "{V}"),
    ("label translated, bare", "{Z}_{B}", "{V}"),
    ("label translated by another word", "[电子_{B}]", "{V}"),
    ("label in French", "[Courriel_{B}]", "{V}"),
    # quotes and endings
    ("curly quotes", "“{T}”", "“{V}”"),
    ("curly quotes, bare", "“{K}_{B}”", "“{V}”"),
    ("Chinese quotes", "「{T}」", "「{V}」"),
    ("single quotes", "'{T}'", "'{V}'"),
    ("possessive", "{T}'s", "{V}'s"),
    ("possessive, curly", "{T}’s", "{V}’s"),
    ("possessive, bare", "{K}_{B}'s", "{V}'s"),
    ("plural", "{T}s", "{V}s"),
    ("plural, bare", "{K}_{B}s", "{V}s"),
    ("hyphenated", "{T}-like", "{V}-like"),
    ("full stop", "{T}.", "{V}."),
    ("ideographic full stop", "{T}。", "{V}。"),
    ("ellipsis", "{T}...", "{V}..."),
    ("comma, no space", "{T},{T}", "{V},{V}"),
    ("twice, glued", "{T}{T}", "{V}{V}"),
    ("glued to Han characters", "给{T}发", "给{V}发"),
    ("bare, glued to Han characters", "给{K}_{B}发", "给{V}发"),
    ("glued to a word", "foo{T}bar", "foo{V}bar"),
]

# name, what was made of the token; it must stay as it is, and be counted when the last field says so
WRONG: list[tuple[str, str, bool]] = [
    ("one character wrong", "[{K}_{B-one}]", True),
    ("one character wrong, lower case, bare", "{k}_{b-one}", True),
    ("two characters exchanged", "[{K}_{B-swap}]", True),
    ("last character missing", "[{K}_{B-last}]", True),
    ("first character missing", "[{K}_{B-first}]", True),
    ("one character too many inside", "[{K}_{B-more}]", True),
    ("another tenant's", "[{K}_{other}]", True),
    ("another tenant's, bare", "{K}_{other}", True),
    ("label alone", "[{K}]", False),
    ("redacted", "[{K}_REDACTED]", False),
    ("half of it", "[{K}_{B1}", False),
    ("a bracket in the middle", "[{K}_{B1}] [{B2}]", False),
]

# What a second hand may do to the whole reply
TWICE: list[tuple[str, Callable[[str], str]]] = [
    ("lower case", str.lower),
    ("upper case", str.upper),
    ("HTML", html.escape),
    ("HTML, twice", lambda s: html.escape(html.escape(s))),
    ("JSON", lambda s: json.dumps(s)[1:-1]),
    ("JSON, twice", lambda s: json.dumps(json.dumps(s)[1:-1])[1:-1]),
    ("Markdown", lambda s: re.sub(r"([\[\]_*`])", r"\\\1", s)),
    ("URL", quote),
    ("wrapped at nine", lambda s: "\n".join(s[i : i + 9] for i in range(0, len(s), 9))),
    ("zero-width spaces", "\u200b".join),
    ("full-width signs", lambda s: s.translate(str.maketrans("[]_", "［］＿"))),
    ("spaced", lambda s: s.replace("_", " _ ").replace("[", " [ ").replace("]", " ] ")),
]

CONTEXTS = [
    "{}",
    "Please write to {} today.",
    "请联系 {} ，谢谢。",
    "The user said: “请发给{}吧”, so I did.\n\n1. {}\n2. x",
]

VALUES = [
    ("EMAIL", "ada@example.org"),
    ("PHONE", "(212) 555-0143"),
    ("IP_ADDRESS", "192.0.2.44"),
    ("CN_RESIDENT_ID", "11010519491231002X"),
    ("STAFF_ID", "E-104732"),
    ("PERSON", "Ada Lovelace"),
    ("PERSON", "Ms. Lovelace"),
    ("PERSON", "李小明"),
    ("PERSON", "张先生"),
]


class Case(NamedTuple):
    """One reply and what it must become."""

    name: str
    reply: str
    expected: str
    restored: int
    unresolved: int | None


def surrogates(tenant: str = "garble") -> list[Surrogate]:
    """A token for each of the values, under a key of zeros."""
    mint = Mint(Key(bytes(32)).tenant(tenant))
    return [mint.token(kind, value) for kind, value in VALUES]


def _wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def _fields(token: Surrogate) -> dict[str, str]:
    kind, body = token.kind, token.needle
    (other,) = (s for s in surrogates("someone else") if s.original == token.original)
    swap = next(i for i in range(9) if body[i] != body[i + 1])
    wrong = body[:4] + ("7" if body[4] != "7" else "8") + body[5:]
    return {
        "T": token.text,
        "K": kind,
        "k": kind.lower(),
        "Kt": kind.title(),
        "Ks": kind.replace("_", " "),
        "Kh": kind.replace("_", "-"),
        "Ke": kind.replace("_", "\\_"),
        "Kw": _wide(kind),
        "Z": KINDS.get(kind, kind),
        "V": token.original,
        "B": body,
        "b": body.lower(),
        "bt": body.title(),
        "B1": body[:5],
        "B2": body[5:],
        "Bs": " ".join(body),
        "Bw": _wide(body),
        "BO": body.replace("0", "O"),
        "BI": body.replace("1", "I"),
        "Bl": body.replace("1", "l"),
        "B-one": wrong,
        "b-one": wrong.lower(),
        "B-swap": body[:swap] + body[swap + 1] + body[swap] + body[swap + 2 :],
        "B-last": body[:-1],
        "B-first": body[1:],
        "B-more": body[:5] + "7" + body[5:],
        "other": other.needle,
    }


def cases() -> Iterator[Case]:
    """Every form of every token in every context."""
    for token in surrogates():
        fields = _fields(token)
        for name, form, back in FORMS:
            reply, expected = form.format(**fields), back.format(**fields)
            for context in CONTEXTS:
                places = context.count("{}") * back.count("{V}")
                yield Case(name, context.replace("{}", reply), context.replace("{}", expected), places, 0)


def wrong_cases() -> Iterator[Case]:
    """Every way to break a token beyond repair, in every context."""
    for token in surrogates():
        fields = _fields(token)
        for name, form, counted in WRONG:
            reply = form.format(**fields)
            for context in CONTEXTS:
                text = context.replace("{}", reply)
                yield Case(name, text, text, 0, context.count("{}") if counted else None)


def twice() -> Iterator[Case]:
    """Every form, garbled again; only the value counts here, not what is left around it."""
    for token in surrogates():
        fields = _fields(token)
        for name, form, back in FORMS:
            for second, change in TWICE:
                reply = change(form.format(**fields))
                yield Case(f"{name}, then {second}", reply, token.original, back.count("{V}"), None)


def report() -> tuple[int, int, dict[str, int]]:
    """How many cases there are, how many come back whole, and how often each form failed."""
    lexicon = Lexicon(surrogates())
    failed: dict[str, int] = {}
    total = 0
    for case in cases():
        total += 1
        if lexicon.restore(case.reply) != case.expected:
            failed[case.name] = failed.get(case.name, 0) + 1
    return total, total - sum(failed.values()), failed


def report_twice() -> tuple[int, int, dict[str, int]]:
    """The same for what was garbled twice: how many cases have their value back."""
    lexicon = Lexicon(surrogates())
    failed: dict[str, int] = {}
    total = 0
    for case in twice():
        total += 1
        if lexicon.restore(case.reply).count(case.expected) != case.restored:
            failed[case.name] = failed.get(case.name, 0) + 1
    return total, total - sum(failed.values()), failed


if __name__ == "__main__":
    for what, (total, good, failed) in (("once", report()), ("twice", report_twice())):
        print(f"garbled {what}: {good} of {total} restored ({good / total:.2%}); failed: {failed or 'none'}")

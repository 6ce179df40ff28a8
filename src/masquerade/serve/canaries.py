"""Made-up private values to plant: at least one of each kind and language, in the words they come with.

From ranges that are reserved for examples where there are any (``example.com``, 555-01xx, 192.0.2.0/24, test
cards), else from documents that define the form; people, places and companies are invented or long dead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from masquerade.mask.policy import Policy


class Canary(NamedTuple):
    """One value, the sentence that it stands in, and the name of a field that would hold it."""

    kind: str
    language: str
    value: str
    before: str
    after: str
    field: str

    @property
    def text(self) -> str:
        """The sentence."""
        return self.before + self.value + self.after


def _row(kind: str, language: str, sentence: str, field: str) -> Canary:
    before, value, after = sentence.split("|")
    return Canary(kind, language, value, before, after, field)


CANARIES: Sequence[Canary] = tuple(
    _row(*row)
    for row in (
        ("PERSON", "en", "My colleague is |Margaret Holloway|, and she wrote the report.", "full_name"),
        ("PERSON", "zh", "我的同事|欧阳晓明|写了这份报告。", "姓名"),
        ("LOCATION", "en", "She lives in |Manchester| and works from home.", "city"),
        ("LOCATION", "zh", "她住在|成都市|，在家办公。", "城市"),
        ("ORGANIZATION", "en", "He works for |Brightwater Consulting Ltd| as an auditor.", "company"),
        ("ORGANIZATION", "zh", "他在|杭州蓝湾科技有限公司|工作。", "公司"),
        ("ADDRESS", "en", "Please send it to |14 Elm Street, Springfield, IL 62701|.", "address"),
        ("ADDRESS", "zh", "收货地址：|浙江省杭州市西湖区文三路90号3幢201室|。", "地址"),
        ("DATE_TIME", "en", "She was born on |10 December 1985|.", "date_of_birth"),
        ("DATE_TIME", "zh", "出生日期：|1985年12月10日|。", "出生日期"),
        ("PHONE", "en", "Call me at |(212) 555-0143| after five.", "phone"),
        ("PHONE", "zh", "请打我手机|13800138000|谢谢。", "手机"),
        ("EMAIL", "en", "Write to |ada.byron@example.com| today.", "email"),
        ("EMAIL", "zh", "请发到|wang.fang88@example.com|谢谢。", "邮箱"),
        ("URL", "en", "Her page is |https://people.example.com/u/x4711?id=23|.", "url"),
        ("URL", "zh", "她的主页是|https://intranet.example.com/u/y4712?id=42|。", "网址"),
        ("IP_ADDRESS", "en", "The server at |192.0.2.44| does not answer.", "ip"),
        ("IP_ADDRESS", "zh", "服务器|198.51.100.23|没有响应。", "ip地址"),
        ("MAC_ADDRESS", "en", "Its interface is |00:00:5E:00:53:AF|.", "mac"),
        ("MAC_ADDRESS", "zh", "网卡是|00:00:5E:00:53:1B|。", "mac地址"),
        ("CREDIT_CARD", "en", "I paid with |4111 1111 1111 1111| last week.", "card_number"),
        ("CREDIT_CARD", "zh", "我用卡|5555555555554444|付款。", "卡号"),
        ("BANK_ACCOUNT", "en", "My account number is |000947205318|.", "account_number"),
        ("BANK_ACCOUNT", "zh", "银行账号：|6217000010008402956|。", "银行账号"),
        ("IBAN", "en", "Transfer it to |GB82 WEST 1234 5698 7654 32|.", "iban"),
        ("IBAN", "zh", "请汇到|DE89370400440532013000|。", "iban"),
        ("SWIFT", "en", "SWIFT code: |DEUTDEFF500|.", "swift"),
        ("SWIFT", "zh", "SWIFT代码：|DEUTDEFF500|。", "swift"),
        ("CRYPTO_WALLET", "en", "Pay to |bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq| now.", "wallet"),
        ("CRYPTO_WALLET", "zh", "请付到|1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa|。", "钱包"),
        ("CN_RESIDENT_ID", "en", "Her ID number is |11010519491231002X|.", "id_number"),
        ("CN_RESIDENT_ID", "zh", "身份证号|440524188001010014|请核对。", "身份证"),
        ("CN_USCC", "en", "The company is registered as |91350100M000100Y43|.", "uscc"),
        ("CN_USCC", "zh", "统一社会信用代码：|91350100M000100Y43|。", "统一社会信用代码"),
        ("HK_ID", "en", "Hong Kong identity card: |Z683365(5)|.", "hkid"),
        ("HK_ID", "zh", "香港身份证：|Z683365(5)|。", "香港身份证"),
        ("TW_ID", "en", "Taiwan ID: |F131104093|.", "taiwan_id"),
        ("TW_ID", "zh", "台湾身份证：|F131104093|。", "台湾身份证"),
        ("MO_ID", "en", "Macao identity card: |5183407(2)|.", "macao_id"),
        ("MO_ID", "zh", "澳门身份证：|5183407(2)|。", "澳门身份证"),
        ("PASSPORT", "en", "Passport number: |C01X00T47|.", "passport"),
        ("PASSPORT", "zh", "护照号码：|E90716254|。", "护照"),
        ("DRIVER_LICENSE", "en", "Driver's license: |K7730518|.", "drivers_license_number"),
        ("DRIVER_LICENSE", "zh", "驾驶证号：|110105194912310021|。", "驾驶证"),
        ("LICENSE_PLATE", "en", "License plate: |7XKD924|.", "license_plate"),
        ("LICENSE_PLATE", "zh", "我的车牌是|浙A87K31|。", "车牌"),
        ("US_SSN", "en", "My SSN is |219-09-9999|.", "ssn"),
        ("US_SSN", "zh", "社会安全号码：|219-09-9999|。", "ssn"),
        ("US_ITIN", "en", "My ITIN is |912-70-1234|.", "itin"),
        ("US_ITIN", "zh", "税号 ITIN |912-70-1234|。", "itin"),
        ("UK_NINO", "en", "National insurance number: |JG 10 37 59 A|.", "nino"),
        ("UK_NINO", "zh", "英国国民保险号：|JG206842B|。", "nino"),
        ("IMEI", "en", "The phone's IMEI is |490154203237518|.", "imei"),
        ("IMEI", "zh", "手机IMEI：|490154203237518|。", "imei"),
        ("USERNAME", "en", "My username is |m_hw85_xz|.", "username"),
        ("USERNAME", "zh", "我的微信号：|lanwan_xm88|。", "微信号"),
        ("SECRET", "en", "The password is |Tr0ub4dor&3-canary|.", "password"),
        ("SECRET", "zh", "密码：|Tr0ub4dor&3-canary|", "密码"),
        (
            "SECRET",
            "en",
            "Use the key |sk-proj-Zm9vYmFyYmF6cXV4cXV1eHF1dXoxMjM0NTY3ODkw| only here.",
            "api_key",
        ),
    )
)


def planted(policy: Policy) -> tuple[Canary, ...]:
    """Those above, and of each of the policy's own lists of private words the first."""
    own = (
        Canary(words.kind, "own", words.words[0], "About ", ", once more.", words.kind.lower())
        for words in policy.deny
        if words.kind is not None and words.match != "pattern" and words.words
    )
    return (*CANARIES, *own)


def not_planted(policy: Policy) -> tuple[str, ...]:
    """Kinds of the policy of which no value can be made up: only an expression says what they look like."""
    return tuple(sorted(set(policy.own_kinds) - {canary.kind for canary in planted(policy)}))


def got_through(canary: Canary, texts: Iterable[str]) -> bool:
    """Whether the value, or most of it from either end, is in one of the texts, however it is spaced and
    punctuated there."""
    core = _core(canary.value)
    part = max(min(4, len(core)), -(-len(core) * 6 // 10))
    return any(core[:part] in text or core[-part:] in text for text in map(_core, texts))


def _core(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()

"""Made-up values of every kind that rules can find, and prompts that hold them.

Everything comes from a seeded generator, so a run can be repeated, and no two texts of a run are alike, so no
cache helps. Values come from reserved ranges where there are some (example.com, 555-01xx, 192.0.2.0/24,
2001:db8::/32, test cards); where there are none they are random and their check digits are right. The
arithmetic of the check digits is written anew here, not taken from the product.
"""
# ruff: noqa: E501  (tables read better with a row on a line)

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import random
import string
from collections.abc import Callable, Iterator
from typing import NamedTuple

Rng = random.Random
DIGITS, LOWER, UPPER = string.digits, string.ascii_lowercase, string.ascii_uppercase
MIXED = string.ascii_letters + DIGITS
HEX = "0123456789abcdef"
LANGUAGES = ("en", "zh", "mixed")


class Form(NamedTuple):
    """One way in which a kind is written, with the sentences that carry it (``{}`` is the value)."""

    kind: str
    name: str
    make: Callable[[Rng], str]
    en: tuple[str, ...]
    zh: tuple[str, ...]


class Planted(NamedTuple):
    """A value that stands in a text."""

    kind: str
    form: str
    value: str


# -- parts of values -----------------------------------------------------------------------------------


def _some(r: Rng, alphabet: str, n: int) -> str:
    return "".join(r.choices(alphabet, k=n))


def _digits(r: Rng, n: int) -> str:
    return _some(r, DIGITS, n)


def _luhn(digits: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def _grouped(text: str, *sizes: int, by: str = " ") -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return by.join(parts)


def _day(r: Rng) -> tuple[int, int, int]:
    return r.randint(1950, 2005), r.randint(1, 12), r.randint(1, 28)


_FIRST = "ada alan bo chen dara elif fang grace hana ivan june kofi lena mei noor omar petra qing rosa sven tao".split()
_LAST = "lovelace turing zhang wang okafor silva novak haddad kim larsen moreau nakamura ortiz patel quinn".split()


def _person(r: Rng) -> str:
    return f"{r.choice(_FIRST)}{r.choice('._-')}{r.choice(_LAST)}"


def _host(r: Rng) -> str:
    return r.choice(("example.com", "example.org", "example.net", f"{_some(r, LOWER, 4)}.example.com"))


# -- values --------------------------------------------------------------------------------------------


def _card(r: Rng) -> str:
    prefix, length = r.choice(
        (("411111", 16), ("424242", 16), ("555555", 16), ("620000", 16), ("601111", 16))
    )
    return _luhn(prefix + _digits(r, length - 1 - len(prefix)))


def _bank_card_19(r: Rng) -> str:
    return _luhn("622200" + _digits(r, 12))


def _iban(country: str, body: str) -> str:
    check = 98 - int("".join(str(int(c, 36)) for c in body + country + "00")) % 97
    return f"{country}{check:02d}{body}"


def _iban_de(r: Rng) -> str:
    return _iban("DE", _digits(r, 18))


def _iban_gb(r: Rng) -> str:
    return _grouped(_iban("GB", "NWBK" + _digits(r, 14)), 4, 4, 4, 4, 4, 2)


def _swift(r: Rng) -> str:
    return (
        _some(r, UPPER, 4)
        + r.choice(("DE", "GB", "CN", "US", "FR"))
        + _some(r, UPPER, 2)
        + r.choice(("", "XXX"))
    )


def _resident_id(r: Rng) -> str:
    year, month, day = _day(r)
    body = f"{r.choice(('110101', '310104', '440305', '510107'))}{year}{month:02d}{day:02d}{_digits(r, 3)}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]


def _uscc(r: Rng) -> str:
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    body = "91" + r.choice(("110108", "310115", "440300")) + _some(r, alphabet, 9)
    return body + alphabet[-sum(alphabet.index(c) * pow(3, i, 31) for i, c in enumerate(body)) % 31]


def _hk_id(r: Rng) -> str:
    body = r.choice("ABCDEGHKPRVYZ") + _digits(r, 6)
    values = [36, ord(body[0]) - 55, *map(int, body[1:])]
    check = -sum(v * w for v, w in zip(values, range(9, 1, -1), strict=True)) % 11
    return f"{body}({'A' if check == 10 else check})"


def _tw_id(r: Rng) -> str:
    letter = r.choice(UPPER)
    code = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(letter) + 10
    body = r.choice("12") + _digits(r, 7)
    total = code // 10 + code % 10 * 9 + sum(int(d) * w for d, w in zip(body, range(8, 0, -1), strict=True))
    return letter + body + str(-total % 10)


def _nino(r: Rng) -> str:
    return r.choice(("AB", "CE", "HK", "PW", "YZ")) + _digits(r, 6) + r.choice("ABCD")


def _ssn(r: Rng) -> str:
    return f"{r.randint(100, 665):03d}-{r.randint(10, 99)}-{r.randint(1000, 9999)}"


def _imei(r: Rng) -> str:
    return _luhn("35" + _digits(r, 12))


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def _bitcoin(r: Rng) -> str:
    raw = b"\0" + r.randbytes(20)
    raw += hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
    number, out = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        out = _BASE58[rest] + out
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + out


def _segwit(r: Rng) -> str:
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = "".join(f"{byte:08b}" for byte in r.randbytes(20))
    data = [0, *(int(bits[i : i + 5], 2) for i in range(0, 160, 5))]
    check = 1
    for value in [3, 3, 0, 2, 3, *data, 0, 0, 0, 0, 0, 0]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for i, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> i & 1 else 0
    check ^= 1
    return "bc1" + "".join(alphabet[v] for v in data + [check >> 5 * (5 - i) & 31 for i in range(6)])


_JWT_HEADER = b'{"alg":"HS256","typ":"JWT"}'


def _jwt(r: Rng) -> str:
    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).decode().rstrip("=")

    payload = json.dumps({"sub": _digits(r, 8), "iat": r.randint(10**9, 2 * 10**9)}).encode()
    return f"{part(_JWT_HEADER)}.{part(payload)}.{part(r.randbytes(32))}"


def _private_key(r: Rng) -> str:
    body = base64.b64encode(r.randbytes(144)).decode()
    lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    return f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----"


def _password(r: Rng) -> str:
    return f"{_some(r, MIXED, 6)}{r.choice('!#%&')}{_some(r, MIXED, 5)}"


def _plate(r: Rng) -> str:
    return (
        r.choice("京沪粤苏浙川") + r.choice("ABCDE") + _some(r, "0123456789ABCDEFGHJK", 4) + r.choice(DIGITS)
    )


def _mobile(r: Rng) -> str:
    return r.choice(("138", "139", "159", "186", "199")) + "0000" + _digits(r, 4)


def _nanp(r: Rng) -> str:
    return r.choice("-. ").join((r.choice(("212", "312", "415", "617", "702")), "555", "01" + _digits(r, 2)))


def _ipv6(r: Rng) -> str:
    return str(ipaddress.IPv6Address((0x20010DB8 << 96) | r.getrandbits(64) | 1 << 40))


# -- the forms -----------------------------------------------------------------------------------------

FORMS: tuple[Form, ...] = (
    Form("EMAIL", "plain", lambda r: f"{_person(r)}{r.randint(1, 99)}@{_host(r)}",
         ("Please write to {} before Friday.", "Forward the invoice to {}, thanks."), ("请发到邮箱{}谢谢。", "他的邮件地址是{}，请抄送。")),
    Form("EMAIL", "plus tag", lambda r: f"{r.choice(_FIRST)}+{_some(r, LOWER, 5)}@{_host(r)}", ("I signed up with {} last week.",), ("我用{}注册的账户登录不上。",)),
    Form("PHONE", "NANP", _nanp, ("Call me at {} after lunch.", "Her number is {} if you need it."), ("请致电{}确认一下。",)),
    Form("PHONE", "NANP with parentheses", lambda r: f"({r.choice((212, 415, 702))}) 555-01{_digits(r, 2)}", ("The clinic answers at {} all day.",), ("诊所电话：{}，全天有人。",)),
    Form("PHONE", "NANP with extension", lambda r: f"+1 {_nanp(r)} ext. {_digits(r, 3)}", ("Dial {} and ask for billing.",), ("请拨打{}找财务。",)),
    Form("PHONE", "international", lambda r: f"+44 20 7946 0{_digits(r, 3)}", ("Our London desk is {} on weekdays.",), ("伦敦办公室的电话是{}。",)),
    Form("PHONE", "mainland mobile", _mobile, ("You can text {} any time.",), ("手机{}随时可以联系到我。", "我的电话是{}，请回电。")),
    Form("PHONE", "mainland mobile, spaced", lambda r: _grouped(_mobile(r), 3, 4, 4), ("My mobile in Shanghai is {} now.",), ("联系方式：{}，下午在。",)),
    Form("PHONE", "mainland mobile, +86", lambda r: "+86 " + _mobile(r), ("Reach the driver on {} today.",), ("司机的号码是{}。",)),
    Form("PHONE", "mainland landline", lambda r: f"0{r.choice((10, 21, 755))}-5555{_digits(r, 4)}", ("The Beijing office is {} on weekdays.",), ("公司座机{}转前台。",)),
    Form("PHONE", "Hong Kong", lambda r: f"+852 5555 {_digits(r, 4)}", ("The agent in Hong Kong is {} now.",), ("香港那边的电话{}。",)),
    Form("PHONE", "Taiwan", lambda r: f"0912-{_digits(r, 3)}-{_digits(r, 3)}", ("Her phone in Taipei: {} until May.",), ("台湾手机{}还能用。",)),
    Form("CREDIT_CARD", "plain", _card, ("My card {} was declined twice.", "Refund it to {} please."), ("卡号{}被拒两次。", "请退到{}这张卡。")),
    Form("CREDIT_CARD", "in fours", lambda r: _grouped(_card(r), 4, 4, 4, 4), ("The card number is {} on file.",), ("信用卡{}扣款失败。",)),
    Form("CREDIT_CARD", "with hyphens", lambda r: _grouped(_card(r), 4, 4, 4, 4, by="-"), ("They charged {} by mistake.",), ("被多扣款的卡是{}。",)),
    Form("CREDIT_CARD", "15 digits", lambda r: _luhn("378282" + _digits(r, 8)), ("Use my Amex {} for the hotel.",), ("酒店用我的运通卡{}支付。",)),
    Form("CREDIT_CARD", "mainland, 19 digits", _bank_card_19, ("Pay it out to {} in Shenzhen.",), ("工资打到银行卡{}上。",)),
    Form("BANK_ACCOUNT", "by label", lambda r: _digits(r, 12), ("Bank account number: {}, in dollars.",), ("对公账号：{}，招商银行。",)),
    Form("BANK_ACCOUNT", "by label, spaced", lambda r: _grouped(_digits(r, 12), 4, 4, 4), ("Send it to account no. {} today.",), ("收款账户 {} 请核对。",)),
    Form("IBAN", "plain", _iban_de, ("Transfer the deposit to {} today.",), ("定金汇到{}即可。",)),
    Form("IBAN", "in fours", _iban_gb, ("Our IBAN is {} at the bank.",), ("国际账号{}，请核对。",)),
    Form("SWIFT", "by label", _swift, ("The SWIFT code is {} for the branch.",), ("SWIFT代码：{}，总行。",)),
    Form("CRYPTO_WALLET", "Bitcoin, Base58", _bitcoin, ("Send the coins to {} now.",), ("比特币地址{}已验证。",)),
    Form("CRYPTO_WALLET", "Bitcoin, segwit", _segwit, ("The refund goes to {} as agreed.",), ("退款到{}这个钱包。",)),
    Form("CRYPTO_WALLET", "Ethereum", lambda r: "0x" + _some(r, HEX, 40), ("The contract sits at {} on mainnet.",), ("以太坊地址{}收款。",)),
    Form("DATE_TIME", "ISO", lambda r: "{}-{:02d}-{:02d}".format(*_day(r)), ("She was born on {} in Leeds.",), ("出生日期{}，女。",)),
    Form("DATE_TIME", "slashes", lambda r: "{1:02d}/{2:02d}/{0}".format(*_day(r)), ("DOB {} as on the form.",), ("生日：{}，请更新。",)),
    Form("DATE_TIME", "in words", lambda r: f"{r.choice(('March', 'July', 'October'))} {r.randint(1, 28)}, {r.randint(1950, 2005)}", ("The patient, born {}, is stable.",), ("病人生于{}，情况稳定。",)),
    Form("DATE_TIME", "Chinese", lambda r: "{}年{}月{}日".format(*_day(r)), ("The card says {} for the birthday.",), ("我是{}出生的。",)),
    Form("URL", "with path", lambda r: f"https://{_host(r)}/u/{r.choice(_FIRST)}{r.randint(10, 999)}?t={_some(r, HEX, 6)}", ("See {} for the profile.",), ("主页见{} 。",)),
    Form("URL", "bare", lambda r: f"www.{_some(r, LOWER, 5)}.example.com/{_some(r, LOWER, 4)}", ("My blog is {} since March.",), ("我的博客{} 欢迎来看。",)),
    Form("IP_ADDRESS", "IPv4", lambda r: f"{r.choice(('192.0.2', '198.51.100', '203.0.113'))}.{r.randint(1, 254)}", ("The request came from {} at noon.",), ("服务器{}在访问我们。",)),
    Form("IP_ADDRESS", "IPv6", _ipv6, ("The tunnel ends at {} now.",), ("隧道的另一端是{}。",)),
    Form("MAC_ADDRESS", "colons", lambda r: ":".join(["00", "00", "5e", "00", "53", f"{r.randint(0, 255):02x}"]), ("The printer has {} on the label.",), ("打印机的网卡是{}。",)),
    Form("MAC_ADDRESS", "hyphens", lambda r: "-".join(f"{r.randint(16, 255):02X}" for _ in range(6)), ("Allow the device {} on Wi-Fi.",), ("请放行设备{}。",)),
    Form("CN_RESIDENT_ID", "18 characters", _resident_id, ("My Chinese ID is {} as scanned.",), ("身份证{}已上传。", "证件号码：{}，请核实。")),
    Form("CN_RESIDENT_ID", "in groups", lambda r: _grouped(_resident_id(r), 6, 8, 4), ("The ID on the contract reads {} here.",), ("合同上的身份证号是{}。",)),
    Form("CN_USCC", "plain", _uscc, ("The company code is {} in the registry.",), ("统一社会信用代码{}，开票用。",)),
    Form("HK_ID", "plain", _hk_id, ("His Hong Kong ID is {} on the lease.",), ("香港身份证{}已登记。",)),
    Form("TW_ID", "plain", _tw_id, ("Her Taiwan ID is {} on the form.",), ("台湾身份证{}已登记。",)),
    Form("MO_ID", "plain", lambda r: f"{r.choice('157')}{_digits(r, 6)}({_digits(r, 1)})", ("The Macau ID {} has expired.",), ("澳门身份证{}已过期。",)),
    Form("PASSPORT", "Chinese", lambda r: (r.choice(("E", "G", "EA", "EC")) + _digits(r, 8))[:9], ("Passport {} expires next year.",), ("护照号{}明年到期。",)),
    Form("PASSPORT", "US, by label", lambda r: _digits(r, 9), ("My passport number is {} for the visa.",), ("美国护照号码：{}，办签证。",)),
    Form("DRIVER_LICENSE", "by label", lambda r: r.choice(UPPER) + _digits(r, 7), ("My driver's license is {} in California.",), ("驾驶证号：{}，加州。",)),
    Form("DRIVER_LICENSE", "UK, by label", lambda r: f"{_some(r, UPPER, 5)}{r.randint(6, 9)}05{r.randint(10, 28)}{_digits(r, 1)}AB9{_some(r, UPPER, 2)}", ("Driving licence {} is still valid.",), ("英国驾照{}有效。",)),
    Form("LICENSE_PLATE", "mainland", _plate, ("The car with plate {} was parked.",), ("车牌{}停在门口。",)),
    Form("LICENSE_PLATE", "mainland, new energy", lambda r: r.choice("粤沪苏") + "BD" + _digits(r, 5), ("The taxi had {} on it.",), ("网约车{}已到。",)),
    Form("LICENSE_PLATE", "by label", lambda r: f"{_some(r, '2345678', 1)}{_some(r, UPPER, 3)}{_digits(r, 3)}", ("License plate {} left the scene.",), ("车牌号：{}，加州牌照。",)),
    Form("US_SSN", "plain", _ssn, ("My SSN is {} on the W-2.", "The social security number {} is wrong."), ("社会安全号{}填错了。",)),
    Form("US_SSN", "without label", _ssn, ("The form shows {} in box one.",), ("表上写的是{}。",)),
    Form("US_ITIN", "plain", lambda r: f"9{_digits(r, 2)}-{r.choice((70, 75, 88, 91))}-{_digits(r, 4)}", ("My ITIN is {} for taxes.",), ("报税号{}，请查。",)),
    Form("UK_NINO", "plain", _nino, ("National insurance number {} please.",), ("英国国民保险号{}。",)),
    Form("UK_NINO", "spaced", lambda r: _grouped(_nino(r), 2, 2, 2, 2, 1), ("The payslip says {} at the top.",), ("工资单上是{}。",)),
    Form("IMEI", "plain", _imei, ("The phone's IMEI is {} on the box.",), ("手机IMEI：{}，已挂失。",)),
    Form("USERNAME", "WeChat", lambda r: f"wx_{_some(r, LOWER, 6)}{_digits(r, 2)}", ("Add me, WeChat ID: {}, any time.",), ("加我微信{}聊。", "微信号：{}，备注来意。")),
    Form("USERNAME", "QQ", lambda r: str(r.randint(100000, 10**10)), ("His QQ: {} since school.",), ("QQ号{}，常在线。",)),
    Form("USERNAME", "by label", lambda r: f"{r.choice(_FIRST)}_{r.choice(_LAST)}{r.randint(1, 99)}", ("Username: {}, created in May.",), ("用户名：{}，五月注册。",)),
    Form("SECRET", "OpenAI key", lambda r: "sk-proj-" + _some(r, MIXED, 40), ("The bot uses {} in production.",), ("机器人用的是{}。",)),
    Form("SECRET", "GitHub token", lambda r: "ghp_" + _some(r, MIXED, 36), ("Push with {} as the token.",), ("用{}推送代码。",)),
    Form("SECRET", "AWS key id", lambda r: "AKIA" + _some(r, UPPER + "234567", 16), ("The bucket is read with {} here.",), ("存储桶用{}读取。",)),
    Form("SECRET", "Google key", lambda r: "AIza" + _some(r, MIXED, 35), ("Maps is called with {} today.",), ("地图接口用{}调用。",)),
    Form("SECRET", "JWT", _jwt, ("The header had {} in it.",), ("请求头里有{}这个令牌。",)),
    Form("SECRET", "private key", _private_key, ("This was in the repository:\n{}\nRotate it.",), ("仓库里有：\n{}\n请更换。",)),
    Form("SECRET", "password by label", _password, ("password: {} (change it)",), ("密码：{}，请尽快修改。",)),
    Form("SECRET", "password in prose", _password, ("The wifi password is {} by the way.",), ("无线密码是{}，别外传。",)),
    Form("SECRET", "connection string", lambda r: f"postgres://{r.choice(_FIRST)}:{_some(r, MIXED, 12)}@db.example.com:5432/app", ("It connects to {} every night.",), ("它每晚连接{} 。",)),
    Form("SECRET", "API key by label", lambda r: _some(r, HEX, 32), ("api_key = {} in the config",), ("密钥：{}，勿外传。",)),
    Form("SECRET", "bearer", lambda r: "Bearer " + _some(r, MIXED, 32), ("curl -H 'Authorization: {}' fails.",), ("请求头 Authorization: {} 失效。",)),
)  # fmt: skip
KINDS = tuple(dict.fromkeys(form.kind for form in FORMS))

_PLAIN = {
    "en": (
        "Thanks for the quick answer.", "Could you check why it failed again?", "We tried it twice today.",
        "The team will meet on Monday.", "Nothing else has changed since then.", "Please keep the summary short.",
        "It works on version 3.2 of the app.", "About 40 people came to the meeting.", "See section 4.1 of the guide.",
        "The total came to 1,250 dollars.", "Order 20341 has not arrived yet.", "It started at 9:30 this morning.",
    ),
    "zh": (
        "谢谢你的快速回复。", "麻烦再看一下为什么失败。", "今天我们试了两次。", "周一团队要开会。", "之后没有别的变化。",
        "请把总结写得短一点。", "在3.2版本上是正常的。", "大约有40人参加。", "请看手册第4.1节。", "一共是1250元。", "订单20341还没到。", "上午9:30开始的。",
    ),
}  # fmt: skip

_WORDS = {
    "en": "invoice report customer ticket branch meeting answer budget sample window garden letter sensor recipe".split(),
    "zh": "发票 报告 客户 工单 分支 会议 回复 预算 样品 窗口 花园 信件 传感器 菜谱".split(),
}


def _plain(r: Rng, language: str) -> str:
    a, b = r.choice(_WORDS[language]), r.choice(_WORDS[language])
    return r.choice(_PLAIN[language]) + (
        f" The {a} and the {b} are next." if language == "en" else f"然后是{a}和{b}。"
    )


def sentence(r: Rng, form: Form, language: str) -> tuple[str, Planted]:
    """A sentence with one value of ``form``."""
    value = form.make(r)
    return r.choice(form.en if language == "en" else form.zh).replace("{}", value), Planted(
        form.kind, form.name, value
    )


def dense_lines(r: Rng, language: str) -> Iterator[tuple[str, Planted]]:
    """Lines without end, each with one value, in every 50 to 80 bytes.

    A kind is drawn first, then one of its forms. Private keys and JWTs are left out: they are longer than that.
    """
    by_kind = {
        kind: [f for f in FORMS if f.kind == kind and f.name not in ("private key", "JWT")] for kind in KINDS
    }
    while True:
        tongue = r.choice(("en", "zh")) if language == "mixed" else language
        line, planted = sentence(r, r.choice(by_kind[r.choice(KINDS)]), tongue)
        yield (f"{line} {r.choice(_PLAIN[tongue])}" if r.random() < 0.5 else line), planted


def dense(r: Rng, language: str, size: int) -> str:
    """A prompt of about ``size`` bytes of UTF-8, a value in every 50 to 80 of them."""
    return _filled((line for line, _ in dense_lines(r, language)), size)


def clean(r: Rng, language: str, size: int) -> str:
    """A prompt of about ``size`` bytes in which nothing is private; numbers occur."""

    def lines() -> Iterator[str]:
        while True:
            yield _plain(r, r.choice(("en", "zh")) if language == "mixed" else language)

    return _filled(lines(), size)


def _filled(lines: Iterator[str], size: int) -> str:
    parts: list[str] = []
    length = 0
    while length < size:
        parts.append(next(lines))
        length += len(parts[-1].encode()) + 1
    return " ".join(parts)


def texts(
    r: Rng, language: str, size: int, total: int, make: Callable[[Rng, str, int], str] = dense
) -> list[str]:
    """Distinct prompts of ``size`` bytes, ``total`` bytes in all, at least one."""
    return [make(r, language, size) for _ in range(max(1, total // size))]


ADVERSARIAL: dict[str, str] = {
    "digits": "1", "digit, space": "1 ", "digit, hyphen": "1-", "digit, dot": "1.", "card prefix": "4111 ", "card, 15 of 16": "411111111111111 ",
    "dotted quads": "1.1.", "colons": "a:", "hex colons": "00:", "at signs": "@", "half addresses": "a@", "dots and at": "a.@", "one long local part": "a",
    "domains without end": "@a.", "schemes": "://", "half URLs": "http://a", "www": "www.", "brackets": "(", "closing": ")]}>", "plus": "+1",
    "key prefix": "sk-", "key prefix, short": "sk-a ", "JWT prefix": "eyJ", "JWT dots": "eyJa.", "password label": "password:", "password, spaces": "password : ",
    "label fillers": "passport no. is ", "PEM begin": "-----BEGIN PRIVATE KEY-----", "PEM dashes": "-----BEGIN ", "bearer": "Bearer ", "bearer, equals": "Bearer =",
    "IBAN prefix": "DE89 3704 ", "dates": "1990-01-", "months": "March 1", "hex": "0x", "base58": "1A1zP1", "bech32": "bc1q", "base64": "aB3+/", "underscores": "_a1",
    "Chinese labels": "身份证号", "Chinese password": "密码", "QQ": "QQ", "plate provinces": "京A", "full-width digits": "４１１１", "zero width": "1\u200b",
    "combining": "a\u0301", "ligatures": "\ufdfa", "tokens": "[EMAIL_", "token-like": "[EMAIL_AAAAAAAA]", "emoji": "👩‍👩‍👧", "quotes": "\"'", "new lines": "\n", "spaces": " ",
}  # fmt: skip
"""Seeds that are repeated to a text of one size: each is aimed at some rule, label, or step of reading."""


def repeated(seed: str, size: int) -> str:
    """``seed`` over and over, ``size`` bytes of UTF-8 in all, give or take one seed."""
    return seed * max(1, size // len(seed.encode()))

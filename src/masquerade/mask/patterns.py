"""The table of identifiers: one row for each form that a private value takes.

A row is found in one of three ways, told by its fields:

- ``at``: it begins with one of these literals (case as in the expression);
- ``after``: it stands after one of these labels, in English or Chinese, with a few filler words between;
- neither: it begins where an ASCII word begins, and that word holds a digit.

Expressions never use ``\\b`` or ``\\w``: Han characters count as letters there, and a value glued to Chinese
text would be missed. Every repetition is bounded or possessive, so no text is expensive. ``check`` says how
many of the matched characters belong to the value; 0 refuses it. ``score`` is how sure the form alone
makes us: 0.9 and above where a check digit or a maker's prefix decides, 0.5 to 0.8 where the form does, and
below 0.5 (off by default) where only a policy that lowers the threshold wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from masquerade.mask import checks

_UNKNOWN = ""
"""The kind of forms that are recognised in order to be left alone."""


@dataclass(frozen=True, slots=True)
class Row:
    """One form of one kind.

    ``lead`` gives, for a row with neither ``at`` nor ``after``, how many ASCII digits the form may begin with;
    0 stands for a beginning of letters. ``left`` counts characters before the match that belong to the value (they are in a look-behind).
    ``gap`` names what may stand between a label and the value: see :data:`GAPS`.
    """

    kind: str
    expression: str
    score: float
    check: Callable[[str], int] | None = None
    at: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    gap: str = "loose"
    lead: Collection[int] = ()
    left: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        # Names of fields spell a space as an underscore.
        spelled = (form for label in self.after for form in (label, label.replace(" ", "_")))
        object.__setattr__(self, "after", tuple(dict.fromkeys(spelled)))


GAPS = {
    # "passport no. is", 护照号码是：
    "loose": (
        r"(?:(?<=[\u4e00-\u9fff])|s?+(?:No|Num(?:ber)?|ID|Id|Code)?+(?![A-Za-z]))[^0-9A-Za-z\n。；;@+(]{0,8}+"
        r"(?i:(?:no|nr|num|number|id|code|card|details?|is|was|are|on|at|of|it|the|my|his|her|their|called|under|in)"
        r"\.?[^0-9A-Za-z\n。；;@+(]{1,4}+){0,4}"
    ),
    # a colon, an equals sign, an arrow, the end of a tag; quotes around either side, escaped ones too
    "sign": (
        r"""(?:[0-9]{1,2}|_(?i:prod|dev|test|staging|base|main|db|[0-9]{1,2}))?"""
        r"""(?:[\\"'”’`*_\])}]{0,4}[ \t]{0,3}(?:(?i:is|are))?(?:[:：]=?|=>?(?!=)|＝|->)(?:[*_`]{1,3}(?=[ \t\n]))?"""
        r"""|>(?=[^<>\n]{1,128}</)|["'][ \t]value=)[ \t]{0,3}\n?[ \t]{0,8}[\\"'“‘「`*]{0,4}"""
    ),
    # "is", 是, or nothing but a space in Chinese
    "spoken": r"""(?:[ \t]{1,3}(?:(?i:(?:(?:for|of|on|at|to)(?: [a-z]{1,12}){1,3} )?(?:is|was|are|to))|[\-|])[ \t]{1,3}|[ \t]{0,2}[是为][ \t：:]{0,2})["'“‘「`]{0,3}""",
    # Chinese labels are often glued to the value
    "glued": r"(?:号码|账号|号|ID|id)?[ \t]{0,2}[：:=是为]{0,2}[ \t]{0,2}[\"'“「]?",
    "space": r"[ =]{1,2}[\"']?",
    "bare": r"[ \t]{1,2}",
}

_MONTH = (
    r"(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_MONTHS = (
    "january", "february", "march", "april", "may ", "june", "july", "august", "september", "october",
    "november", "december", "jan ", "feb ", "mar ", "apr ", "jun ", "jul ", "aug ", "sep ", "sept ", "oct ",
    "nov ", "dec ", "jan. ", "feb. ", "mar. ", "apr. ", "jun. ", "jul. ", "aug. ", "sep. ", "sept. ",
    "oct. ", "nov. ", "dec. ",
)  # fmt: skip
_YEAR = r"(?:1[89]|2[01])[0-9]{2}"
_MM, _DD = "(?:1[0-2]|0?[1-9])(?![0-9])", "(?:3[01]|[12][0-9]|0?[1-9])(?![0-9])"
_TIME = r"(?:[T ](?:[01]?[0-9]|2[0-4]):[0-5][0-9](?::[0-6][0-9](?:[.,][0-9]{1,9})?)?(?![0-9:])(?:Z| ?[+\-][0-9]{2}:?[0-9]{2})?)?"
_ANY_DATE = (
    rf"(?:{_YEAR}[0-9]{{4}}|{_YEAR} ?[年./\-] ?[0-9]{{1,2}}(?: ?[月./\-] ?[0-9]{{1,2}}[日号]?)?月?"
    rf"|[0-9]{{1,2}}[./\-][0-9]{{1,2}}[./\-](?:{_YEAR}|[0-9]{{2}})"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?(?: of)?[ \-]{_MONTH}\.?,?[ \-](?:{_YEAR}|[0-9]{{2}})"
    rf"|{_MONTH}\.? [0-9]{{1,2}}(?:st|nd|rd|th)?,? ?{_YEAR})"
)
# What follows a telephone number and a space, and is no more of it: a date, a time, an address, another number.
_ANOTHER = (
    r"(?:[0-9]{1,4}/[0-9]{1,2}/|[0-9]{1,2}:[0-9A-Fa-f]{2}|[0-9]{1,4}:[0-9A-Fa-f]{1,4}:|[0-9]{4} ?年|[0-9]{3}-[0-9]{2}-"
    r"|[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.|[0-9]{4}[\-.][0-9]{1,2}[\-.]|0[0-9]{2,3}-[0-9]{7})"
)
_OCTET = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})"
PROVINCE = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_PLATE_TAIL = "[A-Z0-9]"
_UNQUOTED = (
    r"(?:[^\s\\\"'`“”‘’，。；、：（）<>,;\u4e00-\u9fff]|\\(?![\"'])){1,128}+"
    r"(?:(?:（[!-~]{1,32}）|[,;](?!\s|\Z|[A-Za-z_.\- ]{1,30}[=:]))(?:[^\s\\\"'`“”‘’，。；、：（）<>,;\u4e00-\u9fff]|\\(?![\"'])){0,64}+){0,3}"
)
_QUOTED = (
    r"""(?:(?<=\\")[^"\\\n]{4,128}(?=\\")|(?<=")(?<!\\")(?:[^"\\\n]|\\[^\n]){4,128}+(?=")|"""
    r"""(?<=')(?:[^'\\\n]|\\[^\n]){4,128}+(?=')|(?<=[“‘`])[^“”‘’`\n]{4,128}(?=[”’`]))"""
)
_SECRET_LABELS = (
    "api key", "apikey", "api_key", "api-key", "api token", "api_token", "app key", "appkey", "app_key", "app secret",
    "appsecret", "app_secret", "access key", "accesskey", "access_key", "access token", "access_token", "accesstoken",
    "auth token", "auth_token", "authtoken", "authorization", "client secret", "client_secret", "clientsecret",
    "consumer secret", "consumer_secret", "secret key", "secret_key", "secretkey", "secret access key",
    "secret_access_key", "secretaccesskey", "signing key", "signing_key", "signing secret", "encryption key",
    "encryption_key", "private key", "private_key", "privatekey", "session token", "session_token", "session id",
    "sessionid", "session_id", "refresh token", "refresh_token", "bearer token", "id_token", "csrf token", "webhook secret",
    "account key", "accountkey", "sharedaccesskey", "shared_access_key", "master key", "master_key", "license key",
    "recovery code", "seed phrase", "x-api-key", "token", "secret", "credential", "cookie", "_auth", "_key", "signature", "?sig", "&sig", "?key", "&key", "creds", "credentials",
    "密钥", "秘钥", "令牌", "私钥", "凭证", "授权码", "激活码", "访问令牌", "助记词",
)  # fmt: skip
_PASSWORD_LABELS = (
    "password", "passwd", "pgpassword", "pw", "passphrase", "passcode", "pass", "pwd", "pswd", "pword", "p/w", "pin code", "pin", "one-time code",
    "verification code", "2fa code", "login code", "sms code", "security code", "otp", "cvv", "cvc", "pin码", "密码", "口令", "暗号", "验证码", "动态码", "校验码", "安全码", "支付码", "登录码",
    "contraseña", "mot de passe", "passwort", "パスワード",
)  # fmt: skip
_PHONE_LABELS = (
    "phone", "telephone", "mobile", "cell", "cellphone", "tel", "fax", "whatsapp", "call me", "call us", "call", "dial", "sms", "answering", "reach me", "reach us", "ring",
    "hotline", "contact number", "phone number", "mobile number", "隐私号", "虚拟号", "电话", "手机", "手机号", "座机", "固话", "传真", "热线", "来电",
    "致电", "拨打", "联系方式", "联系号码", "電話", "手機", "傳真",
)  # fmt: skip
_BIRTH_LABELS = (
    "dob", "d.o.b", "bday", "date of birth", "birth date", "birthdate", "birthday", "born", "birth", "出生日期", "出生年月", "出生于",
    "出生", "生日", "生于",
)  # fmt: skip


# fmt: off
ROWS: tuple[Row, ...] = (
    # -- left alone -------------------------------------------------------------------------------------
    Row(_UNKNOWN, r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}", 0, source="RFC 9562", lead=range(9)),
    # -- dates ------------------------------------------------------------------------------------------
    Row("DATE_TIME", rf"{_YEAR}([/.\-]){_MM}\1{_DD}{_TIME}", 0.6, source="ISO 8601", lead=(4,)),
    Row("DATE_TIME", rf"{_YEAR} ?年 ?{_MM} ?月 ?{_DD} ?[日号]?", 0.6, source="GB/T 7408", lead=(4,)),
    Row("DATE_TIME", rf"(?:{_DD}([/.\-]){_MM}\1|{_MM}([/.\-]){_DD}\2){_YEAR}{_TIME}|(?:{_DD}([/\-]){_MM}\3|{_MM}([/\-]){_DD}\4)[0-9]{{2}}(?![./\-])", 0.6, lead=(1, 2)),
    Row("DATE_TIME", rf"[0-9]{{1,2}}(?:st|nd|rd|th)?(?: of)?[ \-]{_MONTH}\.?,?[ \-]{_YEAR}", 0.6, lead=(1, 2)),
    Row("DATE_TIME", rf"{_MONTH}\.? [0-9]{{1,2}}(?:st|nd|rd|th)?,? ?{_YEAR}", 0.6, at=_MONTHS),
    Row("DATE_TIME", _ANY_DATE, 0.9, after=_BIRTH_LABELS),
    # -- network ----------------------------------------------------------------------------------------
    Row("IP_ADDRESS", rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}(?!\.?[0-9])(?:/(?:3[0-2]|[12]?[0-9])(?![0-9]))?", 0.9, source="RFC 791", lead=(1, 2, 3)),
    Row("MAC_ADDRESS", r"[0-9A-Fa-f]{2}([:\-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}(?:(?:\1[0-9A-Fa-f]{2}){2})?(?![:\-][0-9A-Fa-f])", 0.9, source="IEEE 802-2014, 8.1", lead=(0, 1, 2)),
    Row("MAC_ADDRESS", r"[0-9A-Fa-f]{2}([:\-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}|[0-9A-Fa-f]{12}", 0.9, after=("mac", "mac address", "hwaddr", "lladdr", "physical address", "物理地址", "mac地址"), source="IEEE 802-2014, 8.1"),
    Row("MAC_ADDRESS", r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?!\.)", 0.7, lead=range(5)),
    Row("IP_ADDRESS", r"[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){1,6}(?::[0-9]{1,3}(?:\.[0-9]{1,3}){3}|(?<=:)[0-9]{1,3}(?:\.[0-9]{1,3}){3})?", 0.9, checks.ipv6_length, source="RFC 4291", lead=range(5)),
    # -- mainland China ---------------------------------------------------------------------------------
    Row("CN_RESIDENT_ID", r"[1-9][0-9]{5}[ \-]{0,2}(?:18|19|20)[0-9]{2}[ \-]?(?:0[1-9]|1[0-2])[ \-]?(?:0[1-9]|[12][0-9]|3[01])[ \-]{0,2}[0-9]{3}[ \-]?[0-9Xx]", 0.99, checks.cn_resident_length, source="GB 11643-1999", lead=(6, 10, 12, 14, 17, 18)),
    Row("CN_RESIDENT_ID", r"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]", 0.6, checks.cn_resident_form_length, lead=(17, 18)),
    Row("CN_USCC", r"[0-9A-HJ-NPQRTUWXYa-hj-npqrtuwxy]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXYa-hj-npqrtuwxy]{10}", 0.95, checks.uscc_length, source="GB 32100-2015", lead=range(19)),
    # -- cards and accounts -----------------------------------------------------------------------------
    Row("CREDIT_CARD", r"[2-9][0-9]{11,18}", 0.95, checks.card_length, source="ISO/IEC 7812-1", lead=range(12, 20)),
    Row("CREDIT_CARD", r"[2-9][0-9]{3}[ .\-]{1,2}[0-9]{4}[ .\-]{1,2}[0-9]{4}[ .\-]{1,2}[0-9]{1,7}(?:[ .\-][0-9]{1,4}(?![.\-]?[0-9]))?|[2-9][0-9]{3}[ .\-]{1,2}[0-9]{6}[ .\-]{1,2}[0-9]{4,5}" r"|[2-9][0-9]{5}[ .\-]{1,2}[0-9]{6,13}(?:[ .\-]{1,2}[0-9]{1,4})?|[2-9][0-9]{4}[ .\-][0-9]{5}[ .\-][0-9]{5,6}(?:[ .\-][0-9]{1,4}(?![.\-]?[0-9]))?|[2-9][0-9]{7}[ .\-][0-9]{8}", 0.95, checks.card_length, source="ISO/IEC 7812-1", lead=(4, 5, 6, 8)),
    Row("CREDIT_CARD", r"[2-9](?<![0-9][ .\-][0-9])[ .\-]{1,2}[0-9](?:[ .\-]{1,2}[0-9]){10,17}", 0.9, checks.card_length, source="ISO/IEC 7812-1, one digit at a time", lead=(1,)),
    Row("CN_RESIDENT_ID", r"[1-9][0-9]{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}", 0.6, checks.cn_resident_form_length, lead=(15,)),
    Row("IMEI", r"(?:35|86|01|99)[0-9]{13}", 0.6, checks.imei_length, source="3GPP TS 23.003", lead=(15,)),
    Row("IMEI", r"[0-9]{2}-[0-9]{6}-[0-9]{6}-[0-9]", 0.9, checks.imei_length, source="3GPP TS 23.003", lead=(2,)),
    Row("IBAN", r"[A-Za-z]{2}[0-9]{2}(?:[ \-]?[0-9A-Za-z]{4}){2,7}(?:[ \-]?[0-9A-Za-z]{1,4})?", 0.98, checks.iban_length, source="ISO 13616-1", lead=(0,)),
    # -- numbers of persons -----------------------------------------------------------------------------
    Row("US_SSN", r"[0-8][0-9]{2}(?<!000)(?<!666)([ \-])(?!00)[0-9]{2}\1(?!0000)[0-9]{4}", 0.85, source="SSA, since 2011", lead=(3,)),
    Row("US_ITIN", r"9[0-9]{2}([ \-])(?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])\1[0-9]{4}", 0.85, source="IRS Publication 1915", lead=(3,)),
    Row("UK_NINO", r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]", 0.85, checks.nino_length, source="HMRC NIM39110", lead=(0,)),
    Row("UK_NINO", r"[0-9](?<=[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] [0-9])[0-9] ?[0-9]{2} ?[0-9]{2} ?[A-D]", 0.85, left=3, source="HMRC NIM39110", lead=(2, 4, 6)),
    Row("PASSPORT", r"[A-Z0-9][A-Z0-9<]{8}[0-9][A-Z<]{3}[0-9]{7}[MFX<][0-9]{7}[A-Z0-9<]{8,16}", 0.95, lead=range(11), source="ICAO Doc 9303-4 and -6, the second line of a machine-readable zone"),
    Row("HK_ID", r"[A-Z]{1,2}[0-9]{6}\([0-9A]\)", 0.95, checks.hk_id_length, source="HKSAR Immigration Department", lead=(0,)),
    Row("HK_ID", r"[A-Z]{1,2}[0-9]{6}（[0-9A]）", 0.95, checks.hk_id_length, lead=(0,)),
    Row("HK_ID", r"[A-Z]{1,2}[0-9]{6}[0-9A]", 0.6, checks.hk_id_length, lead=(0,)),
    Row("TW_ID", r"[A-Za-z][1289A-Da-d][0-9]{8}", 0.9, checks.tw_id_length, source="Ministry of the Interior, Taiwan", lead=(0,)),
    Row("MO_ID", r"[157][0-9]{6}[(（/][0-9][)）]?", 0.7, source="DSI, Macao", lead=(7,)),
    Row("PASSPORT", r"(?:E[A-HJ-NP-Z]?|G)(?:[0-9]{8}|(?<=[A-Z]{2})[0-9]{7})", 0.6, source="ICAO Doc 9303; Exit and Entry Administration, China", lead=(0,)),
    Row("LICENSE_PLATE", rf"[A-Z](?<=[{PROVINCE}][A-Z])[·• \-]?(?:{_PLATE_TAIL}{{6}}|{_PLATE_TAIL}{{5}}|{_PLATE_TAIL}{{4}}[港澳学警挂领试超])", 0.9, left=1, source="GA 36-2018", lead=(0,)),
    Row("LICENSE_PLATE", rf"[A-Z0-9](?<=[{PROVINCE}][A-Z][·•・. ][A-Z0-9]){_PLATE_TAIL}{{4,5}}", 0.9, left=3, source="GA 36-2018, behind a dot", lead=range(7)),
    Row("LICENSE_PLATE", rf"[{PROVINCE}][A-Z]{{6,7}}", 0.9, source="GA 36-2018, no digit in it"),
    # -- telephone --------------------------------------------------------------------------------------
    Row("PHONE", rf"[1-9](?<=\+[0-9])[0-9]{{0,2}}\)?(?:[ .\-]{{0,2}}(?!(?<= ){_ANOTHER})(?:[0-9]{{1,5}}+|\([0-9]{{1,5}}\))){{1,6}}(?:[ ,]{{0,2}}(?:ext|x|转)\.? ?[0-9]{{1,6}})?", 0.9, checks.international_phone_length, left=1, source="ITU-T E.123, E.164", lead=range(1, 16)),
    Row("PHONE", r"(?:0{0,2}86[ \-]{0,2})?1[3-9][0-9](?:[ .\-]?[0-9]{4}){2}(?:[\-转][0-9]{3,6})?", 0.9, source="MIIT numbering plan, 2017", lead=range(2, 16)),
    Row("PHONE", r"(?:0{0,2}86[ \-]{0,2})?1[3-9][0-9](?:[ .\-]?[0-9]{2,4}){2,4}", 0.7, checks.mainland_length, lead=range(2, 16)),
    Row("PHONE", r"1(?<![0-9][ .\-][0-9])[ \-][3-9](?:[ \-][0-9]){9}", 0.8, source="a mainland mobile, one digit at a time", lead=(1,)),
    Row("PHONE", r"00[1-9][0-9]{0,2}(?:[ .\-]?(?:[0-9]{1,5}|\([0-9]{1,5}\))){2,6}(?i:[ ,]{0,2}(?:ext|x)[. ]{0,2}[0-9]{1,6})?", 0.6, checks.international_phone_length, source="ITU-T E.164", lead=range(3, 18)),
    Row("PHONE", r"0(?:10|2[0-9]|[3-9][0-9]{2})[)）]?[ \-]{0,2}[1-9][0-9]{2,3}[ \-]?[0-9]{4}(?:(?:-|[ ,\-]{0,2}(?:转|ext|x|分机)\.? ?)[0-9]{1,6})?", 0.6, source="MIIT numbering plan, 2017", lead=(3, 4, 6, 7, 8, 10, 11, 12)),
    Row("PHONE", r"[48]00[ \-]?[0-9]{3,4}[ \-]?[0-9]{3,4}", 0.55, checks.ten_digits_length, lead=(3, 6, 7, 10, 11)),
    Row("PHONE", r"(?:1[ .\-]{0,2}\(?)?[2-9][0-9]{2}(?:\)[ .\-]{0,2}[2-9][0-9]{2}[ .\-]{0,2}|[ .\-/]{1,2}[2-9][0-9]{2}[ .\-]{1,2})[0-9]{4}" r"(?:[ ,]{0,2}(?i:extension|ext|x|#)[. :]{0,2}[0-9]{1,6})?", 0.8, source="ATIS-0300055, NANP", lead=(1, 3, 4)),
    Row("PHONE", r"[0-9]{3}[ .\-][0-9]{3}[ .\-][0-9]{4}(?i:[ ,]{0,2}(?:ext|x)[. ]{0,2}[0-9]{1,6})?", 0.6, checks.phone_length, lead=(3,)),
    Row("PHONE", r"0[1-9]-[0-9]{8}|[0-9]{2,3}\)[ \-]?[0-9]{3,4}[ \-][0-9]{3,4}(?:[ \-][0-9]{3,4})?", 0.55, checks.phone_length, source="ITU-T E.123", lead=(2, 3)),
    Row("PHONE", r"(?!2147483647|4294967295|2147483648)(?:1[ .\-]?)?[2-9][0-9]{2}[2-9][0-9]{6}(?i:[ ,]{0,2}(?:extension|ext|x)[. :]{0,2}[0-9]{1,6})?", 0.5, source="ATIS-0300055, NANP", lead=(1, 10, 11)),
    Row("PHONE", r"(?:001|1)[\-. ](?:[2-9][0-9]{2}[\-. ]){2}[0-9]{4}(?i:[ ,]{0,2}(?:ext|x)[. ]{0,2}[0-9]{1,6})?", 0.85, lead=(1, 3)),
    Row("PHONE", r"09[0-9]{2}[ \-]?[0-9]{3}[ \-]?[0-9]{3}", 0.6, source="NCC, Taiwan", lead=(4, 7, 10)),
    Row("PHONE", r"0[1-9][0-9]{0,4}\)?[ \-./](?:\(0\))?[0-9]{2,5}(?:[ \-.][0-9]{2,5}){1,3}|0[1-9][0-9]{1,4}[ \-./][0-9]{5,8}|0[1-9](?:[ .][0-9]{2}){4}", 0.55, checks.phone_length, source="national forms with a trunk prefix, ITU-T E.123", lead=range(2, 7)),
    # -- wallets ----------------------------------------------------------------------------------------
    Row("CRYPTO_WALLET", r"0x[0-9A-Fa-f]{40}", 0.95, source="ERC-55 (form; its case is not verified)", lead=(1,)),
    Row("CRYPTO_WALLET", r"[13LMDTA][1-9A-HJ-NP-Za-km-z]{25,34}", 0.97, checks.base58_length, source="Base58Check", lead=range(12)),
    Row("CRYPTO_WALLET", r"(?i:bc|tb|ltc)1[02-9ac-hj-np-zAC-HJ-NP-Z]{11,87}", 0.97, checks.bech32_length, source="BIP 173, BIP 350", lead=(0,)),
    # -- secrets without a label ------------------------------------------------------------------------
    Row("SECRET", r"[0-9]{8,10}:AA[A-Za-z0-9_\-]{32,35}", 0.95, source="Telegram Bot API", lead=(8, 9, 10)),
    Row("SECRET", r"[MNO][A-Za-z0-9_\-]{23,27}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,40}", 0.9, source="Discord bot token", lead=(0,)),
    Row("SECRET", r"(?:AC|SK)[0-9a-f]{32}", 0.8, source="Twilio", lead=(0,)),
    Row("SECRET", r"[0-9a-f]{32}-us[0-9]{1,2}", 0.9, source="Mailchimp", lead=range(33)),
    Row("SECRET", r"[A-Za-z0-9](?<![A-Za-z0-9_\-+/][A-Za-z0-9])(?:[A-Za-z0-9_\-]++|[+/](?=[A-Za-z0-9+/_=\-])){1,4096}+={0,2}", 0.6, checks.random_token_length, source="entropy", lead=range(40)),
    # -- secrets by their maker's prefix ----------------------------------------------------------------
    Row("SECRET", r"sk-[A-Za-z0-9_\-]{16,}+", 0.95, at=("sk-",), source="OpenAI, Anthropic, DeepSeek, OpenRouter"),
    Row("SECRET", r"[sr]k_(?:live|test)_[0-9A-Za-z]{10,}+", 0.97, at=("sk_live_", "sk_test_", "rk_live_", "rk_test_"), source="Stripe"),
    Row("SECRET", r"whsec_[A-Za-z0-9+/=]{16,}+", 0.95, at=("whsec_",), source="Stripe, Svix"),
    Row("SECRET", r"gh[pousr]_[A-Za-z0-9]{30,}+", 0.97, at=("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), source="GitHub"),
    Row("SECRET", r"github_pat_[A-Za-z0-9_]{40,}+", 0.97, at=("github_pat_",), source="GitHub"),
    Row("SECRET", r"gl(?:pat|dt|rt|ptt|ft|cbt|soat|agent|imt)-[A-Za-z0-9_\-.]{20,}+", 0.97, at=("glpat-", "gldt-", "glrt-", "glptt-", "glft-", "glcbt-", "glsoat-", "glagent-", "glimt-"), source="GitLab"),
    Row("SECRET", r"xox[abeoprsd]-[A-Za-z0-9\-%]{10,}+|xapp-[A-Za-z0-9\-]{20,}+", 0.97, at=("xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xoxd-", "xapp-"), source="Slack"),
    Row("SECRET", r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_\-]{10,}+", 0.97, at=("https://hooks.slack.com/",), source="Slack"),
    Row("SECRET", r"https://(?:discord|discordapp)\.com/api/webhooks/[0-9]++/[A-Za-z0-9_\-]++", 0.97, at=("https://discord.com/api/webhooks/", "https://discordapp.com/api/webhooks/"), source="Discord"),
    Row("SECRET", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}", 0.97, at=("akia", "asia", "abia", "acca"), source="AWS IAM"),
    Row("SECRET", r"AIza[A-Za-z0-9_\-]{35}", 0.97, at=("aiza",), source="Google Cloud"),
    Row("SECRET", r"ya29\.[A-Za-z0-9_\-]{20,}+|GOCSPX-[A-Za-z0-9_\-]{20,}+", 0.97, at=("ya29.", "gocspx-"), source="Google OAuth"),
    Row("SECRET", r"npm_[A-Za-z0-9]{30,}+|pypi-[A-Za-z0-9_\-]{40,}+|rubygems_[0-9a-f]{40,}+|dckr_pat_[A-Za-z0-9_\-]{20,}+", 0.97, at=("npm_", "pypi-", "rubygems_", "dckr_pat_"), source="package registries"),
    Row("SECRET", r"hf_[A-Za-z0-9]{30,}+|r8_[A-Za-z0-9]{30,}+|gsk_[A-Za-z0-9]{40,}+|xai-[A-Za-z0-9]{40,}+|pplx-[A-Za-z0-9]{40,}+|tvly-[A-Za-z0-9\-]{20,}+|nvapi-[A-Za-z0-9_\-]{40,}+|fw_[A-Za-z0-9]{20,}+|csk-[a-z0-9]{40,}+|jina_[A-Za-z0-9_\-]{40,}+", 0.95, at=("hf_", "r8_", "gsk_", "xai-", "pplx-", "tvly-", "nvapi-", "fw_", "csk-", "jina_"), source="model services"),
    Row("SECRET", r"SG\.[A-Za-z0-9_\-]{16,}+\.[A-Za-z0-9_\-]{16,}+", 0.97, at=("sg.",), source="SendGrid"),
    Row("SECRET", r"do[por]_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|sq0[a-z]{3}-[A-Za-z0-9_\-]{22,}+|EAAA[A-Za-z0-9_\-]{60}", 0.97, at=("dop_v1_", "doo_v1_", "dor_v1_", "shpat_", "shpca_", "shppa_", "shpss_", "sq0atp-", "sq0csp-", "sq0idp-", "eaaa"), source="DigitalOcean, Shopify, Square"),
    Row("SECRET", r"dapi[a-f0-9]{32}(?:-[0-9])?|lin_api_[A-Za-z0-9]{40}|(?:ntn_|secret_)[A-Za-z0-9]{40,}+|figd_[A-Za-z0-9_\-]{40,}+|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|hvs\.[A-Za-z0-9_\-]{24,}+|ATATT3[A-Za-z0-9_\-=]{100,}+|key-[0-9a-f]{32}|NRAK-[A-Z0-9]{27}|glc_[A-Za-z0-9+/=]{32,}+|sntrys_[A-Za-z0-9+/=_\-]{40,}+", 0.97, at=("dapi", "lin_api_", "ntn_", "secret_", "figd_", "pmak-", "hvs.", "atatt3", "key-", "nrak-", "glc_", "sntrys_"), source="Databricks, Linear, Notion, Figma, Postman, Vault, Atlassian, Mailgun, New Relic, Grafana, Sentry"),
    Row("SECRET", r"LTAI[A-Za-z0-9]{12,24}|AKID[A-Za-z0-9]{13,40}|AKLT[A-Za-z0-9_\-]{16,48}", 0.95, at=("ltai", "akid", "aklt"), source="Alibaba Cloud, Tencent Cloud, Volcengine"),
    Row("SECRET", r"AGE-SECRET-KEY-1[0-9A-Z]{58}|mqk1-[a-z2-7]{58}|mq-[A-Za-z0-9_\-]{40,}+", 0.99, at=("age-secret-key-1", "mqk1-", "mq-"), source="age; Masquerade"),
    Row("SECRET", r"eyJ[A-Za-z0-9_\-]{8,}+(?:\.[A-Za-z0-9_\-]*+){1,4}", 0.97, at=("eyj",), source="RFC 7519, RFC 7516"),
    Row("SECRET", r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:(?:[^\-]++|-(?!----))*+-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|(?:[A-Za-z0-9+/=\s\\:,.]++|-(?!----))*+)", 0.99, at=("-----begin",), source="RFC 7468, OpenSSH, RFC 9580"),
    Row("SECRET", r"(?i:bearer|basic) ([A-Za-z0-9_\-.~+/]{16,}+={0,2})", 0.9, at=("bearer ", "basic "), source="RFC 6750, RFC 7617"),
    Row("URL", r"www\.[A-Za-z0-9\-]{1,63}\.[!#-;=?-Z_a-z~|]{2,2048}+", 0.8, checks.url_length, at=("www.",), source="RFC 3986"),
    # -- secrets next to a label ------------------------------------------------------------------------
    Row("SECRET", rf"[0-9]{{3,4}}[ \-][0-9]{{3,4}}(?![0-9])|{_QUOTED}|{_UNQUOTED}", 0.9, checks.password_length, after=_PASSWORD_LABELS, gap="sign"),
    Row("SECRET", rf"[0-9]{{3,4}}[ \-][0-9]{{3,4}}(?![0-9])|{_QUOTED}|{_UNQUOTED}", 0.8, checks.spoken_password_length, after=_PASSWORD_LABELS, gap="spoken"),
    Row("SECRET", r"[!#-&(-+\--/0-:=?-~]{4,64}", 0.8, checks.spoken_password_length, after=("密码", "口令", "验证码", "动态码", "安全码"), gap="glued"),
    Row("SECRET", rf"(?!(?i:sha|md|utf|base|argon|v)-?[0-9]){_UNQUOTED}", 0.6, checks.labelled_secret_length, after=("password", "passwd", "passphrase", "passcode", "pwd"), gap="bare"),
    Row("SECRET", r"[A-Za-z0-9_\-./+=~]{12,512}+", 0.7, checks.labelled_secret_length, after=("api key", "api token", "access token", "access key", "secret key", "private key", "auth token"), gap="bare"),
    Row("SECRET", r"(?i:authorization)[\"']?[ \t]{0,2}[:=][ \t]{0,2}[\"']?(?i:token|api-?key|key|basic|bearer|digest|negotiate|hmac)[ \t]{1,2}([A-Za-z0-9_\-./+=~:,]{6,4096}+)", 0.9, at=("authorization",), source="RFC 9110, 11.6.2"),
    Row("SECRET", r"(?i:cookie)[\"']?: ?[\"']?((?:[^\s;=,\"']{1,64}=[^\s;\"']{0,4096}+(?:; ?)?){1,64}+)", 0.85, at=("cookie",), source="RFC 6265, 4.1 and 4.2"),
    Row("SECRET", r" (?:-u|--user) ?[\"']?([^\s:\"']{1,64}:[^\s\"'/]{1,256})", 0.85, at=(" -u ", " --user "), source="curl"),
    Row("SECRET", r"(?i:identified by)(?: password)? [\"']([^\"'\n]{1,256})[\"']", 0.9, at=("identified by",), source="SQL"),
    Row("SECRET", r"sshpass -p ?(?:'([^'\n]{1,256})'|\"([^\"\n]{1,256})\"|([^\s'\"]{1,256}))", 0.9, at=("sshpass -p",), source="sshpass"),
    Row("SECRET", r"[0-9]{3,4}", 0.8, after=("cvv", "cvc", "security code"), gap="bare"),
    Row("SECRET", r"[0-9]{4,8}", 0.7, after=("pin", "pin code", "otp", "2fa code", "login code", "sms code", "one-time code"), gap="bare"),
    Row("SECRET", r"[0-9]{4,8}(?= (?:is|as) your [A-Za-z0-9 \-]{0,32}(?i:code|password|otp|pin)(?![A-Za-z]))", 0.9, source="one-time codes", lead=range(4, 9)),
    Row("SECRET", r"[a-z]{3,8}(?: [a-z]{3,8}){11,23}", 0.9, after=("seed phrase", "recovery phrase", "secret phrase", "mnemonic", "助记词"), gap="sign", source="BIP 39"),
    Row("SECRET", r"[\u4e00-\u9fff]{1,8}[!-~]{2,32}+(?![\u4e00-\u9fff])", 0.7, after=("密码", "口令"), gap="sign"),
    Row("SECRET", _UNQUOTED, 0.85, checks.password_length, after=("--password", "--passwd", "--token", "--api-key", "--secret", "--access-token"), gap="space"),
    Row("SECRET", r"(?<=[\"'])[^\s\"'\\]{6,512}(?=[\"'])|[A-Za-z0-9_\-./+=~:|%#$!@^*]{6,4096}+", 0.85, checks.labelled_secret_length, after=_SECRET_LABELS, gap="sign"),
    Row("SECRET", r"[A-Za-z0-9_\-./+=~:|%]{8,4096}+", 0.8, checks.labelled_secret_length, after=_SECRET_LABELS, gap="spoken"),
    Row("SECRET", r"[A-Za-z0-9_\-./+=~]{8,512}", 0.8, checks.labelled_secret_length, after=("密钥", "秘钥", "令牌", "私钥", "授权码", "激活码"), gap="glued"),
    # -- numbers next to a label ------------------------------------------------------------------------
    Row("PHONE", r"\+?\(?[0-9][0-9() .\-]{5,20}[0-9](?:[ ,]{0,2}(?i:extension|ext|x|转|#)[. :]{0,2}[0-9]{1,6})?", 0.85, checks.phone_length, after=_PHONE_LABELS),
    Row("CREDIT_CARD", r"[0-9](?:[ .\-]{0,2}[0-9]){11,18}", 0.85, after=("card number", "credit card", "debit card", "card no", "cardnumber", "visa", "mastercard", "unionpay", "卡号", "银行卡", "信用卡", "储蓄卡", "借记卡", "card")),
    Row("BANK_ACCOUNT", r"[0-9](?:[ \-]?[0-9]){5,24}", 0.8, after=("account number", "account no", "account", "acct", "a/c", "bank account", "routing number", "routing", "sort code", "账号", "帐号", "账户", "帳號", "帳戶", "银行账号", "银行账户", "对公账户", "收款账号")),
    Row("BANK_ACCOUNT", r"[0-9]{2}-[0-9]{2}-[0-9]{2}", 0.8, after=("sort code", "sort-code")),
    Row("SWIFT", r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?", 0.9, checks.swift_length, after=("swift", "bic", "swift code", "swift/bic", "bic/swift", "swiftcode"), source="ISO 9362"),
    Row("PASSPORT", r"[A-Z]{1,2} [0-9]{6,7}|[A-Z](?=[A-Z0-9]{0,6}[0-9][A-Z0-9]{0,6}[0-9])[A-Z0-9]{8}|(?i:[A-Z]{0,3}[0-9]{6,9}[A-Z]?)", 0.85, after=("passport", "护照", "護照", "通行证", "回乡证", "台胞证", "travel document")),
    Row("DRIVER_LICENSE", r"(?i:[A-Z0-9](?:-?[A-Z0-9]| (?=[0-9])){4,21})", 0.85, checks.some_digits_length, after=("driver's license", "drivers license", "driver license", "driver’s license", "driving licence", "driving license", "driver's licence", "driver licence", "driverlicense", "driverslicense", "drivinglicence", "dl number", "dl no", "dl#", "license number", "licence number", "驾驶证", "驾照", "驾驶执照")),
    Row("DRIVER_LICENSE", r"[A-Z0-9]{8,18}", 0.8, checks.some_digits_length, after=("驾驶证", "驾照", "驾驶执照"), gap="glued"),
    Row("LICENSE_PLATE", r"(?i:[A-Z0-9](?:[ \-·]?[A-Z0-9]){2,8})", 0.8, checks.any_digit_length, after=("license plate", "licence plate", "number plate", "plate number", "registration plate", "plate", "vehicle registration", "车牌", "车牌号", "車牌")),
    Row("LICENSE_PLATE", rf"[{PROVINCE}][A-Z][· ]?{_PLATE_TAIL}{{4,6}}[港澳学警挂领试超]?", 0.95, after=("车牌", "车牌号", "号牌"), gap="glued"),
    Row("US_SSN", r"[0-9]{3}[ .\-]?[0-9]{2}[ .\-]?[0-9]{4}", 0.9, after=("ssn", "social security", "social security number", "socialsecurity", "social")),
    Row("US_ITIN", r"9[0-9]{2}[ \-]?[0-9]{2}[ \-]?[0-9]{4}", 0.9, after=("itin", "taxpayer", "tax id")),
    Row("UK_NINO", r"(?i:[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D])", 0.9, after=("national insurance", "nino", "ni number")),
    Row("IMEI", r"[0-9]{2}-?[0-9]{6}-?[0-9]{6}-?[0-9]{1,2}", 0.9, after=("imei", "设备号", "串号")),
    Row("CN_RESIDENT_ID", r"[0-9](?:[ \-]?[0-9]){16}[ \-]?[0-9Xx]|[0-9]{15}", 0.85, after=("身份证", "身份证号", "身份證", "证件号", "证件号码", "公民身份号码", "id card", "id number", "resident id", "identity card")),
    Row("HK_ID", r"(?i:[A-Z]{1,2}[0-9]{6} ?[(（]?[0-9A][)）]?)", 0.85, after=("hkid", "hong kong id", "hong kong identity", "香港身份证", "香港身份證", "身份證", "身份证")),
    Row("TW_ID", r"(?i:[A-Z][1289A-D][0-9]{8})", 0.85, after=("taiwan id", "台湾身份证", "台灣身分證", "身分證", "身份证", "统一编号", "統一編號", "居留证")),
    Row("MO_ID", r"[0-9]{7} ?[(（/]?[0-9][)）]?", 0.85, after=("macau id", "macao id", "bir", "澳门身份证", "澳門身份證", "澳门居民身份证")),
    Row("CN_USCC", r"(?i:[0-9A-Z]{18})", 0.85, after=("统一社会信用代码", "信用代码", "社会信用代码", "uscc", "纳税人识别号", "税号")),
    Row("CRYPTO_WALLET", r"[A-Za-z0-9]{26,90}", 0.8, checks.any_digit_length, after=("wallet", "wallet address", "btc", "eth", "solana", "usdt", "钱包", "钱包地址")),
    # -- names people give themselves -------------------------------------------------------------------
    Row("USERNAME", r"@?[A-Za-z_][A-Za-z0-9_.\-]{2,38}[A-Za-z0-9_]", 0.8, checks.password_length, after=("username", "user name", "user_name", "login", "login name", "handle", "screen name", "user id", "userid", "line id", "用户名", "登录名", "账号", "帐号", "昵称", "网名", "微博", "抖音", "抖音号", "小红书", "淘宝"), gap="sign"),
    Row("USERNAME", r"@?[A-Za-z_][A-Za-z0-9_.\-]{2,38}[A-Za-z0-9_]", 0.7, checks.spoken_password_length, after=("username", "user name", "handle", "wechat", "wechat id", "telegram", "login", "user id"), gap="spoken"),
    Row("USERNAME", r"@?[A-Za-z_][A-Za-z0-9_.\-]{2,38}[A-Za-z0-9_]", 0.7, checks.spoken_password_length, after=("wechat", "wechat id", "weixin", "telegram", "twitter", "instagram", "github", "skype", "discord", "snapchat", "tiktok", "weibo"), gap="sign"),
    Row("USERNAME", r"@?[A-Za-z][A-Za-z0-9_\-]{4,30}[A-Za-z0-9_]", 0.8, checks.password_length, after=("微信", "微信号", "weixin", "用户名", "登录名", "wxid", "vx", "加v", "v信", "薇信", "威信"), gap="glued"),
    Row("USERNAME", r"wxid_[A-Za-z0-9]{10,24}", 0.95, at=("wxid_",), source="WeChat"),
    Row("USERNAME", r"[1-9][0-9]{4,11}", 0.85, after=("qq", "qq号", "qq群", "扣扣", "企鹅号"), gap="glued"),
    Row("USERNAME", r"[1-9][0-9]{4,11}", 0.8, after=("qq", "user id", "user_id", "userid", "uid"), gap="sign"),
)
# fmt: on
"""Every row, most telling first: where several forms begin at one place, the first that passes its check wins."""


# E-mail addresses and URLs are found from what makes them ('@', '%40', '://'), outwards to both sides.
EMAIL_SIGNS = ("@", "%40")
EMAIL_DOMAIN = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,62})?\.){1,8}(?:xn--[A-Za-z0-9\-]{2,59}|[A-Za-z]{2,24})(?![A-Za-z0-9])"
)
EMAIL_LOCAL_CHARACTER = r"[A-Za-z0-9._%+\-'\u00c0-\u024f]"
EMAIL_LOCAL = EMAIL_LOCAL_CHARACTER + "{1,64}"
EMAIL_SCORE = 0.95
URL_REST = r"://[A-Za-z0-9\[%_.~\-:\u00c0-\u024f](?:[!#-;=?-Z_a-z~|\[\]\u00c0-\u024f]|(?<=[/=?&])[\u4e00-\u9fff]{1,64}){2,2048}+"
URL_SCORE = 0.8
URL_CREDENTIALS = r"://[^\s/?#@:]{0,128}:[^\s/?#@]{1,256}@"
CREDENTIALS_SCORE = 0.97

"""What three laws ask to be on record, as tables: which article, what it asks, and where the answer is.

Sources: Regulation (EU) 2016/679 (GDPR), article 30; California Civil Code, title 1.81.5 (CCPA, as amended by
the CPRA) and California Code of Regulations, title 11, section 7101; Personal Information Protection Law of
the People's Republic of China (PIPL), with GB/T 35273-2020, annex B, for what is sensitive.

A table is no legal advice: a kind says what a value looks like, not whose it is or what it is used for.
"""

from __future__ import annotations

from typing import NamedTuple


class Legal(NamedTuple):
    """Which categories a kind of value belongs to."""

    gdpr: str
    """A row of :data:`CATEGORIES`."""
    ccpa: str
    """The letter of Civil Code 1798.140(v)(1); empty: none, for it is not about a person."""
    sensitive: str
    """Where Civil Code 1798.140(ae)(1) lists it as sensitive; empty: nowhere. What stands under (B) is so
    only together with the code or password that opens the account."""
    pipl: bool
    """Whether GB/T 35273-2020, annex B, names it among sensitive personal information."""


CATEGORIES: dict[str, tuple[str, str]] = {
    "name": ("names", "姓名"),
    "contact": ("contact details", "联系方式"),
    "place": ("places and addresses", "地点与地址"),
    "time": ("dates", "日期"),
    "organisation": ("organisations a person may belong to", "可能与个人相关的机构"),
    "online": ("online and device identifiers", "网络与设备标识"),
    "account": ("user names and credentials", "账号与凭证"),
    "money": ("bank and payment data", "银行与支付信息"),
    "number": ("national identification numbers and documents (GDPR art. 87)", "身份证件号码"),
    "vehicle": ("vehicle identifiers", "车辆标识"),
    "own": ("kinds that the policy defines", "策略自定义的类别"),
}
"""Categories of personal data (GDPR article 30(1)(c)) in English and Chinese."""

LEGAL: dict[str, Legal] = {
    "PERSON": Legal("name", "A", "", False),
    "LOCATION": Legal("place", "A", "", False),
    "ORGANIZATION": Legal("organisation", "I", "", False),
    "ADDRESS": Legal("place", "A", "", False),
    "DATE_TIME": Legal("time", "B", "", False),
    "PHONE": Legal("contact", "B", "", False),
    "EMAIL": Legal("contact", "A", "", False),
    "URL": Legal("online", "F", "", False),
    "IP_ADDRESS": Legal("online", "A", "", False),
    "MAC_ADDRESS": Legal("online", "A", "", False),
    "CREDIT_CARD": Legal("money", "B", "(B)", True),
    "BANK_ACCOUNT": Legal("money", "B", "(B)", True),
    "IBAN": Legal("money", "B", "(B)", True),
    "SWIFT": Legal("money", "", "", False),
    "CRYPTO_WALLET": Legal("money", "B", "", True),
    "CN_RESIDENT_ID": Legal("number", "A", "", True),
    "CN_USCC": Legal("organisation", "", "", False),
    "HK_ID": Legal("number", "A", "", True),
    "TW_ID": Legal("number", "A", "", True),
    "MO_ID": Legal("number", "A", "", True),
    "PASSPORT": Legal("number", "A", "(A)", True),
    "DRIVER_LICENSE": Legal("number", "A", "(A)", True),
    "LICENSE_PLATE": Legal("vehicle", "A", "", False),
    "US_SSN": Legal("number", "A", "(A)", True),
    "US_ITIN": Legal("number", "A", "", True),
    "UK_NINO": Legal("number", "A", "", True),
    "IMEI": Legal("online", "A", "", False),
    "USERNAME": Legal("account", "A", "", False),
    "SECRET": Legal("account", "L", "(B)", True),
}
"""Every built-in kind. A kind of a policy's own belongs where its maker says: here, nowhere."""

CCPA: dict[str, tuple[str, str]] = {
    "A": ("identifiers", "标识符"),
    "B": ("customer records (Civil Code 1798.80(e))", "客户记录"),
    "F": ("internet or other electronic network activity", "互联网或其他电子网络活动"),
    "I": ("professional or employment-related information", "职业或雇佣信息"),
    "L": ("sensitive personal information", "敏感个人信息"),
}
"""Categories of Civil Code 1798.140(v)(1) that a kind may belong to."""

EEA = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK".split()
)
"""Between these the GDPR knows no transfer to a third country (Agreement on the European Economic Area)."""


class Item(NamedTuple):
    """One thing that has to be on record."""

    article: str
    asks: tuple[str, str]
    """In English and Chinese."""
    says: str = ""
    """The key of the ``[record]`` table that answers it; empty: none does."""
    knows: str = ""
    """What of the journal answers it, by name; empty: nothing does."""
    optional: bool = False
    """Whether the law asks for it only where there is such a thing."""


_CONTROLLER = (
    Item("30(1)(a)", ("controller", "控制者"), "controller"),
    Item("30(1)(a)", ("contact details of the controller", "控制者的联系方式"), "contact"),
    Item("30(1)(a)", ("joint controllers", "共同控制者"), "joint_controllers", optional=True),
    Item("30(1)(a)", ("representative", "代表"), "representative", optional=True),
    Item("30(1)(a)", ("data protection officer", "数据保护官"), "officer", optional=True),
    Item("30(1)(b)", ("purposes of the processing", "处理目的"), "purposes"),
    Item("30(1)(c)", ("categories of data subjects", "数据主体的类别"), "subjects"),
    Item("30(1)(c)", ("categories of personal data", "个人数据的类别"), "", "categories"),
    Item("30(1)(d)", ("categories of recipients", "接收者"), "", "recipients"),
    Item("30(1)(e)", ("transfers to third countries, and safeguards", "向第三国的传输与保障措施"), "", "transfers"),
    Item("30(1)(f)", ("time limits for erasure", "删除期限"), "retention"),
    Item("30(1)(g)", ("technical and organisational security measures", "技术与组织安全措施"), "measures", "measures"),
)  # fmt: skip

_PROCESSOR = (
    Item("30(2)(a)", ("processor", "处理者"), "controller"),
    Item("30(2)(a)", ("contact details of the processor", "处理者的联系方式"), "contact"),
    Item("30(2)(a)", ("controllers on behalf of which it acts", "所代表的控制者"), "on_behalf_of"),
    Item("30(2)(a)", ("representative", "代表"), "representative", optional=True),
    Item("30(2)(a)", ("data protection officer", "数据保护官"), "officer", optional=True),
    Item("30(2)(b)", ("categories of processing for each controller", "为各控制者进行的处理类别"), "purposes", "categories"),
    Item("30(2)(c)", ("transfers to third countries, and safeguards", "向第三国的传输与保障措施"), "", "transfers"),
    Item("30(2)(d)", ("technical and organisational security measures", "技术与组织安全措施"), "measures", "measures"),
)  # fmt: skip

_CALIFORNIA = (
    Item("1798.130(a)(5)(B), 1798.110(c)", ("categories of personal information collected", "收集的个人信息类别"), "", "collected"),
    Item("1798.130(a)(5)(C), 1798.115", ("categories disclosed for a business purpose, and to whom", "为业务目的披露的类别及接收方"), "", "disclosed"),
    Item("1798.140(e)", ("business purposes of the disclosure", "披露的业务目的"), "business_purposes"),
    Item("1798.130(a)(5)(C)", ("categories sold or shared", "出售或共享的类别"), "sold_or_shared"),
    Item("1798.100(a)(2), 1798.140(ae)", ("sensitive personal information collected", "收集的敏感个人信息"), "", "sensitive"),
    Item("1798.100(a)(3)", ("how long each category is kept", "各类别的保存期限"), "retention"),
    Item("1798.100(d)", ("contract with each service provider or contractor", "与服务提供者或承包商的合同"), "", "contracts"),
    Item("1798.100(e)", ("reasonable security procedures and practices", "合理的安全程序与做法"), "measures", "measures"),
    Item("1798.105", ("deletions that were carried out", "已执行的删除"), "", "erasures"),
    Item(
        "11 CCR 7101(a), (b)",
        (
            "records of consumer requests for 24 months: date, nature and manner of each request; date and "
            "nature of the response; basis of a denial",
            "消费者请求记录（保存24个月）：请求的日期、性质与方式；答复的日期与性质；拒绝的依据",
        ),
        "requests",
        "erasures",
    ),
)  # fmt: skip

_CHINA = (
    Item("55(1), 28", ("sensitive personal information: an assessment is due", "处理敏感个人信息，应事前评估"), "", "sensitive_cn"),
    Item("55(2), 24", ("automated decision-making", "自动化决策"), "automated_decisions"),
    Item("55(3), 21, 23", ("entrusted processing, or provision to other processors", "委托处理，或向其他处理者提供"), "", "recipients"),
    Item("55(4), 38-40", ("provision abroad, and on which of the conditions of article 38", "向境外提供及其所依据的第三十八条条件"), "", "abroad"),
    Item("56(1)", ("whether purpose and means are lawful, legitimate and necessary", "处理目的、处理方式等是否合法、正当、必要"), "necessity"),
    Item("56(2)", ("influence on the rights of individuals, and risks", "对个人权益的影响及安全风险"), "risks"),
    Item("56(3)", ("whether protection is lawful, effective and fits the risk", "所采取的保护措施是否合法、有效并与风险程度相适应"), "measures", "measures"),
    Item("56", ("assessment report and records of processing, kept for at least three years", "评估报告和处理情况记录至少保存三年"), "impact_assessment", "span"),
    Item("29", ("separate consent to the processing of sensitive personal information", "处理敏感个人信息的单独同意"), "consent_sensitive"),
    Item("23", ("separate consent to the provision to other processors", "向其他处理者提供的单独同意"), "consent_provision"),
    Item("39", ("separate consent to the provision abroad", "向境外提供的单独同意"), "consent_abroad"),
    Item("17, 19", ("purposes, and the shortest necessary time of keeping", "处理目的与实现目的所必要的最短保存期限"), "retention"),
    Item("47", ("erasures that were carried out", "已执行的删除"), "", "erasures"),
    Item("51", ("security measures: classification, encryption, de-identification, access", "安全措施：分类管理、加密、去标识化、权限"), "measures", "measures"),
    Item("52", ("person in charge of personal information protection", "个人信息保护负责人"), "officer", optional=True),
    Item("53", ("representative in China of a processor abroad", "境外处理者的境内代表"), "representative_cn", optional=True),
    Item("54", ("compliance audits", "合规审计"), "audits"),
)  # fmt: skip

LAWS: dict[str, tuple[tuple[str, str], tuple[Item, ...]]] = {
    "gdpr_controller": (("GDPR, article 30(1): record of processing activities", "GDPR 第30条第1款：处理活动记录"), _CONTROLLER),
    "gdpr_processor": (("GDPR, article 30(2): record of a processor", "GDPR 第30条第2款：处理者的记录"), _PROCESSOR),
    "ccpa": (("CCPA and CPRA: categories, disclosures, requests", "CCPA 与 CPRA：类别、披露、请求"), _CALIFORNIA),
    "pipl": (("PIPL, articles 54 to 56: impact assessment and records", "《个人信息保护法》第五十四至五十六条：影响评估与处理情况记录"), _CHINA),
}  # fmt: skip
"""Each record: its heading in English and Chinese, and what has to stand in it."""

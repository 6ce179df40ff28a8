"""The contestants: Masquerade and its peers, each behind the same three calls.

A peer is used as its own documentation says, at its best for this field: one configuration for English and
Chinese together, values replaced whole. What is not installed says so; nothing is imported before it is asked for.
"""
# ruff: noqa: E501  (tables)

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from common import version

Restore = Callable[[str], str]


class Finding(NamedTuple):
    """What a tool says it found: characters from ``start`` to ``end``, under its own name for it."""

    start: int
    end: int
    label: str


class Contestant:
    """One tool. ``mask`` replaces, ``find`` tells, ``mask_and_restore`` is there where the tool can undo."""

    name = ""
    package = ""
    labels: ClassVar[dict[str, tuple[str, ...]]] = {}
    """The tool's own labels, and the kinds that each can stand for."""
    can_restore = False

    def mask(self, text: str) -> str:
        raise NotImplementedError

    def mask_and_restore(self, text: str) -> str:
        raise NotImplementedError

    def find(self, text: str) -> list[Finding]:
        raise NotImplementedError


class Masquerade(Contestant):
    """Rules alone, as the peers here have no names: tokens, and cards and secrets redacted."""

    name = "Masquerade"
    package = "masquerade"
    can_restore = True

    def __init__(self) -> None:
        from masquerade import Key, Masker, Policy

        self.masker = Masker(Key.generate(), Policy.parse('version = 1\n[finder]\nuse = "rules"\n'))

    def mask(self, text: str) -> str:
        return self.masker.mask(text).text

    def mask_and_restore(self, text: str) -> str:
        masked = self.masker.mask(text)
        return masked.restore(masked.text)

    def find(self, text: str) -> list[Finding]:
        return [Finding(span.start, span.end, span.kind) for span in self.masker.find(text)]


class Presidio(Contestant):
    """Pattern recognisers that it enables for English, over a blank spaCy pipeline: no name model."""

    name = "Presidio, patterns"
    package = "presidio-analyzer"
    all_recognizers = False
    labels: ClassVar[dict[str, tuple[str, ...]]] = {
        "EMAIL_ADDRESS": ("EMAIL",), "PHONE_NUMBER": ("PHONE",), "URL": ("URL",), "IP_ADDRESS": ("IP_ADDRESS",), "MAC_ADDRESS": ("MAC_ADDRESS",),
        "CREDIT_CARD": ("CREDIT_CARD",), "US_BANK_NUMBER": ("BANK_ACCOUNT",), "ABA_ROUTING_NUMBER": ("BANK_ACCOUNT",), "IBAN_CODE": ("IBAN",),
        "CRYPTO": ("CRYPTO_WALLET",), "DATE_TIME": ("DATE_TIME",), "US_PASSPORT": ("PASSPORT",), "UK_PASSPORT": ("PASSPORT",), "IN_PASSPORT": ("PASSPORT",),
        "DE_PASSPORT": ("PASSPORT",), "ES_PASSPORT": ("PASSPORT",), "IT_PASSPORT": ("PASSPORT",), "PH_PASSPORT": ("PASSPORT",), "US_DRIVER_LICENSE": ("DRIVER_LICENSE",),
        "UK_DRIVING_LICENCE": ("DRIVER_LICENSE",), "US_SSN": ("US_SSN",), "US_ITIN": ("US_ITIN",), "UK_NINO": ("UK_NINO",),
        "UK_VEHICLE_REGISTRATION": ("LICENSE_PLATE",), "IN_VEHICLE_REGISTRATION": ("LICENSE_PLATE",), "ZA_LICENSE_PLATE": ("LICENSE_PLATE",),
        "NG_VEHICLE_REGISTRATION": ("LICENSE_PLATE",),
    }  # fmt: skip

    def __init__(self) -> None:
        import logging

        logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
        keep_tldextract_offline()
        import spacy
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import SpacyNlpEngine
        from presidio_anonymizer import AnonymizerEngine

        blank = spacy.blank("en")

        @spacy.Language.component("lower_case_lemmas")
        def lower_case_lemmas(document: Any) -> Any:  # so that its context words work without a model
            for token in document:
                token.lemma_ = token.lower_
            return document

        blank.add_pipe("lower_case_lemmas")
        blank.max_length = 1 << 24

        class Blank(SpacyNlpEngine):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
                self.nlp = {"en": blank}

        registry = RecognizerRegistry()
        registry.load_predefined_recognizers(languages=["en"])
        if self.all_recognizers:
            _add_all_recognizers(registry)
        registry.recognizers = [r for r in registry.recognizers if "Spacy" not in r.name]
        self._analyzer = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])
        self._anonymizer = AnonymizerEngine()

    def mask(self, text: str) -> str:
        found = self._analyzer.analyze(text, language="en")
        return str(self._anonymizer.anonymize(text, found).text)

    def find(self, text: str) -> list[Finding]:
        found = self._analyzer.analyze(text, language="en")
        return [Finding(span.start, span.end, span.entity_type) for span in found]


class PresidioAll(Presidio):
    """The same with every pattern recogniser of every country that works on English, also those off by default."""

    name = "Presidio, all on"
    all_recognizers = True


def keep_tldextract_offline() -> None:
    """Presidio checks e-mail domains with tldextract, which fetches a list at first use: use its built-in one."""
    import tldextract

    extractor = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    extractor("example.com")
    tldextract.tldextract.TLD_EXTRACTOR = extractor


def _add_all_recognizers(registry: Any) -> None:
    import inspect

    import presidio_analyzer.predefined_recognizers as predefined
    from presidio_analyzer import PatternRecognizer

    there = {type(recognizer) for recognizer in registry.recognizers}
    for _, kind in inspect.getmembers(predefined, inspect.isclass):
        if issubclass(kind, PatternRecognizer) and kind is not PatternRecognizer and kind not in there:
            try:
                registry.add_recognizer(kind(supported_language="en"))
            except (TypeError, ValueError):
                continue


class Datafog(Contestant):
    """Its default detectors; redaction to ``[KIND]``."""

    name = "datafog-core"
    package = "datafog-core"
    scan: ClassVar[dict[str, Any]] = {}
    labels: ClassVar[dict[str, tuple[str, ...]]] = {
        "EMAIL": ("EMAIL",), "PHONE": ("PHONE",), "SSN": ("US_SSN", "US_ITIN"), "CREDIT_CARD": ("CREDIT_CARD",), "IP_ADDRESS": ("IP_ADDRESS",),
        "DATE": ("DATE_TIME",), "JWT": ("SECRET",), "API_KEY": ("SECRET",), "BEARER_TOKEN": ("SECRET",), "CREDENTIAL_URI": ("SECRET",),
        "PRIVATE_KEY": ("SECRET",), "US_ROUTING_NUMBER": ("BANK_ACCOUNT",), "DE_IBAN": ("IBAN",), "DE_PASSPORT_NUMBER": ("PASSPORT",),
    }  # fmt: skip

    def __init__(self) -> None:
        import datafog_core

        self._core = datafog_core
        self._config = {"scan": self.scan, "transform": {"default": {"strategy": "redact"}}}

    def mask(self, text: str) -> str:
        return str(self._core.scan_and_transform(text, self._config).text)

    def find(self, text: str) -> list[Finding]:
        found = self._core.scan(text, self.scan)
        return [Finding(f.codepoint_range.start, f.codepoint_range.end, f.entity_type) for f in found]


class DatafogAll(Datafog):
    """The same with its German locale, the only one that adds detectors."""

    name = "datafog-core, all on"
    scan: ClassVar[dict[str, Any]] = {"locale": "de"}


class Argus(Contestant):
    """Fast mode for Chinese and English; types that it would show in part are replaced whole."""

    name = "argus-redact"
    package = "argus-redact"
    can_restore = True
    languages = ("zh", "en")
    labels: ClassVar[dict[str, tuple[str, ...]]] = {
        "phone": ("PHONE",), "phone_landline": ("PHONE",), "email": ("EMAIL",), "url": ("URL",), "url_token": ("SECRET", "URL"), "ip_address": ("IP_ADDRESS",),
        "mac_address": ("MAC_ADDRESS",), "bank_card": ("CREDIT_CARD", "BANK_ACCOUNT"), "credit_card": ("CREDIT_CARD",), "iban": ("IBAN",), "imei": ("IMEI",),
        "id_number": ("CN_RESIDENT_ID",), "hk_id": ("HK_ID",), "tw_id": ("TW_ID",), "macau_id": ("MO_ID",), "taiwan_arc": ("TW_ID",), "eep": ("PASSPORT",), "hrp": ("PASSPORT",),
        "passport": ("PASSPORT",), "us_passport": ("PASSPORT",), "license_plate": ("LICENSE_PLATE",), "credit_code": ("CN_USCC",), "qq": ("USERNAME",), "wechat": ("USERNAME",),
        "date": ("DATE_TIME",), "date_of_birth": ("DATE_TIME",), "ssn": ("US_SSN",), "itin": ("US_ITIN",), "nino": ("UK_NINO",), "openai_api_key": ("SECRET",),
        "anthropic_api_key": ("SECRET",), "aws_access_key": ("SECRET",), "github_token": ("SECRET",), "jwt": ("SECRET",), "ssh_private_key": ("SECRET",),
    }  # fmt: skip

    def __init__(self) -> None:
        import argus_redact

        self._argus = argus_redact
        self._languages = list(self.languages)
        shown_in_part = (
            "phone",
            "phone_landline",
            "email",
            "bank_card",
            "credit_card",
            "ip_address",
            "mac_address",
        )
        self._config = {name: {"strategy": "remove"} for name in shown_in_part}

    def mask(self, text: str) -> str:
        return str(self._argus.redact(text, lang=self._languages, config=self._config)[0])

    def mask_and_restore(self, text: str) -> str:
        masked, key = self._argus.redact(text, lang=self._languages, config=self._config)
        return str(self._argus.restore(masked, key, guard=False))

    def find(self, text: str) -> list[Finding]:
        details = self._argus.redact(text, lang=self._languages, config=self._config, detailed=True)[2]
        return [Finding(e["start"], e["end"], e["type"]) for e in details["entities"]]


class ArgusAll(Argus):
    """The same with every language pack."""

    name = "argus-redact, all on"
    languages = ("zh", "en", "uk", "de", "ja", "ko", "in", "br")


CONTESTANTS: tuple[type[Contestant], ...] = (Masquerade, Presidio, Datafog, Argus)
"""As they come: for speed, start-up, memory and recall."""
AT_THEIR_BEST: tuple[type[Contestant], ...] = (Masquerade, PresidioAll, DatafogAll, ArgusAll)
"""With everything switched on that finds more kinds: for the table of kinds."""


def installed(contestant: type[Contestant]) -> str | None:
    """The version of the contestant's package, or None."""
    return version(contestant.package)

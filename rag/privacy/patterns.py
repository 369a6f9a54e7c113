"""Presidio recognizers of values with a form.

Presidio's own where they are precise; ours where they are not, where they would ask the network (its e-mail
recognizer looks up a suffix list) or where a hostile text makes them slow.
"""

import re
from collections.abc import Iterable, Iterator

import phonenumbers
from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    IbanRecognizer,
    IpRecognizer,
    NhsRecognizer,
    UkNinoRecognizer,
    UsSsnRecognizer,
)

from rag.privacy.faces import PHONE_REGIONS
from rag.privacy.forms import FORMS, customer_forms, employee_forms
from rag.privacy.national import NationalRecognizer
from rag.settings import PrivacySettings

_MAIL_LEFT = re.compile(r"[\w.+%'-]{1,128}\Z")
_MAIL_RIGHT = re.compile(r"@[^\W_][\w-]{0,62}(?:\.[^\W_][\w-]{0,62}){1,8}")
_NUMBER = re.compile(
    r"(?<![\w.,/#-])(?:\+|00)?[ ]?\(?\d[\d .()/\u00a0\u2010-\u2013-]{4,24}\d"
    r"(?:[ ,]{0,2}(?:x|ext\.?)[ ]?\d{1,6})?(?![\w@])"
)
_PHONE_LABEL = re.compile(
    r"(?:phone|telephone|tel|mobile|mob|cell|fax|call|dial|ring|whatsapp|hotline|reach|handy|telefon|contact|sms"
    r"|(?:my|his|her|our|their|your) number)"
    r"[\w ]{0,12}[.:)*|]{0,3}[ ]{0,3}(?:(?:me|him|her|them|us) )?(?:(?:on|at|is) )?\Z",
    re.IGNORECASE,
)
_PHONE_SHAPE = re.compile(
    r"(?:1[ .-])?(?:\(\d{3}\)[ .-]?|\d{3}[ .-])\d{3}[ .-]\d{4}|\(?0\d{2,5}\)?[ -]\d{3,4}[ -]?\d{3,4}|07\d{9}"
)
_EXTENSION = re.compile(r"[ ,]{0,2}(?:x|ext).*\Z")
_PHONE_IN_ROW = re.compile(rf"(?<!\d)(?<!\d[ .-])(?:{_PHONE_SHAPE.pattern})(?!\d)")
_PHONE_ANYWHERE = re.compile(
    r"(?<!\d)(?<!\d[ .-])(?:\+?1[ .-])?(?:\(\d{3}\)[ .-]?|\d{3}[.-])\d{3}[.-]\d{4}(?:[ ]?x\d{1,6})?(?!\d)"
)
"""So usual a form that what stands around it does not matter."""
_PHONE_TOLD = re.compile(
    r"(?<![\w+])[+(]?\d[\d .()-]{4,18}\d(?:x\d{1,6})?(?=[ -]{0,2}\(?(?:office|fax|mobile|cell|direct)\b)", re.IGNORECASE
)
_DATE_LIKE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?![\d./-])")
_VALID_IN = (*PHONE_REGIONS, "CH", "AT", "BE", "SE", "FI", "GR", "HU", "JP", "NZ", "ZA")
"""Where a number without country code may be from, if it begins like one that is dialled from elsewhere there."""


class FormRecognizer(EntityRecognizer):  # type: ignore[misc] # Presidio's types are not followed
    """All of `forms`, with the employee and customer numbers of this company."""

    def __init__(self, settings: PrivacySettings) -> None:
        self._forms = (
            *FORMS,
            *employee_forms(settings.employee_id_pattern),
            *customer_forms(settings.customer_id_pattern),
        )
        super().__init__(supported_entities=sorted({form.entity for form in self._forms}), supported_language="en")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: object = None) -> list[RecognizerResult]:
        return list(self._find(text))

    def _find(self, text: str) -> Iterator[RecognizerResult]:
        folded = text.casefold()
        for form in self._forms:
            if form.hints and not any(hint in folded for hint in form.hints):
                continue
            for pattern in form.patterns:
                group: str | int = "value" if "value" in pattern.groupindex else 0
                for found in pattern.finditer(text):
                    if form.accept(found[group]):
                        yield RecognizerResult(form.entity, found.start(group), found.end(group), form.score)


class MailRecognizer(EntityRecognizer):  # type: ignore[misc] # Presidio's types are not followed
    """E-mail addresses of any domain, `.example` and `.local` too: what looks like an address is one."""

    def __init__(self) -> None:
        super().__init__(supported_entities=["EMAIL_ADDRESS"], supported_language="en")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: object = None) -> list[RecognizerResult]:
        results = []
        for right in _MAIL_RIGHT.finditer(text):
            left = _MAIL_LEFT.search(text[max(0, right.start() - 128) : right.start()])
            local = left[0].lstrip(".'-%") if left else ""
            if local:
                results.append(RecognizerResult("EMAIL_ADDRESS", right.start() - len(local), right.end(), 1.0))
        return results


class TelephoneRecognizer(EntityRecognizer):  # type: ignore[misc] # Presidio's types are not followed
    """Numbers with a country code, with a word like `mobile` in front, in a usual form, or valid in a region."""

    def __init__(self) -> None:
        super().__init__(supported_entities=["PHONE_NUMBER"], supported_language="en")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: object = None) -> list[RecognizerResult]:
        return [RecognizerResult("PHONE_NUMBER", start, end, 0.75) for start, end in _phones(text)]


def _phones(text: str) -> Iterator[tuple[int, int]]:
    for pattern in (_PHONE_ANYWHERE, _PHONE_TOLD):
        yield from (found.span() for found in pattern.finditer(text))
    for match in _NUMBER.finditer(text):
        number = match[0].lstrip()
        if number.startswith("(") and ")" not in number:
            number = number[1:]
        start = match.end() - len(number)
        if _is_phone(number, text[max(0, start - 32) : start]):
            yield start, match.end()
        else:
            # Two numbers side by side look like one that is too long.
            yield from ((start + part.start(), start + part.end()) for part in _PHONE_IN_ROW.finditer(number))


def _is_phone(number: str, before: str) -> bool:
    number = _EXTENSION.sub("", number)
    digits = sum(map(str.isdigit, number))
    if not 6 <= digits <= 15 or _DATE_LIKE.match(number):
        return False
    if _PHONE_LABEL.search(before):
        return True
    if digits < 8:
        return False
    if number.startswith(("+", "00")) or _PHONE_SHAPE.fullmatch(number):
        return True
    return number.startswith(("0", "(")) and any(_valid(number, region) for region in _VALID_IN)


def _valid(number: str, region: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def pattern_recognizers(settings: PrivacySettings) -> Iterable[EntityRecognizer]:
    """All recognizers of values with a form, ours and Presidio's."""
    ours = (FormRecognizer(settings), MailRecognizer(), TelephoneRecognizer(), NationalRecognizer())
    presidio = (CreditCardRecognizer, IbanRecognizer, IpRecognizer, UsSsnRecognizer, NhsRecognizer, UkNinoRecognizer)
    return (*ours, *(kind() for kind in presidio))

"""Numbers that states give to people, by Presidio's patterns and check digits, all as ID_NUMBER.

A number with letters and a check digit speaks for itself. Digits alone pass a check by chance one time in ten, so they
count only behind a word that says what they are.
"""

import re
from collections.abc import Sequence

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.predefined_recognizers import (
    AuMedicareRecognizer,
    AuTfnRecognizer,
    CaSinRecognizer,
    DeSocialSecurityRecognizer,
    DeTaxIdRecognizer,
    EsNieRecognizer,
    EsNifRecognizer,
    FiPersonalIdentityCodeRecognizer,
    InAadhaarRecognizer,
    InPanRecognizer,
    ItFiscalCodeRecognizer,
    KrRrnRecognizer,
    NgNinRecognizer,
    PlPeselRecognizer,
    SePersonnummerRecognizer,
    SgFinRecognizer,
    ThTninRecognizer,
    TrNationalIdRecognizer,
    UkDrivingLicenceRecognizer,
    UkPassportRecognizer,
    UsItinRecognizer,
    UsLicenseRecognizer,
    UsMbiRecognizer,
    UsPassportRecognizer,
    ZaIdNumberRecognizer,
)

CONTEXT_CHARS = 60
"""How far in front of a number the word may stand that says what it is."""
CLEAR = 0.5
"""Presidio's score of a number with a form of its own; one whose check digit is right has 1."""
_LIKE_A_NUMBER = re.compile(r"\d{6}|[A-Za-z]{6}\d\d[A-Za-z]\d\d|(?:\d[ -]?){8}")
"""What all of them contain one of: most texts have none, and need not be searched for each."""
_SPEAKING = (
    EsNieRecognizer,
    EsNifRecognizer,
    FiPersonalIdentityCodeRecognizer,
    ItFiscalCodeRecognizer,
    SgFinRecognizer,
    UkDrivingLicenceRecognizer,
)
_BEHIND = (
    (AuMedicareRecognizer, "medicare"),
    (AuTfnRecognizer, "tfn|tax file"),
    (CaSinRecognizer, "sin|social insurance"),
    (DeSocialSecurityRecognizer, "rentenversicherung|sozialversicherung|sv-nummer|social security"),
    (DeTaxIdRecognizer, "steuer|tax|idnr"),
    (InAadhaarRecognizer, "aadhaar|uid"),
    (InPanRecognizer, "pan|permanent account"),
    (KrRrnRecognizer, "rrn|resident|registration"),
    (NgNinRecognizer, "nin|national identification"),
    (PlPeselRecognizer, "pesel"),
    (SePersonnummerRecognizer, "personnummer|personal number|personal identity"),
    (ThTninRecognizer, "national id|identification|tnin|thai"),
    (TrNationalIdRecognizer, "kimlik|tckn|national id"),
    (UkPassportRecognizer, "passport"),
    (UsItinRecognizer, "itin|taxpayer|tax id"),
    (UsLicenseRecognizer, "licen[cs]e|permit|dl|driver"),
    (UsMbiRecognizer, "mbi|medicare"),
    (UsPassportRecognizer, "passport"),
    (ZaIdNumberRecognizer, "id|identity"),
)


class NationalRecognizer(EntityRecognizer):  # type: ignore[misc] # Presidio's types are not followed
    """Presidio's recognizers of national numbers, each on its terms."""

    def __init__(self) -> None:
        self._speaking: Sequence[EntityRecognizer] = [kind() for kind in _SPEAKING]
        self._behind = [(kind(), re.compile(rf"\b(?:{words})", re.IGNORECASE)) for kind, words in _BEHIND]
        super().__init__(supported_entities=["ID_NUMBER"], supported_language="en", name="National")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: object = None) -> list[RecognizerResult]:
        if not _LIKE_A_NUMBER.search(text):
            return []
        found = []
        for recognizer in self._speaking:
            found += [(r, 0.95) for r in _results(recognizer, text) if r.score >= CLEAR]
        for recognizer, words in self._behind:
            if words.search(text):
                found += [(r, 0.9) for r in _results(recognizer, text) if _told(text, r, words)]
        return [RecognizerResult("ID_NUMBER", result.start, result.end, score) for result, score in found]


def _results(recognizer: EntityRecognizer, text: str) -> list[RecognizerResult]:
    results: list[RecognizerResult] = recognizer.analyze(text, recognizer.supported_entities, None) or []
    return results


def _told(text: str, result: RecognizerResult, words: "re.Pattern[str]") -> bool:
    value = text[result.start : result.end]
    # Round numbers are amounts.
    if sum(map(str.isdigit, value.rstrip("0"))) < 4:
        return False
    return words.search(text, max(0, result.start - CONTEXT_CHARS), result.start) is not None

"""The forms of values: what an address, a number or a secret looks like. Bounded patterns, so time stays linear."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from rag.privacy.faces import TOKEN_DIGITS

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
DATE = (
    r"(?:\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?[ ](?:of[ ])?{_MONTH},?[ ]\d{{2,4}}"
    rf"|{_MONTH}[ ]\d{{1,2}}(?:st|nd|rd|th)?,?[ ]\d{{2,4}})"
)

_BASE64 = r"[A-Za-z0-9+/=]"
_START = r"(?<![A-Za-z0-9])"
_SAID_BEFORE = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|secret(?:[ _-]?key)?|api[ _-]?key|access[ _-]?(?:key|token)"
    r"|auth[ _-]?token|client[ _-]?secret|bearer|token|pin[ _-]?code)"
)
_SAID_AFTER = r"[\"'`]?(?P<value>[^\s\"'`,;|<>]{4,200})"

_LICENCE = r"driv(?:ing|er'?s?)[ ]licen[cs]e"
_LABEL_OF_NUMBER = (
    r"(?:bank[ ]account|account|sort[ ]code|tax|national[ ]id|identity[ ]card|social[ ]security|national[ ]insurance"
    rf"|medical[ ]record|health[ ]insurance|passport|{_LICENCE})"
)
_NUMBER_WORD = r"(?:(?:no\.?|number|num\.?|id|code)(?:[ ](?:is|was))?[ ]?[:#=]?|[:#=])"
_NUMBER_VALUE = r"(?P<value>[A-Z0-9][A-Z0-9-]{4,22}(?:[ ](?=[A-Z]{0,5}\d)[A-Z0-9]{2,6}){0,3})\b"

_CAPITAL = r"[A-Z][\w'.-]{1,30}"
_STREET = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Way|Court|Ct|Square|Sq|Place|Pl|Terrace"
    r"|Crescent|Close|Gardens|Row|Parkway|Pkwy|Mews|Quay|Highway|Hwy)"
)
_POSTCODE_UK = r"[A-Z]{1,2}\d[A-Z\d]?[ ]\d[A-Z]{2}"
_ZIP = r"(?:[A-Z]{2}[ ])?\d{5}(?:-\d{4})?"
_TOWN = rf"(?:,?[ \n]{_POSTCODE_UK}|,?[ ]{_ZIP}|,[ \n]?{_CAPITAL}(?:[ ]{_CAPITAL}){{0,2}})"
_FLAT = r"(?:Apt|Flat|Unit|Suite|Apartment|#)\.?[ ]?\w{1,5}"
_STREET_DE = r"[A-ZÄÖÜ][\wäöüß-]{1,30}(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse)[ ]\d{1,4}[a-z]?\b"


@dataclass(frozen=True, slots=True)
class Form:
    """An entity and its patterns. The group `value`, if a pattern has one, is what is masked."""

    entity: str
    score: float
    patterns: tuple[re.Pattern[str], ...]
    accept: Callable[[str], bool] = lambda value: True


def form(
    entity: str, score: float, *patterns: str, any_case: bool = False, accept: Callable[[str], bool] | None = None
) -> Form:
    flags = re.IGNORECASE if any_case else re.NOFLAG
    compiled = tuple(re.compile(pattern, flags) for pattern in patterns)
    return Form(entity, score, compiled) if accept is None else Form(entity, score, compiled, accept)


def employee_forms(pattern: str) -> tuple[Form, ...]:
    """The company's own pattern anywhere, and any number behind words like `employee ID`."""
    label = r"\b(?:employee|staff|personnel|badge|payroll|worker)[ ]?(?:id|no\.?|number|code|#)"
    return (
        form("EMPLOYEE_ID", 0.9, rf"(?<![\w-])(?:{pattern})(?![\w-])"),
        form(
            "EMPLOYEE_ID",
            0.95,
            rf"{label}[\s:=#*|-]{{1,5}}(?:is )?(?P<value>[A-Z]{{0,5}}-?\d[\dA-Z-]{{2,12}})\b",
            any_case=True,
        ),
    )


def _is_secret(value: str) -> bool:
    """`password: hunter2` is one, `password: must be long` is not."""
    return not value.rstrip(".").isalpha() or not (value.islower() or value.istitle())


def _has_digit(value: str) -> bool:
    return any(map(str.isdigit, value))


def _is_number(value: str) -> bool:
    return sum(map(str.isdigit, value)) >= 5


_ABOUT_PASSWORDS = frozenset(
    ("required", "optional", "hidden", "masked", "redacted", "expired", "changed", "string", "unchanged", "default")
)


def _is_word_secret(value: str) -> bool:
    return value.casefold() not in _ABOUT_PASSWORDS


_SOMEBODY_IN_URL = re.compile(
    r"[?#&][^=&]{0,30}(?:user|name|mail|login|token|key|sig|signature|password)=."
    r"|/(?:users?|people|profiles?|members?|in)/[^/]|/~|@",
    re.IGNORECASE,
)


def _names_somebody(url: str) -> bool:
    """A user name, an address or a key stands in it."""
    return _SOMEBODY_IN_URL.search(url.partition("://")[2]) is not None


TOKEN_SHAPE = re.compile(
    rf"[<\[{{]?(?<![A-Za-z0-9_])[A-Za-z][A-Za-z0-9_]{{1,40}}_[A-Za-z0-9]{{{TOKEN_DIGITS}}}(?![A-Za-z0-9_])[>\]}}]?"
)
"""What could be taken for a token of ours, in any case and bracket: no text may forge one."""

FORMS = (
    form(
        "SECRET",
        1.0,
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[A-Za-z0-9+/=\s:,.\\-]{0,20000}?-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        rf"|\s*(?:{_BASE64}{{20,}}\s*)+)",
        rf"{_START}(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{{16}}(?![A-Za-z0-9])",
        rf"{_START}(?:sk|pk|rk)[-_](?:live|test|proj|ant|or)?[-_]?[A-Za-z0-9_-]{{16,200}}",
        rf"{_START}(?:gh[pousr]_[A-Za-z0-9]{{30,255}}|github_pat_[A-Za-z0-9_]{{22,255}}|glpat-[A-Za-z0-9_-]{{20,64}})",
        rf"{_START}(?:xox[abeprs]-[A-Za-z0-9-]{{10,255}}|AIza[A-Za-z0-9_-]{{35}}|hf_[A-Za-z0-9]{{30,64}})",
        rf"{_START}rf_[A-Za-z0-9]{{4,32}}_[A-Za-z0-9_-]{{16,100}}",
        rf"{_START}eyJ[A-Za-z0-9_-]{{8,4000}}\.[A-Za-z0-9_-]{{8,4000}}\.[A-Za-z0-9_-]{{0,2000}}",
    ),
    form(
        "SECRET",
        0.9,
        rf"{_START}{_SAID_BEFORE}[ \t*\"']{{0,3}}[:=][ \t*]{{0,4}}{_SAID_AFTER}",
        any_case=True,
        accept=_is_secret,
    ),
    form("SECRET", 0.9, rf"{_START}{_SAID_BEFORE}[ ](?:is|was)[ :]{_SAID_AFTER}", any_case=True, accept=_has_digit),
    # A word that is all there is to the line.
    form(
        "SECRET",
        0.8,
        rf"{_START}(?:password|passwd|pwd|passphrase)[ \t*]{{0,3}}[:=][ \t*]{{0,4}}(?P<value>[a-z]{{6,40}})"
        r"[ .]?(?=[\n,;|]|\Z)",
        any_case=True,
        accept=_is_word_secret,
    ),
    form(
        "URL",
        1.0,
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s<>\"'|]{1,2000}(?<![.,;:!?)])",
        any_case=True,
        accept=_names_somebody,
    ),
    form(
        "DATE_OF_BIRTH",
        0.9,
        r"\b(?:date[ ]of[ ]birth|birth[ ]?(?:date|day)|d\.?o\.?b\.?|born)(?!\w)[\s:=(*|-]{0,8}(?:is|was|on)?[ ]?"
        rf"(?P<value>{DATE})",
        rf"(?P<value>{DATE})[ ]?\((?:date[ ]of[ ]birth|dob)\)",
        any_case=True,
    ),
    form(
        "ID_NUMBER",
        0.9,
        rf"\b{_LABEL_OF_NUMBER}[ ]?{_NUMBER_WORD}[ ]?{_NUMBER_VALUE}",
        rf"\b(?:passport|{_LICENCE}|sort[ ]code)[ ](?:is[ ]|was[ ])?{_NUMBER_VALUE}",
        any_case=True,
        accept=_is_number,
    ),
    # Numbers that fail Presidio's checks too: typing errors and made-up examples are personal all the same.
    form(
        "US_SSN",
        0.6,
        r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])",
        r"\bSSN[:#\s]{1,3}(?:is )?(?P<value>\d{3}[ ]?\d{2}[ ]?\d{4})\b",
    ),
    form(
        "UK_NINO",
        0.6,
        r"\b(?:NI|NINO|national insurance)(?:[ ](?:number|no\.?))?[:#\s]{1,3}(?:is )?"
        r"(?P<value>[A-Z]{2}[ ]?(?:\d{2}[ ]?){3}[A-D])\b",
        any_case=True,
    ),
    form(
        "IBAN_CODE",
        0.9,
        r"\bIBAN(?:[ ](?:is|no\.?|number))?[:\s#]{1,3}"
        r"(?P<value>[A-Z]{2}\d{2}(?:[ ]?[A-Z]{4})?(?:[ ]?(?=[A-Z]{0,3}\d)[A-Z0-9]{1,4}){2,8})\b",
        any_case=True,
    ),
    form(
        "LOCATION",
        0.8,
        rf"(?<![\w/.-])(?:{_FLAT},[ ])?\d{{1,5}}[A-Za-z]?(?:-\d{{1,4}})?[ ](?:{_CAPITAL}[ ]){{1,4}}{_STREET}\b\.?"
        rf"(?:,?[ ]{_FLAT})?{_TOWN}{{0,3}}",
        rf"\b{_STREET_DE}(?:,[ ]\d{{5}}(?:[ ][A-ZÄÖÜ][\wäöüß-]{{1,30}})?)?",
        rf"\b{_POSTCODE_UK}\b",
        r"\bP\.?[ ]?O\.?[ ]Box[ ]\d{1,6}\b",
    ),
)

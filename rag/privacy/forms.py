"""The forms of values: what an address, a number or a secret looks like. Bounded patterns, so time stays linear."""

import re

from rag.privacy.faces import REDACTION, TOKEN_DIGITS
from rag.privacy.form import Form, form
from rag.privacy.secrets import SECRETS

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
DATE = (
    r"(?:\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?[ ](?:of[ ])?{_MONTH},?[ ]\d{{2,4}}"
    rf"|{_MONTH}[ ]\d{{1,2}}(?:st|nd|rd|th)?,?[ ]\d{{2,4}})"
)

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


def customer_forms(pattern: str | None) -> tuple[Form, ...]:
    """Any number behind words like `customer no.`, and the company's own pattern anywhere."""
    label = r"\b(?:customer|client|member(?:ship)?|patient|policy|loyalty|subscriber)[ ]?(?:id|no\.?|number|#)"
    told = form(
        "CUSTOMER_ID",
        0.9,
        rf"{label}[\s:=#*|-]{{1,5}}(?:is )?(?P<value>[A-Z]{{0,5}}-?\d[\dA-Z-]{{2,14}})\b",
        any_case=True,
    )
    return (told, form("CUSTOMER_ID", 0.95, rf"(?<![\w-])(?:{pattern})(?![\w-])")) if pattern else (told,)


def _is_number(value: str) -> bool:
    return sum(map(str.isdigit, value)) >= 5


_SOMEBODY_IN_URL = re.compile(
    r"[?#&][^=&]{0,30}(?:user|name|mail|login|token|key|sig|signature|password)=."
    r"|/(?:users?|people|profiles?|members?|in)/[^/]|/~|@",
    re.IGNORECASE,
)


def _names_somebody(url: str) -> bool:
    """A user name, an address or a key stands in it."""
    return _SOMEBODY_IN_URL.search(url.partition("://")[2]) is not None


TOKEN_SHAPE = re.compile(
    rf"{REDACTION.pattern}"
    rf"|[<\[{{]?(?<![A-Za-z0-9_])[A-Za-z][A-Za-z0-9_]{{1,40}}_[A-Za-z0-9]{{{TOKEN_DIGITS}}}(?![A-Za-z0-9_])[>\]}}]?"
)
"""What could be taken for a token of ours, in any case and bracket, or for a redaction: no text may forge one."""

FORMS = (
    *SECRETS,
    form(
        "URL",
        1.0,
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s<>\"'|]{1,2000}(?<![.,;:!?)])",
        any_case=True,
        accept=_names_somebody,
        hints=("://",),
    ),
    # Any other address of a page: it leads to nobody, unless the tenant says so.
    form(
        "WEB_ADDRESS",
        0.9,
        r"\b(?:https?|ftp)://[^\s<>\"'|]{1,2000}(?<![.,;:!?)])",
        r"\bwww\.[^\s<>\"'|]{1,500}(?<![.,;:!?)])",
        any_case=True,
        hints=("://", "www."),
    ),
    form(
        "DATE_OF_BIRTH",
        0.9,
        r"\b(?:date[ ]of[ ]birth|birth[ ]?(?:date|day)|d\.?o\.?b\.?|born)(?!\w)[\s:=(*|-]{0,8}(?:is|was|on)?[ ]?"
        rf"(?P<value>{DATE})",
        rf"(?P<value>{DATE})[ ]?\((?:date[ ]of[ ]birth|dob)\)",
        any_case=True,
        hints=("birth", "born", "dob", "d.o", "do.b"),
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
        r"\b(?:PSC|Unit|CMR)[ ]\d{1,5},?[ ]Box[ ]\d{1,5}\b",
        r"\b(?:USNS|USCGC|USS)[ ][A-Z][\w'-]{1,30}|\b(?:[FAD]PO|PSC[ ]\d{1,5})[\s,]{1,3}A[AEP][\s,]{1,3}\d{5}\b",
    ),
    form(
        "LOCATION",
        0.8,
        r"\b(?:Apt|Apartment|Suite|Ste)\b\.?[ ]{0,2}#?[ ]?\d{1,5}[A-Z]?\b",
        r"\b(?:zip|postal|post)[ -]?(?:code)?(?:[ ]is)?[:# ]{1,3}"
        r"(?P<value>\d{5}(?:-\d{4})?|[A-Z]\d[A-Z][ ]?\d[A-Z]\d)\b",
        any_case=True,
    ),
)

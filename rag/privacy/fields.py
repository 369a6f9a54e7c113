"""Values whose label says what they are: `Name: Ann Lee`, `DOB: 1985-03-12`, columns of tables and CSV files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rag.privacy.forms import DATE
from rag.privacy.people import WORD, PeopleFinder, trim

_PEOPLE = (
    "name|full name|first name|last name|middle name|given name|forename|surname|family name|maiden name|legal name"
    "|preferred name|employee|employee name|staff name|manager|manager name|line manager|hiring manager|account manager"
    "|project manager|supervisor|contact|contact person|contact name|emergency contact|next of kin|patient|patient name"
    "|customer name|client name|candidate|candidate name|applicant|author|authors|owner|owner name|prepared by"
    "|approved by|reviewed by|signed|signed by|submitted by|requested by|reported by|written by|created by|updated by"
    "|reporter|reviewer|approver|assignee|assigned to|attendees|participants|present|apologies|absent|cc|bcc|to|from"
    "|attn|attention|sender|recipient|interviewer|witness|buddy|mentor|spouse|partner|beneficiary|dependant|tenant name"
    "|account holder|cardholder|signatory|chair|minutes by|lead|team lead|head|director|ceo|cfo|cto|coo|doctor"
    "|whom|who|responsible|person"
)
_LABELS: dict[str, str] = {
    **dict.fromkeys(_PEOPLE.split("|"), "PERSON"),
    **dict.fromkeys(("date of birth", "dob", "d.o.b.", "birth date", "birthdate", "birthday", "born"), "DATE_OF_BIRTH"),
    **dict.fromkeys(("phone", "phone number", "telephone", "mobile", "mobile number", "tel", "cell"), "PHONE_NUMBER"),
    **dict.fromkeys(("employee id", "employee no", "employee number", "staff id", "personnel number"), "EMPLOYEE_ID"),
    **dict.fromkeys(("address", "home address", "postal address", "street address", "street"), "LOCATION"),
    **dict.fromkeys(("password", "api key", "secret"), "SECRET"),
    **dict.fromkeys(("passport", "passport number", "account number", "national id", "tax id"), "ID_NUMBER"),
    **dict.fromkeys(("ssn", "social security number"), "US_SSN"),
    **dict.fromkeys(("iban",), "IBAN_CODE"),
}
_ANY_LABEL = "|".join(re.escape(label).replace(r"\ ", "[ _-]") for label in sorted(_LABELS, key=len, reverse=True))
_LABELLED = re.compile(
    rf"(?im)(?:^|[|;,\u2022(\t>.-])[ \t>*_#|\u2022-]{{0,6}}(?:\*\*)?({_ANY_LABEL})[ \t*_]{{0,4}}:[ \t*_]{{0,6}}"
)
_VALUE = re.compile(r"[^\n;|\t]{0,240}")
_SEPARATOR = re.compile(r"[,;&/|()\[\]<>\"]|\band\b|\bund\b|\s[-\u2013\u2014]\s|@\S*|\s{3,}")
_NAME = re.compile(rf"\s*((?:{WORD}\.?)(?:[ \u00a0]{WORD}\.?){{0,4}})\s*\.?\s*\Z")
_RULER = re.compile(r"[\s|:+=-]+\Z")
_SHAPES = {
    "DATE_OF_BIRTH": re.compile(DATE, re.IGNORECASE),
    "PHONE_NUMBER": re.compile(r"\+?[\d(][\d ()./-]{4,24}\d"),
    "EMPLOYEE_ID": re.compile(r"[A-Za-z]{0,5}-?\d[\w-]{1,14}"),
    "LOCATION": re.compile(r"(?=\D*\d)(?=[^A-Za-z]*[A-Za-z]).{6,160}"),
    "SECRET": re.compile(r"\S{4,200}"),
    "ID_NUMBER": re.compile(r"(?=\D*\d)[A-Za-z0-9][A-Za-z0-9 -]{4,30}"),
    "US_SSN": re.compile(r"\d{3}[ -]?\d{2}[ -]?\d{4}"),
    "IBAN_CODE": re.compile(r"[A-Za-z]{2}\d{2}[A-Za-z0-9 ]{8,40}"),
}


@dataclass(frozen=True, slots=True)
class Field:
    entity: str
    start: int
    end: int


class FieldFinder:
    """Finds labelled values. Holds no text."""

    def __init__(self, people: PeopleFinder) -> None:
        self._people = people

    def find(self, text: str) -> Iterator[Field]:
        yield from self._labelled(text)
        yield from self._tables(text)

    def _labelled(self, text: str) -> Iterator[Field]:
        labels = list(_LABELLED.finditer(text))
        for number, label in enumerate(labels):
            value = _VALUE.match(text, label.end())
            end = value.end() if value else label.end()
            if number + 1 < len(labels):
                end = min(end, labels[number + 1].start())
            entity = _LABELS[_plain(label[1])]
            # A password or an address in running text is judged by its own recognizer, which sees more.
            if entity not in {"SECRET", "LOCATION", "PHONE_NUMBER"}:
                yield from self._value(text, entity, label.end(), end, running=True)

    def _tables(self, text: str) -> Iterator[Field]:
        header: list[str | None] = []
        mark, position = "", 0
        for line in text.splitlines(keepends=True):
            start, position = position, position + len(line)
            row = line.rstrip("\r\n")
            if _RULER.match(row):
                continue
            if not header or mark not in row:
                mark, header = _header(row)
            if not mark:
                continue
            cells = [(start + first, start + last) for first, last in _cells(row, mark)]
            labels = [_LABELS.get(_plain(text[first:last])) for first, last in cells]
            if len(cells) == 2 and labels[0] and not labels[1]:
                # A table of keys and values, or the header of two columns: a column's name is no person.
                yield from self._value(text, labels[0], *cells[1])
            elif len(cells) == len(header) and not any(labels):
                for entity, cell in zip(header, cells, strict=True):
                    if entity:
                        yield from self._value(text, entity, *cell)

    def _value(self, text: str, entity: str, start: int, end: int, *, running: bool = False) -> Iterator[Field]:
        """`running`: the value may go on as a sentence, which a cell of a table does not."""
        if entity == "PERSON":
            yield from self._names(text, start, end, running=running)
            return
        inner = text[start:end]
        left = len(inner) - len(inner.lstrip(" \t\"'*`"))
        stripped = inner.strip(" \t\"'*`.,")
        shape = _SHAPES[entity].match(stripped)
        if shape and (entity in {"DATE_OF_BIRTH", "US_SSN"} or shape.end() == len(stripped)):
            yield Field(entity, start + left, start + left + shape.end())

    def _names(self, text: str, start: int, end: int, *, running: bool) -> Iterator[Field]:
        position = start
        for cut in [*_SEPARATOR.finditer(text, start, end), None]:
            piece_end = cut.start() if cut else end
            found = _NAME.match(text[position:piece_end].strip("*_ \t"))
            if found and self._people.is_listed(found[1], running=running):
                offset = text.index(found[1], position, piece_end)
                first, last = trim(text, offset, offset + len(found[1]))
                if first < last:
                    yield Field("PERSON", first, last)
            else:
                yield from (Field("PERSON", *span) for span in self._people.leading(text, position, piece_end))
            position = cut.end() if cut else end


def _header(row: str) -> tuple[str, list[str | None]]:
    """The separator of a header row and the entity of each column; empty when the row is no header."""
    for mark in ("|", "\t", ";", ","):
        if mark in row:
            cells = [_plain(row[first:last]) for first, last in _cells(row, mark)]
            columns = [_LABELS.get(cell) for cell in cells]
            if any(columns) and len(cells) > 1 and all(len(cell) <= 40 for cell in cells):
                return mark, columns
    return "", []


def _cells(row: str, mark: str) -> list[tuple[int, int]]:
    """Start and end of each cell, empty ones too; a quoted cell may hold the separator."""
    start, end = 0, len(row)
    if mark == "|":
        stripped = row.strip()
        start = row.index(stripped) + stripped.startswith("|")
        end = max(start, row.index(stripped) + len(stripped) - stripped.endswith("|"))
    cells = []
    while True:
        closing = row.find('"' + mark, start + 1, end) if row.startswith('"', start) else -1
        stop = closing + 1 if closing >= 0 else row.find(mark, start, end)
        if closing < 0 and row.startswith('"', start) and row.endswith('"', 0, end):
            stop = -1
        cells.append((start, end if stop < 0 else stop))
        if stop < 0:
            return cells
        start = stop + 1


def _plain(label: str) -> str:
    return re.sub(r"[\s_-]+", " ", label.strip(" \t\"'*_|:#").casefold())

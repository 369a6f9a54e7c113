"""A directory finds the people it names, in the ways people are written; hostile files spoil nothing but their rows."""

import io
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import Misuse
from rag.privacy.configuration import Configuration
from rag.privacy.configured import Change, Configurations
from rag.privacy.directory import LINE_BYTES_MAX, Directory, parse_columns, read_directory
from rag.privacy.directory_forms import unpacked
from rag.privacy.faces import offline_domains
from rag.privacy.keys import TenantKeys
from rag.privacy.known_forms import KnownForms
from rag.privacy.known_values import Form, Unusable, forms_of, known_values_key
from rag.privacy.recognize import Recognizer
from rag.privacy.tenant import TenantPrivacy
from rag.privacy.tenant_rules import compiled

KEY = known_values_key(TenantKeys.of(b"\x01" * 32))
WHEN = datetime(2026, 5, 4, 12, tzinfo=UTC)
CHANGE = Change("operator:test", "a test", WHEN)
COLUMNS = ("name=PERSON", "email=EMAIL_ADDRESS", "phone=PHONE_NUMBER")


def read(data: str | bytes, *columns: str) -> Directory:
    raw = data.encode() if isinstance(data, str) else data
    return read_directory(io.BytesIO(raw), parse_columns(columns or COLUMNS), KEY)


def matcher(values: Sequence[tuple[str, str]]) -> KnownForms:
    return KnownForms(KEY, [(f, e) for e, value in values for f in forms_of(KEY, e, value, variants=True)])


def found(forms: KnownForms, text: str) -> list[str]:
    return [text[one.start : one.end] for one in forms.find(text)]


PEOPLE = matcher(
    [
        ("PERSON", "Dr Ann Maria Lee"),
        ("PERSON", "Ludwig van Beethoven"),
        ("PERSON", "José O'Brien"),
        ("PERSON", "Anne-Marie Young"),
        ("PHONE_NUMBER", "+44 20 7946 0018"),
        ("EMAIL_ADDRESS", "a.lee@acme.example"),
        ("EMPLOYEE_ID", "90210"),
        ("LOCATION", "12 High Street, Leeds"),
    ]
)


@pytest.mark.parametrize(
    "written",
    [
        "Ann Maria Lee", "ann maria lee", "ANN LEE", "Ann  Lee", "Ann\nLee", "Lee, Ann", "LEE, Ann Maria", "A. Lee",
        "Lee, A.", "A. M. Lee", "A.M. Lee", "Ann M. Lee", "A\u0301nn Lee", "L. van Beethoven", "van Beethoven, Ludwig",
        "Jose O\u2019Brien", "JOSÉ OBRIEN", "anne marie young", "Anne-Marie Young", "+44 (20) 7946-0018",
        "44 2079460018", "A.LEE@ACME.EXAMPLE", "90210", "12 high street Leeds", "12 High Street,\nLeeds",
    ],
)  # fmt: skip
def test_a_value_is_found_as_people_write_it(written: str) -> None:
    found_here = found(PEOPLE, f"We asked {written} about it.")
    assert len(found_here) == 1
    assert found_here[0] in written
    assert len(found_here[0]) >= len(written) - 2, "all but a sign at an end"


@pytest.mark.parametrize(
    "written",
    [
        "Lee", "Ann", "A lee", "a lee shore", "Anna Lee", "Ann Leeds", "Ann and Lee", "Beethoven", "A Lee side",
        "van", "90211", "90 210", "190210", "a lee acme example", "12 High Street", "Ann\n\nLee", "A. Young",
    ],
)  # fmt: skip
def test_what_is_only_similar_is_left_alone(written: str) -> None:
    known = matcher([("PERSON", "Ann Maria Lee"), ("EMPLOYEE_ID", "90210"), ("EMAIL_ADDRESS", "a.lee@acme.example"),
                     ("LOCATION", "12 High Street, Leeds")])  # fmt: skip
    assert found(known, f"We asked {written}, about it.") == []


def test_everyday_words_are_a_name_only_with_a_capital() -> None:
    forms = [(form, "PERSON") for form in forms_of(KEY, "PERSON", "Will Young", variants=True)]
    known = KnownForms(KEY, forms, is_everyday={"will", "young"}.__contains__)
    assert found(known, "They will young people inspire.") == []
    assert found(known, "They asked Will Young.") == ["Will Young"]


@given(st.text(max_size=300))
def test_any_text_is_searched_and_positions_are_in_it(text: str) -> None:
    ends = [0]
    for one in PEOPLE.find(text + " Ann Lee " + text):
        assert ends[-1] <= one.start < one.end
        ends.append(one.end)
    assert len(ends) > 1


NAMES = matcher([("PERSON", "Ann Maria Lee"), ("LOCATION", "12 High Street, Leeds")])
NAMES_AND_A_NUMBER = matcher(
    [("PERSON", "Ann Maria Lee"), ("LOCATION", "12 High Street, Leeds"), ("ID_NUMBER", "ZZ99887766")]
)
PARTS = st.sampled_from(
    ["Ann", " Lee", ", ", "Ann Lee", "12 High\nStreet Leeds", "x" * 639, " " * 650, " word" * 90, "'s "]
)


@given(st.lists(PARTS, max_size=14).map("".join))
def test_looking_only_where_a_name_can_begin_finds_the_same(text: str) -> None:
    """Without compact values most of a text is passed over; with one, all of it is looked at."""
    assert NAMES.find(text) == NAMES_AND_A_NUMBER.find(text)


@given(st.text(max_size=60), st.sampled_from(["PERSON", "EMAIL_ADDRESS", "ID_NUMBER"]))
def test_a_value_that_is_taken_is_found_where_it_stands_alone(value: str, entity: str) -> None:
    try:
        forms = forms_of(KEY, entity, value, variants=True)
    except Unusable:
        return
    assert all(Form.parse(form.text) == form for form in forms)
    assert KEY not in b"".join(form.digest for form in forms)


HOSTILE = (
    b"\xef\xbb\xbfName;email;phone\r\n"
    b"Ann Lee;ann@x.example;+44 20 7946 0018\r\n"
    b'"Stone, Bob";bob@x.example;"555 0142 77"\r\n'
    b'=HYPERLINK("http://evil");cleo@x.example;\r\n'
    b"Nul\0Person;n@x.example;\r\n"
    + b"x" * (LINE_BYTES_MAX + 10) + b";y;z\r\n"
    + b'"never closed;d@x.example;1234567\r\n'
    + b"J\xf6rg Latin;j@x.example;\r\n"
    + b"Too Short\r\n"
    + b"\r\n"
    + b"Dora Quist;no address;\r\n"
    + b'"Eve\r\nMarsh";eve@x.example;-2+3\r\n'
    + b"Last Person;last@x.example;+1 555 010 9999"
)  # fmt: skip


def test_broken_rows_are_told_by_line_and_reason_and_stop_no_other() -> None:
    directory = read(HOSTILE)
    assert {one.line: one.reason.split(",")[0] for one in directory.broken} == {
        4: "the PERSON is a formula",
        5: "it holds NUL characters",
        6: f"longer than {LINE_BYTES_MAX} bytes",
        7: "a quote is not closed",
        8: "it is not UTF-8",
        9: "it has 1 cells",
        11: "the EMAIL_ADDRESS is not taken: no e-mail address",
        12: "the PHONE_NUMBER is not taken: fewer than 4 letters and digits",
    }
    known = KnownForms(KEY, unpacked(directory.entities, directory.forms))
    text = "Ann Lee, Bob Stone, Dora Quist, Eve Marsh, Last Person, cleo@x.example, 555014277, 23"
    assert found(known, text) == [one for one in text.split(", ") if one != "23"]
    assert directory.rows == 11
    assert directory.entities["PERSON"] == 6


def test_no_report_repeats_what_stands_in_the_file() -> None:
    directory = read(HOSTILE)
    told = repr(directory) + "".join(one.reason for one in directory.broken)
    assert not any(word in told for word in ("Ann", "Stone", "evil", "Nul", "Latin", "Quist", "closed;d"))


def test_a_name_in_two_columns_is_one_value() -> None:
    directory = read("First,Last\nAnn,Lee\n,Okafor\n", "first+last=PERSON")
    assert found(KnownForms(KEY, unpacked(directory.entities, directory.forms)), "Lee, Ann; Okafor") == [
        "Lee, Ann",
        "Okafor",
    ]


@pytest.mark.parametrize(
    ("data", "columns", "words"),
    [
        ("Ann Lee,ann@x.example\n", COLUMNS, "header"),
        ("", COLUMNS, "header"),
        ("name\n=1\n", ("name=PERSON",), "no value"),
        ("name\nAnn Lee\n", ("name=NOBODY",), "no entity"),
        ("name\nAnn Lee\n", ("name",), "NAME=ENTITY"),
        ("name\nAnn Lee\n", ("name=LITERAL",), "no entity"),
    ],
)
def test_a_file_that_gives_nothing_is_refused_with_the_reason(data: str, columns: Sequence[str], words: str) -> None:
    with pytest.raises(Misuse) as refused:
        read(data, *columns)
    assert words in refused.value.message
    assert "Ann" not in refused.value.message


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        directory = read(b"name\n" + data, "name=PERSON")
    except Misuse:
        return
    assert sum(directory.entities.values()) >= 1


def test_a_known_name_is_masked_though_no_model_takes_it_for_one(tenant: TenantPrivacy, recognizer: Recognizer) -> None:
    text = "The budget for harbour lantern is closed."
    forms = [(form, "PERSON") for form in forms_of(KEY, "PERSON", "Harbour Lantern", variants=True)]
    keys = TenantKeys.of(b"\x01" * 32)
    with_it = TenantPrivacy("acme", keys, recognizer, offline_domains(), compiled(1, "d", Configuration(), forms, KEY))
    assert tenant.mask([text])[0].reading == text
    assert dict(with_it.mask([text])[0].entities) == {"PERSON": 1}


async def test_directories_are_stored_replaced_and_cleared(any_database) -> None:  # type: ignore[no-untyped-def] # a fixture of two databases
    async with any_database.unit_of_work() as session:
        store = Configurations(session, "acme")
        first = await store.put_directory("people", read("name\nAnn Lee\n", "name=PERSON"), CHANGE)
        same = await store.put_directory("people", read("name\nann lee\n", "name=PERSON"), CHANGE)
        other = await store.put_directory("people", read("name\nBob Stone\n", "name=PERSON"), CHANGE)
        rules = await store.rules(other.number, KEY)
    assert (first.number, same.number, other.number) == (1, 1, 2)
    assert [f.entity for f in rules.sources.find("Bob Stone met Ann Lee")] == ["PERSON"]
    async with any_database.unit_of_work() as session:
        assert (await Configurations(session, "acme").clear_directory("people", CHANGE)).digest == ""
        assert await Configurations(session, "globex").directories() == []


def test_matching_is_linear_and_much_faster_than_a_deny_list() -> None:
    """Only the outcome is asserted; the figure is printed for whoever runs it with -s."""
    names = [f"Given{n:04d} Family{n:04d}" for n in range(5000)]
    known = matcher([("PERSON", name) for name in names])
    text = " ".join(f"word{n} of text" for n in range(2000)) + " Given0042 Family0042 "
    started = time.perf_counter()
    hits = found(known, text * 5)
    print(f"{len(text) * 5} characters in {time.perf_counter() - started:.4f} s")  # noqa: T201 - for the reader
    assert hits == ["Given0042 Family0042"] * 5

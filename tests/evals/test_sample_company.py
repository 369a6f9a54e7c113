"""The sample company is whole: labelled, varied, invented, and its questions have the answers they claim."""

import io
import re
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

import docx
import pypdfium2
import pytest

from evals.oracle import LEVELS, Labels, Oracle, read_oracle
from evals.questions import (
    DOCUMENTS,
    POLICY,
    SOURCES,
    Question,
    document_paths,
    file_mark,
    load_questions,
    source_text,
)
from evals.sample_company.build import build
from ingestion.sources import protocol
from ingestion.sources.folder import FolderSource
from policies.files.cases import read_policy_file, run_cases
from policies.rules import Level

PATHS = document_paths()
QUESTIONS = load_questions()
DEMO = ("user:ines.halvorsen", "user:tomas.okafor", "user:jonas.weidmann")


@pytest.fixture(scope="module")
def labels() -> dict[str, Labels]:
    """Labels of every document as the real source reads them."""
    listing = FolderSource(DOCUMENTS).listing()
    assert listing.notices == ()
    found = {}
    for item in listing.items:
        own = item.labels
        assert isinstance(own, protocol.Labels), item.path
        found[item.path] = Labels(
            item.path,
            own.department,
            int(Level.parse(own.level)),
            *(tuple(sorted(own.tags)), own.owner, tuple(sorted(own.shares))),
            *(tuple(sorted(own.denied_shares)), tuple(sorted(own.compartments))),
        )
    return found


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return read_oracle(POLICY)


def test_every_document_is_labelled_in_the_department_of_its_folder(labels: dict[str, Labels]) -> None:
    assert set(labels) == set(PATHS)
    assert {path: own.department for path, own in labels.items()} == {path: path.split("/")[0] for path in PATHS}


def test_all_formats_levels_and_kinds_of_labels_occur(labels: dict[str, Labels]) -> None:
    formats = Counter(PurePosixPath(path).suffix for path in PATHS)
    levels = Counter(LEVELS[own.level] for own in labels.values())
    assert len(PATHS) >= 60
    assert all(formats[suffix] >= 5 for suffix in (".md", ".txt", ".html", ".pdf", ".docx", ".csv", ".eml"))
    assert all(levels[level] >= 4 for level in LEVELS)
    for attribute in ("owner", "shares", "denied_shares", "compartments", "tags"):
        assert any(getattr(own, attribute) for own in labels.values()), attribute


def test_documents_have_the_length_of_real_ones_and_differ() -> None:
    words = {path: len(re.findall(r"\w+", source_text(path))) for path in PATHS}
    assert {path: count for path, count in words.items() if not 150 <= count <= 900} == {}
    assert len({source_text(path) for path in PATHS}) == len(PATHS)


def test_every_document_carries_a_planted_mark_of_its_own() -> None:
    marks = [file_mark(source_text(path)) for path in PATHS]
    assert None not in marks
    assert len(set(marks)) == len(PATHS)


def test_everything_personal_is_invented() -> None:
    """Telephones of the ranges for fiction, addresses under .example, account numbers of banks that do not exist."""
    text = " ".join(source_text(path) for path in PATHS)
    phones = re.findall(r"\+\d[\d ]{9,}\d", text)
    hosts = [host.rstrip(".") for host in re.findall(r"@([\w.-]+)", text)]
    accounts = re.findall(r"\b[A-Z]{2}\d{2}[A-Z0-9]{10,28}\b", text)
    assert len(phones) > 30
    assert len(accounts) > 15
    assert [p for p in phones if not re.fullmatch(r"\+44 20 7946 0\d{3}|\+1 202 555 01\d\d", p)] == []
    assert [h for h in hosts if not h.endswith(".example")] == []
    assert [a for a in accounts if "ZZZZ" not in a and not re.match(r"DE\d\d0{8}", a)] == []
    assert all(int("".join(str(int(c, 36)) for c in a[4:] + a[:4])) % 97 == 1 for a in accounts)


def test_one_document_holds_a_stricter_paragraph_and_one_a_planted_instruction() -> None:
    guarded = [path for path in PATHS if "[ringfence level=restricted]" in source_text(path)]
    planted = [path for path in PATHS if "ignore all previous instructions" in source_text(path)]
    assert guarded == ["finance/treasury-report-2026-10.md"]
    assert planted == ["operations/carrier-feedback.html"]


def test_written_files_are_what_their_sources_say(tmp_path: Path) -> None:
    """The PDFs byte for byte; of the DOCX every entry, as their compression depends on the zlib in use."""
    written = build(tmp_path)
    assert len(written) >= 15
    for path in written:
        committed = (DOCUMENTS / path.relative_to(tmp_path)).read_bytes()
        if path.suffix == ".pdf":
            assert path.read_bytes() == committed, path.name
        else:
            assert _entries(path.read_bytes()) == _entries(committed), path.name


def _entries(package: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(package)) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_written_files_hold_the_text_of_their_sources() -> None:
    for source in sorted(SOURCES.rglob("*.md")):
        path = DOCUMENTS / source.relative_to(SOURCES).with_suffix("")
        if path.suffix == ".docx":
            text = " ".join(paragraph.text for paragraph in docx.Document(str(path)).paragraphs)
        else:
            pdf = pypdfium2.PdfDocument(path)
            text = " ".join(page.get_textpage().get_text_bounded() for page in pdf)
            pdf.close()
        assert file_mark(text) == file_mark(source.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_the_answering_documents_hold_the_fact(question: Question) -> None:
    for answer in question.answers:
        text = source_text(answer.document)
        assert (answer.fact is None) != (answer.entity is None)
        assert answer.fact is None or answer.fact in text
        if answer.level is not None:
            guarded = text.split(f"[ringfence level={answer.level}]")[1].split("[/ringfence]")[0]
            assert answer.fact is not None
            assert answer.fact in guarded


def test_there_are_questions_about_every_document_and_questions_without_an_answer() -> None:
    answered = {answer.document for question in QUESTIONS for answer in question.answers}
    assert answered == set(PATHS)
    assert len({question.id for question in QUESTIONS}) == len(QUESTIONS)
    assert sum(not question.answers for question in QUESTIONS) >= 15


def _facts(question: Question, person: str, labels: dict[str, Labels], oracle: Oracle) -> set[str]:
    """What may be answered to `person`, by the oracle."""
    found = set()
    for answer in question.answers:
        own = labels[answer.document].with_level_at_least(LEVELS.index(answer.level or "public"))
        if oracle.may([person], "read", own):
            found.add(answer.fact or f"<{answer.entity}>")
    return found


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_the_written_outcome_for_the_demo_is_what_the_policy_gives(
    question: Question, labels: dict[str, Labels], oracle: Oracle
) -> None:
    derived = {p: "answer" if _facts(question, p, labels, oracle) else "not_found" for p in DEMO}
    assert question.demo == derived


def test_one_question_has_three_different_right_answers_for_three_people(
    labels: dict[str, Labels], oracle: Oracle
) -> None:
    question = next(q for q in QUESTIONS if q.id == "travel-allowance")
    facts = [_facts(question, person, labels, oracle) for person in DEMO]
    assert facts == [{"64 euros"}, {"56 euros"}, {"38 euros"}]


def test_everybody_but_the_leaver_may_read_something_and_nobody_everything(
    labels: dict[str, Labels], oracle: Oracle
) -> None:
    readable = {p: sum(oracle.may([p], "read", own) for own in labels.values()) for p in oracle.people}
    assert {person for person, count in readable.items() if count == 0} == {"user:helga.strand"}
    assert max(readable.values()) < len(labels)
    assert len(readable) >= 12


def test_the_policys_own_cases_pass_and_describe_the_documents_as_they_are_labelled(labels: dict[str, Labels]) -> None:
    file = read_policy_file(POLICY)
    results = run_cases(file)
    assert len(results) >= 50
    assert [r.case for r in results if not r.passed] == []
    assert {c.expected for c in file.cases} == {"allow", "deny"}
    for name, line in file.documents.items():
        own = line.attributes("meridian", name)
        described = Labels(
            name,
            own.department,
            int(own.level),
            *(tuple(sorted(own.tags)), own.owner, tuple(sorted(own.shares))),
            *(tuple(sorted(own.denied_shares)), tuple(sorted(own.compartments))),
        )
        assert described == labels[name]

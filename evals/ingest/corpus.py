"""The files of `ringfence eval ingest`: plain text that both ways can read, with what is known about it.

Without public data: the sample company's text files and generated case notes. With them also abstracts of SciFact,
texts of generated_large and articles of wikigold. Formats with a reader of their own are left out: LlamaIndex's folder
reader takes them for text, markup and all.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from evals.case_notes import case_notes, question
from evals.privacy.datasets import DIRECT, Sample, read_generated, read_wikigold
from evals.questions import DOCUMENTS, document_paths, load_questions
from evals.retrieval.sets import read_scifact

LABELS = "department: eval\nlevel: public\n"
VALUE_CHARS_MIN = 4
"""Shorter values, such as the number of a house, stand in a text by chance as well."""
_TEXT = frozenset({".md", ".txt"})


@dataclass(frozen=True, slots=True)
class Document:
    """`values` is personal data that stands in the text and must not stand in what is kept of it."""

    path: str
    text: str = field(repr=False)
    values: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Question:
    """`right` are the paths of documents that answer it. `named`: it names somebody."""

    text: str = field(repr=False)
    right: frozenset[str]
    named: bool = False


@dataclass(frozen=True, slots=True)
class Corpus:
    documents: tuple[Document, ...]
    questions: tuple[Question, ...]

    @property
    def chars(self) -> int:
        return sum(len(document.text) for document in self.documents)

    def write(self, folder: Path) -> None:
        """The files below a new folder, labelled public."""
        folder.mkdir(parents=True)
        (folder / "ringfence.yaml").write_text(LABELS, encoding="utf-8")
        for document in self.documents:
            path = folder / document.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(document.text, encoding="utf-8")


def make_corpus(data: Path | None, count: int, seed: int) -> Corpus:
    """The company's texts and `count` of every other kind; a quarter as many of the long articles.

    Raises:
        Misuse: a public data set is not below `data`.
    """
    notes = case_notes(count, seed)
    documents = list(_company())
    present = {document.path for document in documents}
    questions = [
        Question(asked.text, right)
        for asked in load_questions()
        if (right := frozenset(f"company/{answer.document}" for answer in asked.answers)) and right <= present
    ]
    for number, note in enumerate(notes):
        path = f"notes/{number}.txt"
        documents.append(Document(path, note.text, (f"{note.first} {note.last}", note.last, note.mail)))
        questions.append(Question(question(note, "full name", with_topic=True), frozenset({path}), named=True))
    if data is not None:
        science = read_scifact(data, max(1, count // 10))
        documents += (Document(f"science/{name}.txt", text) for name, text in science.documents.items())
        questions += (
            Question(claim, frozenset(f"science/{name}.txt" for name in science.judgements[query]))
            for query, claim in science.queries.items()
        )
        documents += _marked("generated", read_generated(data), count, DIRECT)
        documents += _marked("articles", read_wikigold(data), max(1, count // 4), frozenset({"PERSON"}))
    return Corpus(tuple(documents), tuple(questions))


def _company() -> Iterator[Document]:
    for path in document_paths():
        if Path(path).suffix in _TEXT:
            yield Document(f"company/{path}", (DOCUMENTS / path).read_text(encoding="utf-8"))


def _marked(folder: str, samples: list[Sample], count: int, kinds: frozenset[str]) -> Iterator[Document]:
    """Texts that hold something of these kinds and were not tuned on."""
    held_out = (sample for sample in samples if sample.held_out)
    for number, sample in enumerate(islice(held_out, count)):
        values = (sample.text[gold.start : gold.end] for gold in sample.gold if gold.kind in kinds)
        kept = tuple(dict.fromkeys(value for value in values if len(value) >= VALUE_CHARS_MIN))
        yield Document(f"{folder}/{number}.txt", sample.text, kept)

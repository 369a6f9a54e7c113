"""The questions about the sample company, as types."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

COMPANY = Path(__file__).parent / "sample_company"
DOCUMENTS = COMPANY / "documents"
SOURCES = COMPANY / "sources"
QUESTIONS = COMPANY / "questions.yaml"
POLICY = Path(__file__).parents[1] / "policies" / "templates" / "meridian.yaml"
TENANT = "meridian"
LABEL_FILE = "ringfence.yaml"
WIDEST = "user:viktor.amsel"
"""Whoever may read most of the sample company."""

# In a table the mark stands in the second column, whose name may come between.
_MARK = re.compile(r"[Ff]ile mark[:,;] ?(?:[\w ]+: )?([a-z]+-[a-z]+-[a-z]+)\b")


@dataclass(frozen=True, slots=True)
class RightAnswer:
    """A document (by path) that holds a right answer.

    `fact` must be in an answer that rests on it; where it is personal data, `entity` names its type instead.
    `level` is the level of the paragraph that holds it, if that is stricter than the document.
    """

    document: str
    fact: str | None
    entity: str | None
    level: str | None


@dataclass(frozen=True, slots=True)
class Question:
    """`answers` is empty where the documents do not say. `demo` is the written-down outcome for each demo person."""

    id: str
    text: str
    answers: tuple[RightAnswer, ...]
    demo: dict[str, str]


def load_questions(path: Path = QUESTIONS) -> tuple[Question, ...]:
    """All questions in the order of the file."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return tuple(
        Question(
            id=entry["id"],
            text=entry["question"],
            answers=tuple(
                RightAnswer(a["document"], a.get("fact"), a.get("entity"), a.get("level")) for a in entry["answers"]
            ),
            demo=dict(entry["demo"]),
        )
        for entry in content["questions"]
    )


def document_paths(folder: Path = DOCUMENTS) -> tuple[str, ...]:
    """Paths of all documents below `folder`, without the label files."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != LABEL_FILE)
    return tuple(sorted(path.relative_to(folder).as_posix() for path in files))


def source_text(document: str) -> str:
    """The text that a document was written from, unmasked, white space made single."""
    source = SOURCES / f"{document}.md"
    return " ".join((source if source.exists() else DOCUMENTS / document).read_text(encoding="utf-8").split())


def file_mark(text: str) -> str | None:
    """The planted canary of a document: three words joined by hyphens that stand nowhere else."""
    found = _MARK.search(" ".join(text.split()))
    return found.group(1) if found else None

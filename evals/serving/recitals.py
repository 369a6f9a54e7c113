"""What a reciting model says: for each chunk of the sample company, sentences of it that a claim may rest on.

A recital is told by the first line of the passage that it is about, as that stands in a prompt. Every other sentence is
put a little differently than it stands there: those are searched for personal data, as what a real model writes is,
and verified by their words; the others are found word for word.
"""

from collections.abc import Callable, Iterable, Iterator

from evals.questions import TENANT
from rag.db.documents import Documents
from rag.db.engine import Database
from rag.generation.sentences import Kind, split_sentences

Recitals = dict[str, str]
"""What is said about a passage, by its first line."""

MARKER = " [1]"
"""Citations name the first passage: it is the one whose first line is looked up."""
REWORDED = "Also, {}"
_ENDS = ".!"


async def read_passages(database: Database) -> list[str]:
    """The texts of all visible chunks of the sample company, as they stand in prompts."""
    passages: list[str] = []
    async with database.reading() as session:
        documents = Documents(session)
        for row in await documents.of_tenant(TENANT):
            if row.current_version is None:
                continue
            version = await documents.load_version(TENANT, row.id, row.current_version)
            if version is not None:
                chunks = await documents.chunks_of(TENANT, row.current_version)
                passages += [version.text[chunk.start : chunk.end] for chunk in chunks]
    return passages


def recitals_of(passages: Iterable[str], fits: Callable[[str], bool]) -> Recitals:
    """One for each passage that has something to say; `fits` tells whether a recital is short enough."""
    recitals: Recitals = {}
    for text in passages:
        said = recital_of(text, fits)
        if said:
            recitals.setdefault(text.splitlines()[0], said)
    return recitals


def recital_of(text: str, fits: Callable[[str], bool]) -> str:
    """As many whole sentences of a passage as fit; "" where not even one does."""
    said = ""
    for number, sentence in enumerate(_sentences(text)):
        put = sentence if number % 2 == 0 else REWORDED.format(sentence[0].lower() + sentence[1:])
        longer = f"{said} {put[:-1]}{MARKER}{put[-1]}".strip()
        if not fits(longer):
            break
        said = longer
    return said


def _sentences(text: str) -> Iterator[str]:
    for sentence in split_sentences(text):
        words = " ".join(sentence.of(text).split())
        if sentence.kind is Kind.PROSE and words[-1] in _ENDS and len(words.split()) > 2:
            yield words

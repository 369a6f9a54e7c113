"""Small gates of what the evals measure at full size: masking and retrieval on slices that stand in the tree.

Those of leaks and of access stand beside them, in `test_leak.py`, `test_access.py` and `tests/e2e`.
"""

from pathlib import Path
from typing import Any

from evals.privacy.datasets import DIRECT, Gold, Sample
from evals.privacy.finders import our_finder
from evals.privacy.scoring import leaks
from evals.questions import document_paths, load_questions, source_text
from evals.retrieval.run import Searched, retrieval
from evals.retrieval.sets import Dataset
from rag.embedding.minilm import load_embedder
from rag.index.lexical import LexicalEncoder
from rag.privacy.recognize import load_recognizer
from rag.settings import EmbeddingSettings, PrivacySettings

MARKED = (
    "Please write to {EMAIL_ADDRESS:ann.lee@example.com} or call {PHONE_NUMBER:+44 20 7946 0958} before noon.",
    "The invoice goes to {IBAN_CODE:GB29 NWBK 6016 1331 9268 19}.",
    "The refund goes to card {CREDIT_CARD:4111 1111 1111 1111}.",
    "{PERSON:Margaret Ellison} signed on Monday; {PERSON:Tomas Okafor} was in the room.",
    "The request came from {IP_ADDRESS:192.168.14.7}, where {PERSON:Ines Halvorsen} works.",
    "His number is {US_SSN:536-22-8726}, says {PERSON:Jonas Weidmann}.",
    "Nothing in this sentence about the loading dock is about anybody.",
)
DOCUMENTS = 16
CHARS, QUESTIONS_MIN = 600, 15


def sample(marked: str) -> Sample:
    """`{KIND:value}` marks a value."""
    text, gold = "", []
    for part in marked.split("{"):
        kind, colon, rest = part.partition(":")
        if colon and kind.isupper():
            value, _, after = rest.partition("}")
            gold.append(Gold(len(text), len(text) + len(value), kind))
            text += value + after
        else:
            text += part
    return Sample(text, tuple(gold))


def test_every_value_of_a_few_sentences_is_masked_and_nothing_else() -> None:
    samples = [sample(marked) for marked in MARKED]
    found = our_finder(load_recognizer(PrivacySettings()))([one.text for one in samples])
    result = leaks(samples, found, DIRECT)
    assert {kind: result.recall(kind) for kind in result.marked} == dict.fromkeys(result.marked, 1.0)
    assert result.precision > 0.95


def company_slice() -> Dataset:
    """The beginnings of some documents of the sample company, and the questions that they answer."""
    texts = {path: source_text(path)[:CHARS] for path in document_paths()[::4][:DOCUMENTS]}
    right = {q.id: frozenset(a.document for a in q.answers) & texts.keys() for q in load_questions()}
    queries = {q.id: q.text for q in load_questions() if right[q.id]}
    return Dataset(texts, queries, {name: right[name] for name in queries})


async def test_both_branches_together_find_what_the_better_one_finds(tmp_path: Path) -> None:
    embedder = load_embedder(EmbeddingSettings(threads=1))
    searched = Searched(company_slice(), embedder, LexicalEncoder(), candidates=40)
    found, gates = await retrieval(searched, tmp_path, conditions_max=100, progress=lambda _: None)
    figures: Any = found
    assert figures["questions"] >= QUESTIONS_MIN
    assert all(gate.holds for gate in gates)
    branches = figures["branches"]
    assert branches["hybrid"]["recall_at_10"] >= 0.9
    assert branches["reranked"]["recall_at_10"] >= 0.9
    assert branches["hybrid"]["ndcg_at_10"] >= max(branches[one]["ndcg_at_10"] for one in ("dense", "lexical"))

"""What happened on the path of one question, kept for whoever has it explained.

A recorder that the path fills as it goes, as it does its clock: an explained question takes the same path as any
other. Without one, nothing is kept and nothing is worked out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from policies.administration import Administrator
from rag.db.documents import LoadedChunk
from rag.domain import ReadableChunk
from rag.index.store import Hits
from rag.query.explained import Explanation, Judgement
from rag.query.prompt import Given


@dataclass(frozen=True, slots=True)
class Reader:
    """Who has it explained: on whose authority, and through which key."""

    administrator: Administrator
    key: str


@dataclass(slots=True)
class Account:
    """Facts of one question. `explanation` is set at the very end of the path, and until then there is none to show."""

    reader: Reader
    rounds: int = 0
    hits: Hits = field(default=Hits((), ()), repr=False)
    fused: Mapping[str, float] = field(default_factory=dict, repr=False)
    current: Mapping[str, LoadedChunk] = field(default_factory=dict, repr=False)
    others: Collection[str] = field(default=(), repr=False)
    ranked: Sequence[ReadableChunk] = field(default=(), repr=False)
    kept: int = 0
    given: tuple[Given, ...] | None = field(default=None, repr=False)
    judgements: list[Judgement] = field(default_factory=list, repr=False)
    explanation: Explanation | None = None

    def searched(
        self,
        hits: Hits,
        fused: Mapping[str, float],
        current: Mapping[str, LoadedChunk],
        others: Collection[str],
        *,
        rounds: int,
    ) -> None:
        """The search that counted, the last of `rounds`, and its check."""
        self.rounds = rounds
        self.hits, self.fused, self.current, self.others = hits, fused, current, others

    def reranked(self, ranked: Sequence[ReadableChunk], kept: int) -> None:
        """All readable chunks, best first, of which the first `kept` go on."""
        self.ranked, self.kept = ranked, kept

    def gave(self, given: tuple[Given, ...]) -> None:
        """What the generator was given."""
        self.given = given

    def judged(self, judgement: Judgement) -> None:
        self.judgements.append(judgement)

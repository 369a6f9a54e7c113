"""A worker on a node of a cluster: it loads the models once, and prepares one document after the other.

It has neither a database nor a source, and writes nothing. What it needs of the installation is on its node, as for
every process of ours: the settings, and the master key.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from ingestion.cluster.envelope import Envelope, opened_key
from ingestion.digests import pipeline_digest
from ingestion.parse.document import Refused
from ingestion.parse.sandbox import Isolation
from ingestion.parts import Masker, Tools
from ingestion.prepare import Prepared, Raw, prepare
from rag.domain import digest_of
from rag.errors import Damaged, Misuse, RingfenceError
from rag.privacy.keys import KeySource, Wrapped


@dataclass(frozen=True, slots=True)
class Place:
    """What a node has of its own. `given` stands in for those parts of a tenant's masking that do not travel."""

    tools: Tools
    keys: KeySource = field(repr=False)
    given: Mapping[str, object] = field(repr=False)


OpenPlace: TypeAlias = Callable[[], AbstractContextManager[Place]]


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is started with. Ray sees all of it: the key is wrapped, the masking is sealed with that key."""

    open_place: OpenPlace
    key: Wrapped
    masker: bytes = field(repr=False)
    chunk_tokens: int
    made_by: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A document failed in a way that nobody foresaw: the name of the error, without its words."""

    error: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a document, and how far parsers are cut off on this node, as far as that is known."""

    made: Prepared | Refused | RingfenceError | Broken
    isolation: Isolation | None


class PreparingWorker:
    """`start` once; it returns why not, or nothing. What is raised would stand in Ray's logs: nothing is."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._opened = ExitStack()
        self._ready: tuple[Envelope, Tools, Masker] | None = None

    def start(self) -> tuple[str, str] | None:
        """Load everything. Returns code and sentence of what forbids it: it names settings and keys, no documents."""
        try:
            place = self._opened.enter_context(self._order.open_place())
            own = place.tools.settings.model_copy(update={"chunk_tokens": self._order.chunk_tokens})
            tools = replace(place.tools, settings=own)
            if made_by(tools) != self._order.made_by:
                raise Misuse(
                    "A node of the Ray cluster would make other text or other vectors of a document than this machine: "
                    "its settings (privacy, embedding, ingestion), its models or its version are others. Nothing was "
                    "prepared there; give all nodes the same.",
                    code="engine_differs",
                )
            envelope = Envelope(asyncio.run(_key(place, self._order.key)))
            self._ready = envelope, tools, envelope.open("masker", self._order.masker, place.given)
        except RingfenceError as error:
            return error.code, str(error)
        return None

    def answers(self) -> bool:
        """Whether it is there."""
        return True

    def prepare(self, number: int, sealed: bytes) -> bytes:
        """The answer to a sealed `Raw`, sealed."""
        if self._ready is None:
            raise RuntimeError("not started")
        envelope, tools, masker = self._ready
        made: Prepared | Refused | RingfenceError | Broken
        try:
            raw: Raw = envelope.open(f"raw {number}", sealed)
            made = prepare(raw, tools, masker, lambda step: None)
        except (Refused, RingfenceError) as error:
            made = error
        except Exception as error:  # noqa: BLE001 - its words may be the document's
            made = Broken(type(error).__name__)
        return envelope.seal(f"answer {number}", Answer(made, tools.parser.isolation))


def made_by(tools: Tools) -> str:
    """Of all that decides what is made of a document, and which are refused, besides the tenant's own configuration."""
    limits = {
        *("text_chars_max", "parse_wall_s", "parse_cpu_s", "parse_memory_bytes"),
        *("ocr_pages_max", "ocr_wall_s", "ocr_cpu_s", "ocr_memory_bytes"),
    }
    return digest_of([pipeline_digest(tools, ""), tools.settings.model_dump_json(include=limits)]).hex()


# A method that is awaited would make Ray run the whole worker in a loop.
async def _key(place: Place, wrapped: Wrapped) -> bytes:
    try:
        return await opened_key(place.keys, wrapped)
    except Damaged:
        raise Misuse(
            f"A node of the Ray cluster has the master key {place.keys.id}, and this machine {wrapped.master_key_id}. "
            "Give the node this one, by RINGFENCE_PRIVACY__MASTER_KEY_FILE.",
            code="engine_key",
        ) from None

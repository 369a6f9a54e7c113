"""The attacks as data: `attacks.yaml` read into types, with the two public lists that they are mapped to.

    id, family, owasp, atlas   where it belongs: OWASP's Top 10 for LLM applications of 2025, and MITRE ATLAS
    plant                      documents that the attack brought into the company
    order                      what a model that obeys everything would write when it reads `trigger`
    steps                      requests, each with what must come back: any difference is a success of the attack
    audit                      what must be on record afterwards
    twin                       the same where it is allowed: it must succeed, else nothing was tried
    fault                      the broken part (`faults.py`) with which the attack gets through, and must be noticed

Strings of a step may hold `$(name:argument)`; `fill.py` lists them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

ATTACKS = Path(__file__).with_name("attacks.yaml")

OWASP = {
    "LLM01": "Prompt Injection",
    "LLM02": "Sensitive Information Disclosure",
    "LLM04": "Data and Model Poisoning",
    "LLM05": "Improper Output Handling",
    "LLM06": "Excessive Agency",
    "LLM07": "System Prompt Leakage",
    "LLM08": "Vector and Embedding Weaknesses",
    "LLM09": "Misinformation",
    "LLM10": "Unbounded Consumption",
}
"""Of 2025. LLM03, the supply chain, is no request that somebody sends; `make audit` and the image scans look at it."""

ATLAS = {
    "AML.T0012": "Valid Accounts",
    "AML.T0024.000": "Infer Training Data Membership",
    "AML.T0029": "Denial of AI Service",
    "AML.T0034": "Cost Harvesting",
    "AML.T0043": "Craft Adversarial Data",
    "AML.T0049": "Exploit Public-Facing Application",
    "AML.T0051.000": "LLM Prompt Injection: Direct",
    "AML.T0051.001": "LLM Prompt Injection: Indirect",
    "AML.T0053": "AI Agent Tool Invocation",
    "AML.T0054": "LLM Jailbreak",
    "AML.T0056": "Extract LLM System Prompt",
    "AML.T0057": "LLM Data Leakage",
    "AML.T0066": "Retrieval Content Crafting",
    "AML.T0067.000": "LLM Trusted Output Components Manipulation: Citations",
    "AML.T0068": "LLM Prompt Obfuscation",
    "AML.T0070": "RAG Poisoning",
    "AML.T0071": "False RAG Entry Injection",
    "AML.T0073": "Impersonation",
    "AML.T0077": "LLM Response Rendering",
    "AML.T0080.001": "AI Agent Context Poisoning: Thread",
    "AML.T0085.000": "Data from AI Services: RAG Databases",
}

Family = Literal[
    "document_injection", "poisoned_documents", "filter_injection", "name_normalisation", "token_forging",
    "exfiltration_links", "aggregation", "history", "role_confusion", "encoding", "resource_exhaustion",
]  # fmt: skip
FAMILIES: tuple[str, ...] = Family.__args__  # type: ignore[attr-defined] # what a Literal lists


def _several(given: Any) -> Any:
    return given if isinstance(given, list | tuple) else (given,)


Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]
Codes = Annotated[tuple[int, ...], BeforeValidator(_several)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Document(_Part):
    """A file of the company. `labels` are lines of its `ringfence.yaml`."""

    name: str = Field(pattern=r"^[a-z0-9-]+\.(md|html|txt|csv|json|eml)$")
    text: str
    tenant: str = "acme"
    labels: dict[str, Any] = Field(default_factory=lambda: {"department": "site", "level": "public"})


class Order(_Part):
    """`effect` is what an obedient model writes where a passage or the question holds `trigger`."""

    trigger: str = Field(min_length=4)
    effect: str


class Step(_Part):
    """One request by a caller of the company, and what must come back. Exactly one of `ask`, `search`, `open`,
    `unmask`, `send` and `raw` says what is requested.

    `absent` and `present` are looked for in headers and body, of JSON in every string; `answer_absent` in the text of
    the answer alone, outside of code, where quotes of documents are not at issue. `same_as` is the number of an
    earlier step whose answer must have been the same but for its id. `times` requests at once; the last one counts.
    """

    by: str = "eve"
    ask: str | None = None
    search: str | None = None
    open: str | None = None
    unmask: str | None = None
    send: str | None = None
    raw: str | None = None
    json_body: dict[str, Any] | list[Any] | None = Field(None, alias="json")
    content: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    more: dict[str, Any] = Field(default_factory=dict)
    times: int = Field(1, ge=1, le=1000)
    status: Codes = (200,)
    absent: Texts = ()
    present: Texts = ()
    answer_absent: Texts = ()
    save: dict[str, str] = Field(default_factory=dict)
    same_as: int | None = None
    within_s: float | None = None
    grows_mb_max: float | None = None

    @model_validator(mode="after")
    def _one_request(self) -> "Step":
        kinds = (self.ask, self.search, self.open, self.unmask, self.send, self.raw)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("say one of ask, search, open, unmask, send and raw")
        return self


class Recorded(_Part):
    """An audit record that must have been written meanwhile: its kind, and values that its body holds."""

    kind: str
    holds: dict[str, Any] = Field(default_factory=dict)


class Attack(_Part):
    """See the module. The bytes of `absent` are looked for in every step of the attack."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    family: Family
    owasp: str
    atlas: str
    why: str = Field(min_length=10)
    plant: tuple[Document, ...] = ()
    order: Order | None = None
    steps: tuple[Step, ...] = Field(min_length=1)
    absent: Texts = ()
    audit: tuple[Recorded, ...] = ()
    twin: tuple[Step, ...] = Field(min_length=1)
    fault: str

    @model_validator(mode="after")
    def _known(self) -> "Attack":
        if self.owasp not in OWASP or self.atlas not in ATLAS:
            raise ValueError(f"{self.owasp} or {self.atlas} is not in the lists")
        judged = self.absent or self.audit or any(_judges(step) for step in self.steps)
        if not judged:
            raise ValueError("nothing that comes back would be a success of the attack")
        return self


class Catalogue(_Part):
    """The company that is attacked, and the attacks. `policy` is a policy file."""

    policy: dict[str, Any]
    documents: tuple[Document, ...]
    attacks: tuple[Attack, ...]

    @property
    def every_document(self) -> tuple[Document, ...]:
        return (*self.documents, *(one for attack in self.attacks for one in attack.plant))

    @property
    def orders(self) -> tuple[Order, ...]:
        return tuple(attack.order for attack in self.attacks if attack.order is not None)

    @model_validator(mode="after")
    def _all_different(self) -> "Catalogue":
        for names in ([one.id for one in self.attacks], [one.name for one in self.every_document]):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"given twice: {', '.join(twice)}")
        return self


def read_catalogue(path: Path = ATTACKS) -> Catalogue:
    """The catalogue of a file.

    Raises:
        ValidationError: it is none; the message names the place.
    """
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content.pop("texts", None)  # anchors that attacks refer to
    return TypeAdapter(Catalogue).validate_python(content)


def mapped(attacks: tuple[Attack, ...]) -> Mapping[str, Mapping[str, int]]:
    """How many attacks there are by family, OWASP entry and ATLAS technique."""
    found: dict[str, dict[str, int]] = {"families": {}, "owasp": {}, "atlas": {}}
    for one in attacks:
        for kind, name in (
            ("families", one.family),
            ("owasp", f"{one.owasp}:2025 {OWASP[one.owasp]}"),
            ("atlas", f"{one.atlas} {ATLAS[one.atlas]}"),
        ):
            found[kind][name] = found[kind].get(name, 0) + 1
    return {kind: dict(sorted(counts.items())) for kind, counts in found.items()}


def _judges(step: Step) -> bool:
    refused = all(status >= 400 for status in step.status)
    return refused or bool(step.absent or step.answer_absent) or step.same_as is not None or step.within_s is not None

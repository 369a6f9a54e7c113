"""`ringfence eval fuzz`: what the description of the API allows, and what it does not, asked with two people's keys.

`schemathesis` makes the requests from the description. No answer may be a server's error, be otherwise than described,
lack a security header, or hold a mark of a document that its person may not read.
"""

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.generation.modes import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from evals.runner.report import Gate, Report
from evals.runner.values import Json
from rag.api.envelope import SECURITY_HEADERS

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EXAMPLES_MAX = 25
_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Person:
    """Who calls. `hidden` are marks of documents that she may not read, `shown` those of documents that she may."""

    name: str
    bearer: str = field(repr=False)
    hidden: frozenset[str]
    shown: frozenset[str]


@dataclass(slots=True)
class Findings:
    """`problems` are (operation, person, what). `seen` counts answers with a mark of the person's own documents."""

    outcomes: Counter[tuple[str, int]] = field(default_factory=Counter)
    leaks: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def operations(self) -> frozenset[str]:
        return frozenset(operation for operation, _ in self.outcomes)

    @property
    def answered(self) -> frozenset[str]:
        """Operations that were answered with success at least once: where they never are, nothing is tried."""
        return frozenset(operation for operation, status in self.outcomes if status < HTTPStatus.MULTIPLE_CHOICES)

    @property
    def server_errors(self) -> int:
        return sum(n for (_, status), n in self.outcomes.items() if status >= HTTPStatus.INTERNAL_SERVER_ERROR)


class Fuzzer:
    """Asks the service at `url` what its description `document` allows. `known` are requests by operation id.

    A known request is what `schemathesis` calls a case: `path_parameters`, `query`, `headers`, `body`, `media_type`.
    Without them nothing real would be opened: nobody guesses the id of a document.
    """

    def __init__(
        self,
        document: dict[str, Any],
        url: str,
        people: Sequence[Person],
        known: Mapping[str, Sequence[dict[str, Any]]],
    ) -> None:
        self._schema = schemathesis.openapi.from_dict(without_credentials(document))
        self._url = url
        self._people = people
        self._known = known
        self.findings = Findings()

    def run(self, examples: int, number: int = 1) -> Findings:
        """So many valid and so many invalid requests of each operation, by each person. `number` draws other ones."""
        with requests.Session() as session:
            session.trust_env = False
            for operation in self._operations():
                name = str(operation.definition.raw["operationId"])
                for known in self._known.get(name, ()):
                    self._ask(name, operation.Case(**known), session)
                for mode in GenerationMode:
                    for case in drawn(operation.as_strategy(generation_mode=mode), examples, number):
                        self._ask(name, case, session)
        return self.findings

    def _operations(self) -> Iterator[APIOperation[Any, Any, Any, Any]]:
        for result in self._schema.get_all_operations():
            if not isinstance(result, Ok):
                raise TypeError("the description cannot be read")
            yield result.ok()

    def _ask(self, operation: str, case: Case[Any], session: requests.Session) -> None:
        for person in self._people:
            headers = {"Authorization": f"Bearer {person.bearer}"}
            try:
                response = case.call(base_url=self._url, session=session, headers=headers, timeout=_TIMEOUT_S)
            except requests.RequestException as cause:
                self.findings.problems.append((operation, person.name, type(cause).__name__))
                continue
            self.findings.outcomes[operation, response.status_code] += 1
            self._look(operation, person, case, response)

    def _look(self, operation: str, person: Person, case: Case[Any], response: Response) -> None:
        text = f"{response.text}\n{response.headers}"
        self.findings.leaks += [(operation, person.name, mark) for mark in person.hidden if mark in text]
        self.findings.seen[person.name] += any(mark in text for mark in person.shown)
        missing = [name for name in (*SECURITY_HEADERS, "X-Request-Id") if name.lower() not in response.headers]
        wrong = [f"lacks {name}" for name in missing]
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            wrong += [
                f"{cause.title}: {cause.message[:300]}" for cause in group.exceptions if isinstance(cause, Failure)
            ]
        self.findings.problems += [(operation, person.name, f"{response.status_code} {what}") for what in wrong]


def without_credentials(document: Mapping[str, Any]) -> dict[str, Any]:
    """The description without its `security`: made-up credentials are refused before anything else is looked at."""
    described: dict[str, Any] = copy.deepcopy(dict(document))
    for methods in described["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    return described


def drawn(strategy: SearchStrategy[Case[Any]], examples: int, number: int) -> list[Case[Any]]:
    """So many different cases, or as many as there are; always the same ones for a number."""
    found: list[Case[Any]] = []

    @seed(number)
    @settings(
        max_examples=examples, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def draw(case: Case[Any]) -> None:
        found.append(case)

    with suppress(Unsatisfiable):  # an operation without parameters cannot be asked wrongly
        draw()
    return found


def report_of(findings: Findings, document: Mapping[str, Any], arguments: dict[str, Json]) -> Report:
    """Figures and gates; the floors see to it that nothing passes by asking nothing."""
    described = sum(len(methods) for methods in document["paths"].values())
    silent = sorted(findings.operations - findings.answered)
    figures: dict[str, Json] = {
        "requests": findings.outcomes.total(),
        "operations": len(findings.operations),
        "never_answered": list(silent),
        "server_errors": findings.server_errors,
        "leaks": len(findings.leaks),
        "problems": len(findings.problems),
        "answers_with_own_marks": dict(findings.seen),
        "examples": [list(one) for one in (*findings.leaks, *dict.fromkeys(findings.problems))[:EXAMPLES_MAX]],
        "outcomes": {f"{operation} {status}": n for (operation, status), n in sorted(findings.outcomes.items())},
    }
    gates = (
        Gate("operations", "at least", described, len(findings.operations)),
        Gate("answers with marks of the person's own documents", "at least", 1, min(findings.seen.values(), default=0)),
    )
    return Report("fuzz", figures, gates, arguments)

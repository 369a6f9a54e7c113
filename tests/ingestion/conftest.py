"""What most tests of ingestion stand on. A module that needs other limits has a `sandbox` of its own."""

from collections.abc import Iterator

import pytest

from ingestion.parse.confine import Limits
from ingestion.parse.sandbox import Sandbox
from ingestion.parts import IngestionParts
from rag.db.engine import Database
from tests.ingestion.worlds import parts_on
from tests.models import loaded_once


@pytest.fixture(scope="module", autouse=True)
def models_loaded_once() -> Iterator[None]:
    with loaded_once():
        yield


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """One for all: it takes a second to start, and parses each document in a process of its own."""
    with Sandbox(Limits(20, 10, 1_500_000_000, 100_000)) as opened:
        yield opened


@pytest.fixture(scope="session")
def roomy_sandbox() -> Iterator[Sandbox]:
    """For documents with much text, which the usual one refuses."""
    with Sandbox(Limits(20, 10, 1_500_000_000, 1_000_000)) as opened:
        yield opened


@pytest.fixture
def parts(database: Database, sandbox: Sandbox) -> IngestionParts:
    return parts_on(database, sandbox)

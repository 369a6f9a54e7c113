"""One recognizer for the whole room: loading it takes seconds."""

import pytest

from rag.privacy.faces import offline_domains
from rag.privacy.keys import TenantKeys
from rag.privacy.recognize import Recognizer, load_recognizer
from rag.privacy.tenant import TenantPrivacy
from rag.settings import PrivacySettings


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    return load_recognizer(PrivacySettings())


@pytest.fixture(scope="session")
def tenant(recognizer: Recognizer) -> TenantPrivacy:
    return TenantPrivacy("acme", TenantKeys.of(b"\x01" * 32), recognizer, offline_domains())


@pytest.fixture(scope="session")
def other_tenant(recognizer: Recognizer) -> TenantPrivacy:
    return TenantPrivacy("globex", TenantKeys.of(b"\x02" * 32), recognizer, offline_domains())

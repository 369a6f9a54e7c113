"""What a worker finds on its node: models, parser processes and the master key, as the settings of the node say."""

from collections.abc import Iterator
from contextlib import contextmanager

import tldextract

from ingestion.cluster.worker import Place
from ingestion.tools import open_tools
from rag.privacy.faces import offline_domains
from rag.privacy.key_sources import open_keys
from rag.privacy.lexicon import Lexicon
from rag.privacy.recognize import Recognizer, load_recognizer
from rag.privacy.vault import Vault
from rag.settings import load_settings

LEFT_OUT: dict[type, str] = {
    Recognizer: "recognizer",
    Lexicon: "lexicon",
    tldextract.TLDExtract: "domains",
    Vault: "vault",
}
"""Parts of a tenant's masking that do not travel: models are on the node, and what opens originals stays at home."""


@contextmanager
def configured_place() -> Iterator[Place]:
    """Load everything (seconds).

    Raises:
        Misuse: the settings cannot be used.
        Damaged: a model's file is not what its manifest says.
    """
    settings = load_settings()
    keys, recognizer = open_keys(settings), load_recognizer(settings.privacy)
    with open_tools(settings, recognizer) as tools:
        given = {"recognizer": recognizer, "lexicon": recognizer.lexicon, "domains": offline_domains(), "vault": None}
        yield Place(tools, keys, given)

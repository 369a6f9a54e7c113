"""Small, exact stand-ins for the two models, so that the path of a document can be run hundreds of times.

Keys, digests, tokens, the vault and the database are the real ones.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import tldextract
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncSession

from rag.domain import SparseVector, digest_of
from rag.privacy import mask as masking
from rag.privacy.faces import FaceMaker, offline_domains
from rag.privacy.keys import MasterKey, TenantKeys, keyed_digest, tenant_keys
from rag.privacy.masked import MaskedText
from rag.privacy.recognize import Finding
from rag.privacy.vault import Vault

VALUES = re.compile(r"(?P<EMAIL_ADDRESS>[\w.]+@[\w.]+\w)|(?P<PERSON>\b(?:Ann Lee|Bo Chan|Kim Chan|Lee|Chan)\b)")


class ListedNames:
    """Masks e-mail addresses and two people with the keys of a real tenant."""

    def __init__(self, master: MasterKey, configuration: str = "", redacted: frozenset[str] = frozenset()) -> None:
        self._master = master
        self._rules = configuration, redacted
        self._domains = offline_domains()

    async def for_tenant(self, session: AsyncSession, tenant: str) -> "ListedNamesOfTenant":
        return ListedNamesOfTenant(
            tenant, await tenant_keys(session, tenant, self._master), self._domains, *self._rules
        )


class ListedNamesOfTenant:
    def __init__(
        self,
        tenant: str,
        keys: TenantKeys,
        domains: tldextract.TLDExtract,
        configuration: str = "",
        redacted: frozenset[str] = frozenset(),
    ) -> None:
        self.configuration = configuration
        self.redacted = redacted
        self.vault = Vault(tenant, keys.vault)
        self._digests = keys.digests
        self._faces = FaceMaker(keys.tokens, keys.words, domains)

    def digest(self, purpose: str, *parts: str | bytes) -> bytes:
        return keyed_digest(self._digests, purpose, *parts)

    def mask(self, texts: Sequence[str]) -> list[MaskedText]:
        return [
            masking.apply(text, list(map(finding, VALUES.finditer(text))), self._faces, self.redacted) for text in texts
        ]


def finding(match: "re.Match[str]") -> Finding:
    return Finding(match.start(), match.end(), str(match.lastgroup), 1.0)


class CountingEmbedder:
    """Vectors from digests; counts the texts that it was given. A token is a word or a mark."""

    name = "stand-in"
    digest = "stand-in"
    dim = 8
    tokens_max = 64

    def __init__(self) -> None:
        self.embedded = 0

    def count_tokens(self, text: str) -> int:
        return len(re.findall(r"\w+|[^\w\s]", text)) + 2

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += len(texts)
        assert all(self.count_tokens(text) <= self.tokens_max for text in texts)
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        raw = np.frombuffer(digest_of([text])[: self.dim], dtype=np.uint8).astype(np.float32) + 1
        return np.asarray(raw / np.linalg.norm(raw), dtype=np.float32)


class CountedPairs:
    """Term ids by position in the alphabet."""

    digest = "stand-in"

    def encode_passage(self, text: str) -> SparseVector:
        terms = sorted({ord(a) * 128 + ord(b) for a, b in pairwise(text) if ord(a) < 128 and ord(b) < 128})
        return SparseVector(np.array(terms, dtype=np.uint32), np.ones(len(terms), dtype=np.float32))

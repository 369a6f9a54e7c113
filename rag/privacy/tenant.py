"""Privacy for one tenant: masking documents and questions, digests, and the vault, all under the tenant's own keys."""

import re
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence

import tldextract
from sqlalchemy.ext.asyncio import AsyncSession

from rag.privacy import mask as masking
from rag.privacy.candidates import Candidate, CandidateFinder
from rag.privacy.configured import Configurations
from rag.privacy.faces import FaceMaker, normalise, offline_domains
from rag.privacy.key_sources import open_keys
from rag.privacy.keys import KeySource, TenantKeys, keyed_digest, tenant_keys
from rag.privacy.known_values import known_values_key
from rag.privacy.masked import MaskedText
from rag.privacy.operators import Operator
from rag.privacy.propagate import propagate
from rag.privacy.recognize import GUESS_SCORE, Finding, Recognizer, load_recognizer, resolve_overlaps
from rag.privacy.tenant_rules import DEFAULT, TenantRules
from rag.privacy.unmask import stand_ins_in
from rag.privacy.vault import Vault
from rag.settings import PrivacySettings, Settings

LEAVE: tuple[str, ...] = PrivacySettings.model_fields["leave"].default
RULES_KEPT = 64
"""Tenants whose rules are kept ready; a large directory takes some hundred megabytes."""


class TenantPrivacy:
    """Masks with the keys of one tenant. Synchronous methods are CPU-bound: call them from a worker thread."""

    def __init__(
        self,
        tenant: str,
        keys: TenantKeys,
        recognizer: Recognizer,
        domains: tldextract.TLDExtract,
        rules: TenantRules = DEFAULT,
        leave: Sequence[str] = LEAVE,
    ) -> None:
        """`rules` are the tenant's own; `leave` are the kinds that the settings leave alone."""
        self.tenant = tenant
        self.rules = rules
        self._left = rules.left_of(leave)
        self.vault = Vault(tenant, keys.vault)
        self._digest_key = keys.digests
        self._recognizer = recognizer
        self._faces = FaceMaker(keys.tokens, keys.words, domains)
        self._candidates = CandidateFinder(self._faces, recognizer.lexicon)

    def __repr__(self) -> str:
        return f"TenantPrivacy({self.tenant!r})"

    def digest(self, purpose: str, *parts: str | bytes) -> bytes:
        """A keyed digest of the parts, 32 bytes: equal only for equal parts, purpose and tenant."""
        return keyed_digest(self._digest_key, purpose, *parts)

    @property
    def configuration(self) -> str:
        """The tenant's configuration of masking, as a digest; empty: the default."""
        return self.rules.digest

    @property
    def kept(self) -> frozenset[str]:
        """The entities that are not looked for and stay as they are."""
        return self._left

    @property
    def redacted(self) -> frozenset[str]:
        """The entities of which nothing is kept."""
        return self.rules.redacted

    def operator(self, entity: str) -> Operator:
        """What is done with a value of this kind."""
        if entity in self._left:
            return Operator.KEEP
        return Operator.REDACT if entity in self.rules.redacted else Operator.TOKEN

    def find(self, texts: Sequence[str], *, everywhere: bool = True) -> list[list[Finding]]:
        """What is masked in the texts of one document; with `everywhere`, each further mention as well."""
        found = self.rules.find(texts, self._recognizer, self._left)
        if not everywhere:
            return found
        spread = propagate(texts, found, self._recognizer.lexicon)
        return [self.rules.permitted(text, some, self._left) for text, some in zip(texts, spread, strict=True)]

    def mask(self, texts: Sequence[str | MaskedText]) -> list[MaskedText]:
        """Mask the texts of one document; what is found in one of them is masked in all.

        Text that looks like a token is masked too (entity LITERAL), so no document can forge one. A `MaskedText` is
        given back as it is: masking twice equals once.
        """
        raw = [text for text in texts if isinstance(text, str)]
        found = zip(raw, self.find(raw), strict=True)
        masked = (self._apply(text, findings) for text, findings in found)
        return [next(masked) if isinstance(text, str) else text for text in texts]

    def mask_question(self, text: str, known: Collection[str] | None = None) -> MaskedText:
        """Mask a question so that it meets the documents that it is about.

        `known` are the tokens of those `candidates` that stand in documents which the asker may read: they are then
        recognised in any case, surnames alone too, and a single word that only the model takes for a name is left
        as it is. Tokens of other documents must not be among them: the answer would tell that these exist.
        """
        findings = self.find([text])[0]
        if known is not None:
            held = [candidate for token, candidate in self._candidates.find(text) if token in known]
            findings = [f for f in findings if self._is_supported(text, f, known)]
            findings = resolve_overlaps(text, [*findings, *held])
        return self._apply(text, findings)

    def candidates(self, question: str) -> tuple[Candidate, ...]:
        """The words and groups of words of a question that could be values which documents hold."""
        return self._candidates.candidates(question)

    def index_face_of_reading(self, text: str, originals: Mapping[str, str]) -> str:
        """The index face of a stored reading text, given the originals of its tokens."""
        return masking.index_face_of_reading(text, originals, self._faces)

    def scan_output(
        self, text: str, allowed: Collection[str] = (), sources: Collection[str] = (), before: str = ""
    ) -> str:
        """Generated text in which personal data is masked, unless it is among the `allowed` originals.

        `sources` are the reading texts that the generator saw: what stands in them was already judged to be no
        personal data. Tokens in the text stay as they are. `before` is what was written ahead of it: a name that
        stands there is found here too.
        """
        tokens = stand_ins_in(text)
        findings = self._find_behind(before, text)
        keep = _Allowed(allowed, sources)
        out: list[str] = []
        done = 0
        for finding in findings:
            value = text[finding.start : finding.end]
            system_made = any(token.start < finding.end and finding.start < token.end for token in tokens)
            if not system_made and not keep.has(finding.entity, value):
                shown = masking.stand_in(finding.entity, value, self._faces, self.rules.redacted)
                out += (text[done : finding.start], shown)
                done = finding.end
        return "".join([*out, text[done:]])

    def _apply(self, text: str, findings: Sequence[Finding]) -> MaskedText:
        return masking.apply(text, findings, self._faces, self.rules.redacted)

    def _find_behind(self, before: str, text: str) -> list[Finding]:
        """What is found in the text alone, and what is found in it behind `before`: either may tell more."""
        if not before:
            return self.find([text])[0]
        alone, behind = self.find([text, before + text])
        shift = len(before)
        moved = (Finding(max(f.start - shift, 0), f.end - shift, f.entity, f.score) for f in behind if f.end > shift)
        return resolve_overlaps(text, [*alone, *moved])

    def _is_supported(self, text: str, finding: Finding, known: Collection[str]) -> bool:
        value = text[finding.start : finding.end]
        if finding.entity != "PERSON" or finding.score != GUESS_SCORE or not value.isalpha():
            return True
        return self._recognizer.lexicon.is_name(value.casefold()) or self._faces.token("PERSON", value) in known


class _Allowed:
    """Values that may stand in generated text."""

    def __init__(self, originals: Collection[str], sources: Collection[str]) -> None:
        self._originals = tuple(originals)
        self._words = {part for original in originals for part in normalise("PERSON", original).split()}
        self._sources = tuple(normalise("PERSON", source) for source in sources)

    def has(self, entity: str, value: str) -> bool:
        folded = normalise("PERSON", value)
        if any(re.search(rf"(?<!\w){re.escape(folded)}(?!\w)", source) for source in self._sources):
            return True
        if entity == "PERSON":
            # A part of an allowed name is allowed as well.
            return all(word in self._words for word in folded.split())
        return normalise(entity, value) in {normalise(entity, original) for original in self._originals}


class Privacy:
    """Makes `TenantPrivacy` for any tenant. One per process."""

    def __init__(self, master: KeySource, recognizer: Recognizer, leave: Sequence[str] = LEAVE) -> None:
        self.master = master
        self.recognizer = recognizer
        self._leave = tuple(leave)
        self._rules: OrderedDict[tuple[str, bytes], TenantRules] = OrderedDict()
        self._domains = offline_domains()

    async def for_tenant(self, session: AsyncSession, tenant: str) -> TenantPrivacy:
        """Privacy of this tenant; its data key is created in the session's transaction on first use.

        Ask again in each unit of work: a key made in a session that is never committed is gone with it.

        Raises:
            Damaged: the master key is not the one that wrapped the tenant's key, or the configuration was changed in
                the database.
        """
        keys = await tenant_keys(session, tenant, self.master)
        rules = await self._newest_rules(session, tenant, known_values_key(keys))
        return TenantPrivacy(tenant, keys, self.recognizer, self._domains, rules, self._leave)

    async def _newest_rules(self, session: AsyncSession, tenant: str, key: bytes) -> TenantRules:
        """One indexed row is read each time: a changed configuration holds for the next text."""
        configurations = Configurations(session, tenant)
        number = await configurations.newest_number()
        kept = self._rules.get((tenant, key))
        if kept is None or kept.version != number:
            kept = await configurations.rules(number, key, self.recognizer.lexicon.may_be_word)
        self._rules[tenant, key] = kept
        self._rules.move_to_end((tenant, key))
        while len(self._rules) > RULES_KEPT:
            self._rules.popitem(last=False)
        return kept


def open_privacy(settings: Settings, recognizer: Recognizer | None = None) -> Privacy:
    """Open the master key and load the recognizer (seconds), unless one is given.

    Raises:
        Misuse: the master key cannot be read.
        Damaged: a model file is not the one in the manifest.
    """
    found = recognizer or load_recognizer(settings.privacy)
    return Privacy(open_keys(settings), found, settings.privacy.leave)

"""By what a document, and what was made of it, is known again."""

from ingestion.chunk import CHUNKER_VERSION
from ingestion.lineage import Makers
from ingestion.parse.ocr import made_by as pages_made_by
from ingestion.parse.sandbox import PARSER_VERSION
from ingestion.parts import TenantMasking, Tools
from ingestion.sources.protocol import WITHIN, SourceItem, SourcePlace
from rag.db.index_table import FIRST_NUMBER
from rag.db.tables import VersionRow
from rag.domain import content_id, digest_of
from rag.injection.findings import DETECTOR_VERSION

PIPELINE_VERSION = "1"
_HALF = 32
"""Hexadecimal digits of an identity's digest that tell of which archive a member is: 128 bits."""


def identity_digest(privacy: TenantMasking, source: str, identity: str) -> str:
    """Of a member of an archive, it begins as that of the archive does: so its members are known without it."""
    archive, within, member = identity.partition(WITHIN)
    own = privacy.digest("path", source, archive).hex()
    return own[:_HALF] + privacy.digest("member", source, archive, member).hex()[:_HALF] if within else own


def archive_half(digest: str) -> str:
    """Of the digest of an identity: what all members of an archive, and the archive itself, have in common."""
    return digest[:_HALF]


def document_id(privacy: TenantMasking, source: str, identity: str) -> str:
    return content_id("doc", privacy.digest("document", source, identity))


def content_digest(privacy: TenantMasking, item: SourceItem, data: bytes) -> str:
    """Of what is parsed: the bytes, and the name where a document can get another one."""
    return privacy.digest("content", data, *_name_of(item)).hex()


def revision_digest(privacy: TenantMasking, source: str, item: SourceItem) -> str:
    """Of the source's revision; empty where it gives none."""
    return privacy.digest("revision", source, item.revision, *_name_of(item)).hex() if item.revision else ""


def place_digest(privacy: TenantMasking, source: str, place: SourcePlace) -> str:
    # The path of a folder may be no text, and then has surrogates in it.
    parts = (part.encode("utf-8", "surrogatepass") for part in (place.shown, place.account))
    return privacy.digest("place", source, *parts).hex()


def _name_of(item: SourceItem) -> list[str]:
    return [] if item.path == item.identity else [item.path]


def pipeline_digest(parts: Tools, configuration: str, hidden: str = "", *, index: int = FIRST_NUMBER) -> str:
    """By what a version was made. When it changes, the version is made again.

    `configuration` is the tenant's, of masking; `hidden` is what is done with the document's hidden content. Each
    index, by its number, has versions of its own.
    """
    # Nothing that is visible was let through by a laxer setting.
    injection = "injection=quarantine" if parts.settings.injection == "quarantine" else ""
    beside = "" if index == FIRST_NUMBER else f"index={index}"
    own = [part for part in (configuration, hidden, injection, pages_made_by(parts.settings), beside) if part]
    return digest_of(
        [
            PIPELINE_VERSION,
            PARSER_VERSION,
            DETECTOR_VERSION,
            CHUNKER_VERSION,
            str(parts.settings.chunk_tokens),
            parts.masking_digest,
            parts.embedder.digest,
            parts.lexical.digest,
            *own,
        ]
    ).hex()


def makers_of(parts: Tools, hidden: str, made_by: str) -> Makers:
    """`hidden` is what is done with the document's hidden content, as in `pipeline_digest`."""
    return Makers(
        made_by=made_by,
        parser=" ".join((PARSER_VERSION, pages_made_by(parts.settings))).rstrip(),
        hidden_content=hidden,
        injection_rules=DETECTOR_VERSION,
        # It spells out the settings of masking, patterns of the company among them: a digest tells two apart as well.
        recognizers=digest_of([parts.masking_digest]).hex(),
        chunker=CHUNKER_VERSION,
        chunk_tokens=parts.settings.chunk_tokens,
        embedder=parts.embedder.name,
        embedder_digest=parts.embedder.digest,
        lexical_digest=parts.lexical.digest,
    )


def made_of(version: VersionRow | None, content: str, pipeline: str) -> bool:
    """Whether a version was made of this content by this pipeline."""
    return version is not None and (version.content_digest, version.pipeline_digest) == (content, pipeline)

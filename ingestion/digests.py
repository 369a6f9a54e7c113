"""By what a document, and what was made of it, is known again."""

from ingestion.chunk import CHUNKER_VERSION
from ingestion.parse.sandbox import PARSER_VERSION
from ingestion.parts import IngestionParts, TenantMasking
from ingestion.planted import PLANTED_VERSION
from rag.db.tables import VersionRow
from rag.domain import digest_of

PIPELINE_VERSION = "1"


def path_digest(privacy: TenantMasking, source: str, path: str) -> str:
    return privacy.digest("path", source, path).hex()


def pipeline_digest(parts: IngestionParts, configuration: str) -> str:
    """By what a version was made; `configuration` is the tenant's, of masking. When it changes, all is made again."""
    own = [configuration] if configuration else []
    return digest_of(
        [
            PIPELINE_VERSION,
            PARSER_VERSION,
            PLANTED_VERSION,
            CHUNKER_VERSION,
            str(parts.settings.chunk_tokens),
            parts.masking_digest,
            parts.embedder.digest,
            parts.lexical.digest,
            *own,
        ]
    ).hex()


def made_of(version: VersionRow | None, content: str, pipeline: str) -> bool:
    """Whether a version was made of this content by this pipeline."""
    return version is not None and (version.content_digest, version.pipeline_digest) == (content, pipeline)

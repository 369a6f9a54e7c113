"""What a version is made by, each part for itself. The pipeline digest says whether two are made alike; this says in
what they differ (`ingestion.digests`)."""

from dataclasses import dataclass

from rag.db.tables import LineageRow


@dataclass(frozen=True, slots=True)
class Makers:
    """The parts that make a version. `made_by` is the command or the job; `hidden_content` is empty for the default.

    The tenant's configuration of masking is kept with the version itself, since it decides what is outdated.
    """

    made_by: str
    parser: str
    hidden_content: str
    injection_rules: str
    recognizers: str
    chunker: str
    chunk_tokens: int
    embedder: str
    embedder_digest: str
    lexical_digest: str

    def row(self, tenant: str, version: str) -> LineageRow:
        return LineageRow(
            version=version,
            tenant=tenant,
            made_by=self.made_by,
            parser=self.parser,
            hidden_content=self.hidden_content,
            injection_rules=self.injection_rules,
            recognizers=self.recognizers,
            chunker=self.chunker,
            chunk_tokens=self.chunk_tokens,
            embedder=self.embedder,
            embedder_digest=self.embedder_digest,
            lexical_digest=self.lexical_digest,
        )

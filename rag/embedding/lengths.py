"""The one refusal of passages that are longer than a model reads."""

from collections.abc import Sequence

from rag.errors import Misuse


def refuse_longer(counts: Sequence[int], tokens_max: int, model: str) -> None:
    """Return if no passage has more tokens than `tokens_max`.

    Raises:
        Misuse: one has; the message names its position, never its content.
    """
    for position, count in enumerate(counts):
        if count > tokens_max:
            raise Misuse(
                f"Passage {position} has {count} tokens; {model} reads {tokens_max} and would drop the rest. "
                "Lower RINGFENCE_INGESTION__CHUNK_TOKENS.",
                code="text_too_long",
            )

"""The model server by itself: asked without anything of ours but its prompts, and its own count of tokens."""

import time
from dataclasses import replace

import httpx
from prometheus_client.parser import text_string_to_metric_families

from evals.serving.figures import Timing
from rag.errors import GeneratorUnavailable
from rag.generation.event_stream import read_pieces
from rag.generation.layout import laid_out
from rag.generation.messages import build_messages, load_prompts
from rag.generation.protocol import GenerationRequest
from rag.settings import GeneratorSettings

ANSWER_TOKENS = 64
_TOKENS = "vllm:generation_tokens_total"


class Bare:
    """The first server of the settings."""

    def __init__(self, settings: GeneratorSettings) -> None:
        key = settings.api_key
        self._model = settings.model or ""
        self._prompts = load_prompts()
        self._root = settings.base_urls[0].removesuffix("/v1")
        self._client = httpx.AsyncClient(
            base_url=settings.base_urls[0] + "/",
            headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {},
            timeout=settings.first_token_timeout_s,
            trust_env=False,
        )

    async def ask(self, request: GenerationRequest) -> Timing:
        laid = replace(request, passages=tuple(laid_out(request.passages)))
        body = {
            "model": self._model,
            "messages": build_messages(self._prompts, laid),
            "max_tokens": ANSWER_TOKENS,
            "temperature": 0.0,
            "stream": True,
            "cache_salt": request.cache_salt,
        }
        began, first, last, pieces = time.perf_counter(), 0.0, 0.0, list[str]()
        async with self._client.stream("POST", "chat/completions", json=body) as response:
            response.raise_for_status()
            async for piece in read_pieces(response.aiter_bytes()):
                last = time.perf_counter()
                first = first or last
                pieces.append(piece)
        return Timing((first - began) * 1000, (last - first) * 1000, "".join(pieces))

    async def tokens_written(self) -> float:
        """All tokens that the server ever wrote, by its own counter.

        Raises:
            GeneratorUnavailable: it does not tell, as servers other than vLLM.
        """
        told = await self._client.get(f"{self._root}/metrics")
        families = text_string_to_metric_families(told.text if told.is_success else "")
        samples = [s.value for family in families for s in family.samples if s.name == _TOKENS]
        if not samples:
            raise GeneratorUnavailable(f"The model server tells no {_TOKENS} at /metrics; vLLM does.")
        return sum(samples)

    async def close(self) -> None:
        await self._client.aclose()

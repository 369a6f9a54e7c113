"""Whether every model server that the settings name answers, and serves the model."""

import pytest

from rag.api.probes import reach_model_server
from rag.errors import Unavailable
from rag.settings import GeneratorSettings
from tests.generation.stand_in import StandIn, stand_in


def settings_for(*base_urls: str) -> GeneratorSettings:
    return GeneratorSettings(kind="openai", base_url=" ".join(base_urls), model="m")


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

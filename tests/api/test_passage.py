"""Issue 2, point 5: a citation's link opens the passage for those who may read it then, and only those."""

import httpx
import pytest

from rag.api.passage import prefers_html
from tests.api.conftest import Bearers, ScriptedPath

LINK = "/api/v1/documents/doc_a/versions/ver_a/passage?start=10&end=34"


def bearing(bearer: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {bearer}", **headers}


async def test_the_passage_opens_for_its_reader_and_for_nobody_else(
    client: httpx.AsyncClient, bearers: Bearers, path: ScriptedPath
) -> None:
    opened = await client.get(LINK, headers=bearing(bearers.person))
    refused = await client.get(LINK, headers=bearing(bearers.bob))
    assert opened.status_code == 200
    assert opened.json() == {
        "document": "doc_a",
        "version": "ver_a",
        "span": {"start": 10, "end": 34},
        "page": 2,
        "title": "Leave <b>",
        "level": "internal",
        "text": "Annual leave is 28 days. <script>x</script>",
        "url": f"http://127.0.0.1:8080{LINK}",
    }
    assert refused.status_code == 404
    assert refused.headers["content-type"] == "application/problem+json"
    assert [(span.start, span.end) for _, _, span, _ in path.opened] == [(10, 34), (10, 34)]


async def test_the_page_for_browsers_is_text_and_nothing_else(client: httpx.AsyncClient, bearers: Bearers) -> None:
    accept = "text/html,application/xhtml+xml,*/*;q=0.8"
    page = await client.get(LINK, headers=bearing(bearers.person, Accept=accept))
    assert page.headers["content-type"].startswith("text/html")
    assert "&lt;script&gt;x&lt;/script&gt;" in page.text
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html", True),
        ("text/html, application/json", True),
        ("application/json, text/html", False),
    ],
)
def test_html_is_for_those_who_ask_for_it_first(accept: str, html: bool) -> None:
    assert prefers_html(accept) is html


@pytest.mark.parametrize(
    "query", ["", "?start=10", "?start=-1&end=4", "?start=a&end=b", "?start=9&end=9", "?start=9&end=3"]
)
async def test_a_malformed_span_is_a_problem_that_does_not_echo_it(
    query: str, client: httpx.AsyncClient, bearers: Bearers, path: ScriptedPath
) -> None:
    response = await client.get(LINK.partition("?")[0] + query, headers=bearing(bearers.person))
    assert response.status_code in (400, 422)
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert path.opened == []

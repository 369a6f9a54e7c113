"""Opening a citation: the passage, for those who may read it at that moment."""

import hashlib
from base64 import b64encode
from html import escape
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from rag.api.caller import RequiredPrincipal
from rag.api.completions import passage_url
from rag.api.parts import state_of
from rag.api.streams import unless_left
from rag.domain import Span
from rag.errors import Misuse
from rag.query.passages import OpenedPassage

router = APIRouter(prefix="/api/v1")

_STYLE = "body{max-width:44rem;margin:3rem auto;font:1rem/1.6 serif}p{white-space:pre-wrap}small{color:#555}"
_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'"
_Id = Annotated[str, Path(max_length=64)]
_Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]


@router.get("/documents/{document}/versions/{version}/passage", operation_id="open_passage")
async def open_passage(
    request: Request, document: _Id, version: _Id, start: _Offset, end: _Offset, principal: RequiredPrincipal
) -> Response:
    """The text of a cited span: as JSON, or as a plain page where `Accept` prefers one."""
    if end <= start:
        raise Misuse("The passage is empty: `end` must be greater than `start`.")
    parts = state_of(request).parts
    opening = parts.path.open_passage(document, version, Span(start, end), principal)
    passage = await unless_left(request.receive, opening)
    if prefers_html(request.headers.get("accept", "")):
        return HTMLResponse(page(passage), headers={"Content-Security-Policy": _PAGE_POLICY, "Vary": "Accept"})
    record = {
        "document": passage.document,
        "version": passage.version,
        "span": {"start": passage.span.start, "end": passage.span.end},
        "page": passage.page,
        "title": passage.title,
        "level": passage.level.name.lower(),
        "text": passage.text,
        "url": passage_url(parts.public_url, passage.document, passage.version, passage.span),
    }
    return JSONResponse(record, headers={"Vary": "Accept"})


def prefers_html(accept: str) -> bool:
    """True when `text/html` is named and not after `application/json`: browsers name it first."""
    names = [item.partition(";")[0].strip().lower() for item in accept.split(",")]
    if "text/html" not in names:
        return False
    return "application/json" not in names or names.index("text/html") < names.index("application/json")


def page(passage: OpenedPassage) -> str:
    """A page of text and nothing else: no script, no link, no image, everything escaped."""
    where = "" if passage.page is None else f", page {passage.page}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex">'
        f"<title>{escape(passage.title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(passage.title)}</h1>"
        f"<p><small>{passage.level.name.lower()}{where}, characters {passage.span.start} to {passage.span.end}"
        f" of version {escape(passage.version)}</small></p>"
        f"<p>{escape(passage.text)}</p></body></html>"
    )

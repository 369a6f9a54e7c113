"""Links of results as resources: reading one decides anew, for the person of this call."""

import re

from mcp_types import ReadResourceResult, ResourceTemplate, TextResourceContents

from rag.api.completions import PASSAGE_PATH
from rag.api.mcp.call import Call
from rag.api.mcp.refusals import protocol_error
from rag.api.mcp.shapes import MEDIA_TYPE
from rag.domain import Span
from rag.errors import Misuse, NotFound

_ID, _OFFSET = r"([\w-]{1,64})", r"(\d{1,9})"
_PATH = re.compile(PASSAGE_PATH.replace("?", r"\?").format(document=_ID, version=_ID, start=_OFFSET, end=_OFFSET))


def passage_template(call: Call) -> ResourceTemplate:
    """The form of the links; which there are is told by results alone."""
    return ResourceTemplate(
        uri_template=call.parts.public_url + PASSAGE_PATH.format(
            document="{document}", version="{version}", start="{start}", end="{end}"
        ),
        name="passage",
        title="Cited passage",
        description="The text of a cited span, for those who may read it at that moment.",
        mime_type=MEDIA_TYPE,
    )  # fmt: skip


async def read_passage(call: Call, uri: str) -> ReadResourceResult:
    """The passage behind a link of a result.

    Raises:
        MCPError: anything else; the same for what does not exist and for what she may not read.
    """
    try:
        person = await call.principal()
        document, version, span = _parsed(uri, call.parts.public_url)
        passage = await call.parts.path.open_passage(document, version, span, person)
    except Exception as cause:  # noqa: BLE001 - the outermost door: the caller gets our code and words
        raise protocol_error(call.request, cause) from None
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=MEDIA_TYPE, text=passage.text)])


def _parsed(uri: str, public_url: str) -> tuple[str, str, Span]:
    found = _PATH.fullmatch(uri.removeprefix(public_url)) if uri.startswith(public_url) else None
    if found is None:
        raise NotFound("There is no such passage, or none that you may read.")
    start, end = int(found[3]), int(found[4])
    if end <= start:
        raise Misuse("The passage is empty: `end` must be greater than `start`.")
    return found[1], found[2], Span(start, end)

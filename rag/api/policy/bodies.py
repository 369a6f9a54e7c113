"""What may be sent to the policy's routes: the shapes, and how they are read."""

import unicodedata
from typing import Annotated, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from policies.edits import InvalidEdit
from policies.files.edit_file import EditFile
from policies.files.file_format import WRITTEN_FORMS
from rag.api.schemas import read_body
from rag.errors import RingfenceError

EPOCH_MAX = 2**31 - 1
NAME_CHARS_MAX = 160
GROUPS_MAX = 500
REASON_CHARS_MAX = 1000
_Model = TypeVar("_Model", bound=BaseModel)
_UNPRINTED = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that break a line, change a terminal, or are not text."""


def _one_line(value: str) -> str:
    # A history is read in terminals, and not every database stores a null character.
    if any(unicodedata.category(character) in _UNPRINTED for character in value):
        raise ValueError("must be one line of text")
    return value.strip()


Reason = Annotated[str, Field(max_length=REASON_CHARS_MAX), AfterValidator(_one_line)]
Epoch = Annotated[int, Field(ge=0, le=EPOCH_MAX)]
_Name = Annotated[str, Field(max_length=NAME_CHARS_MAX)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class EditBody(EditFile):
    """An edit as in edit files, and what is wanted with it. Ids of rules are those of `GET /api/v1/policy`."""

    reason: Reason = ""
    expose_canaries: bool = False


class RollbackBody(_Body):
    to: Epoch
    reason: Reason = ""
    expose_canaries: bool = False


class WhatBody(_Body):
    """`groups` are what the identity provider would vouch for. A name's kind may be left out: `ann` is `user:ann`."""

    person: _Name
    action: _Name = "read"
    assistant: _Name | None = None
    groups: Annotated[list[_Name], Field(max_length=GROUPS_MAX)] = []


class ExplainBody(WhatBody):
    document: _Name


async def read_lines(request: Request, model: type[_Model]) -> _Model:
    """As `rag.api.schemas.read_body`, but it says what is wrong with a value: here it is the caller's own line.

    Raises:
        InvalidEdit: a value is not one that a policy may have; names its place.
    """
    try:
        return await read_body(request, model)
    except RequestValidationError as cause:
        found = next((error for error in cause.errors() if error["type"] == "value_error"), None)
        if found is None:
            raise
        place = ".".join(str(part) for part in found["loc"][1:] if part not in WRITTEN_FORMS)
        raise InvalidEdit(f"{place}: {found['msg'].removeprefix('Value error, ')}.") from None


async def read_yaml(request: Request) -> bytes:
    """The body, if it is declared as YAML.

    Raises:
        RingfenceError: it is not (`unsupported_media_type`).
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/yaml":
        raise RingfenceError("Send YAML with Content-Type: application/yaml.", code="unsupported_media_type")
    return await request.body()

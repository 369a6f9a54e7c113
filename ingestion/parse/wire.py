"""What a parser process may say."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ingestion.parse.document import ARCHIVE_BYTES_MAX, ARCHIVE_MEMBERS_MAX, HEADING_MAX, NOTE, Reason
from ingestion.parse.members import PATH_CHARS_MAX
from rag.hidden_content import HiddenKind

_Short = Annotated[str, Field(max_length=300)]
_PieceOnWire = tuple[
    str,
    Annotated[int, Field(ge=0, le=HEADING_MAX)],
    Annotated[int, Field(ge=1)] | None,
    Annotated[int, Field(ge=0)],
    bool,
]
_Count = Annotated[int, Field(ge=0, le=10_000_000)]
_Size = Annotated[int, Field(ge=0, le=ARCHIVE_BYTES_MAX)]
_Code = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
_Name = Annotated[str, Field(max_length=PATH_CHARS_MAX)]


class Heard(BaseModel):
    """What a child may say. It has read hostile bytes: it may say anything, so only this is heard."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cut: tuple[Literal["chroot", "landlock", "seccomp"], ...]
    media_type: Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9.+-]{1,80}$")] = ""
    title: _Short = ""
    pieces: tuple[_PieceOnWire, ...] = ()
    notes: Annotated[tuple[Annotated[str, Field(pattern=f"^{NOTE}$")], ...], Field(max_length=20)] = ()
    hidden: dict[HiddenKind, _Count] = {}
    awaited: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(max_length=5_000)] = ()
    members: Annotated[tuple[tuple[_Count, _Name, _Size], ...], Field(max_length=ARCHIVE_MEMBERS_MAX)] = ()
    skipped: Annotated[tuple[tuple[_Name, _Code], ...], Field(max_length=ARCHIVE_MEMBERS_MAX)] = ()
    reason: Reason | None = None
    detail: Annotated[str, Field(pattern=r"^[ -~]{0,200}$")] = ""

"""What a service of documents answers (`kind: http`): deploy/source-protocol.md, checked as it comes in."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingestion.sources.identities import Permissions, SourcePrincipal

ID_CHARS_MAX = 512
_Id = Field(min_length=1, max_length=ID_CHARS_MAX, pattern=r"^[^\x00-\x1f\x7f]*$")
_Revision = Field("", max_length=ID_CHARS_MAX, pattern=r"^[!#-~]*$")
"""As an entity tag can hold it."""
_Token = Field("", max_length=4096)


class _Answer(BaseModel):
    """Fields that are not known here are passed over: a service may say more."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Document(_Answer):
    """One document. Of a removed one, only its id is given."""

    id: str = _Id
    removed: bool = False
    path: str = Field("", max_length=4096, repr=False)
    revision: str = _Revision
    size: int = Field(0, ge=0)
    modified_ms: int = Field(0, ge=0, lt=2**53)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.id in (".", ".."):
            raise ValueError("this id means another place in an address")
        if not self.removed and not (self.path and self.revision):
            raise ValueError("a document needs a path and a revision")
        return self


class Principal(_Answer):
    kind: Literal["user", "group"]
    id: str = _Id

    def ours(self) -> SourcePrincipal:
        return SourcePrincipal(self.kind, self.id)


class Reading(_Answer):
    """Who may read a document, as it stood when the document had this revision."""

    id: str = _Id
    revision: str = Field(max_length=ID_CHARS_MAX)
    owner: Principal | None = None
    readers: tuple[Principal, ...] = ()
    denied: tuple[Principal, ...] = ()

    def permissions(self) -> Permissions:
        return Permissions(
            self.owner.ours() if self.owner else None,
            frozenset(one.ours() for one in self.readers),
            frozenset(one.ours() for one in self.denied),
        )


class Page(_Answer):
    """`cursor` and `complete` are those of the first page."""

    next: str = _Token
    cursor: str = _Token
    complete: bool = True


class DocumentPage(Page):
    documents: tuple[Document, ...]


class PermissionPage(Page):
    permissions: tuple[Reading, ...]

"""What docling-serve may answer: of its protocol, version 1, and of a DoclingDocument only what is read here."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

ITEMS_MAX = 20_000
"""Of one kind on one page, and children of one item."""
CELLS_MAX = 50_000
COLUMNS_MAX = 1_000

_Label = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
_Offset = Annotated[int, Field(ge=0, le=CELLS_MAX)]


class Nonsense(Exception):
    """A document that does not hold together. The message holds nothing of it."""


class _Answer(BaseModel):
    """Other fields are left out: what is not known here is not relied on."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Ref(_Answer):
    """Points at an item of the document, as `#/texts/3`."""

    at: str = Field(alias="$ref", pattern=r"^#/[a-z_]{1,20}/(0|[1-9][0-9]{0,5})$")

    @property
    def place(self) -> tuple[str, int]:
        _, kind, number = self.at.split("/")
        return kind, int(number)


_Refs = Annotated[tuple[Ref, ...], Field(max_length=ITEMS_MAX)]


class Item(_Answer):
    """A node of the document. `layer` says whether it is part of what is read, or stands around it."""

    label: _Label
    children: _Refs = ()
    layer: Literal["body", "furniture", "background", "invisible", "notes"] = Field("body", alias="content_layer")


class Text(Item):
    text: str = Field(repr=False)
    orig: str = Field("", repr=False)
    level: int = Field(1, ge=1, le=100)
    marker: str = Field("", max_length=100, repr=False)


class Cell(_Answer):
    text: str = Field(repr=False)
    first_row: _Offset = Field(alias="start_row_offset_idx")
    end_row: _Offset = Field(alias="end_row_offset_idx")
    first_column: _Offset = Field(alias="start_col_offset_idx")
    end_column: _Offset = Field(alias="end_col_offset_idx")
    column_header: bool = False


class Grid(_Answer):
    num_rows: int = Field(ge=0, le=CELLS_MAX)
    num_cols: int = Field(ge=0, le=COLUMNS_MAX)
    cells: Annotated[tuple[Cell, ...], Field(max_length=CELLS_MAX)] = Field((), alias="table_cells")


class Table(Item):
    captions: _Refs = ()
    data: Grid


class Picture(Item):
    captions: _Refs = ()


class GraphCell(_Answer):
    text: str = Field(repr=False)


class Graph(_Answer):
    cells: Annotated[tuple[GraphCell, ...], Field(max_length=ITEMS_MAX)] = ()


class Form(Item):
    graph: Graph


class Document(_Answer):
    """A DoclingDocument: lists of items by kind, and a tree of them, whose root is `body`."""

    schema_name: Literal["DoclingDocument"]
    body: Item
    texts: Annotated[tuple[Text, ...], Field(max_length=ITEMS_MAX)] = ()
    tables: Annotated[tuple[Table, ...], Field(max_length=ITEMS_MAX)] = ()
    pictures: Annotated[tuple[Picture, ...], Field(max_length=ITEMS_MAX)] = ()
    groups: Annotated[tuple[Item, ...], Field(max_length=ITEMS_MAX)] = ()
    key_value_items: Annotated[tuple[Form, ...], Field(max_length=ITEMS_MAX)] = ()
    form_items: Annotated[tuple[Form, ...], Field(max_length=ITEMS_MAX)] = ()
    field_regions: Annotated[tuple[Item, ...], Field(max_length=ITEMS_MAX)] = ()
    field_items: Annotated[tuple[Item, ...], Field(max_length=ITEMS_MAX)] = ()


class Content(_Answer):
    json_content: Document | None = None


class Answer(_Answer):
    """To `POST /v1/convert/file`."""

    status: Literal["success", "partial_success", "failure", "skipped", "pending", "started"]
    document: Content

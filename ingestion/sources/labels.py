"""`ringfence.yaml`: the labels of what lies in and below its folder.

    department: hr
    level: confidential
    tags: [region:eu]
    owner: user:ann
    shares: [group:works-council]
    hidden: {speaker_note: index, comment: quarantine}     # or one word for all kinds; see rag/hidden_content.py
    files:                       # overrides by file; a pattern without "/" matches the name at any depth
      "salaries*.csv":
        level: restricted

A nearer file overrides a farther one field by field; within one file a later pattern overrides an earlier one.
A file that a pattern would match but for capital letters has no labels: nobody can tell what was meant.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, TypeAlias
from unicodedata import normalize

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from ingestion.sources.protocol import Labels, Unlabelled
from policies.rules import COMPARTMENT_KIND, Attributes, InvalidRule, Level
from rag.hidden_content import HiddenAction, HiddenKind
from rag.invalid import problems

LABEL_FILE = "ringfence.yaml"
LABEL_FILE_BYTES_MAX = 64 * 1024

_VALID = {"tenant": "t", "document": "d", "department": "d", "level": Level.PUBLIC}


class InvalidLabels(ValueError):
    """A label file that cannot be used: the message names file and field."""


class PartialLabels(BaseModel):
    """Labels of which any may be missing: None means that a farther file, or nobody, says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    department: str | None = None
    level: str | int | None = None
    tags: tuple[str, ...] | None = None
    owner: str | None = None
    shares: tuple[str, ...] | None = None
    denied_shares: tuple[str, ...] | None = None
    compartments: tuple[str, ...] | None = None
    hidden: dict[HiddenKind, HiddenAction] | None = None

    @field_validator("hidden", mode="before")
    @classmethod
    def _for_all_kinds(cls, value: Any) -> Any:
        """`hidden: drop` is short for the same action for every kind."""
        return dict.fromkeys(HiddenKind, value) if isinstance(value, str) else value

    @field_validator("department", "owner", "tags", "shares", "denied_shares", "compartments")
    @classmethod
    def _well_formed(cls, value: Any, info: Any) -> Any:
        if value is not None:
            # The policy's own validation, so that a label that is accepted here is accepted there.
            Attributes(**{**_VALID, info.field_name: value})
        return value

    @field_validator("level", mode="before")
    @classmethod
    def _no_truth_value(cls, value: Any) -> Any:
        """YAML reads `no` and `off` as False, which would pass for 0: public."""
        if isinstance(value, bool | float):
            raise InvalidRule(f"level {value!r} is not a classification")
        return value

    @field_validator("level")
    @classmethod
    def _known_level(cls, value: str | int | None) -> str | int | None:
        return None if value is None else Level.parse(value)

    @field_validator("compartments", mode="before")
    @classmethod
    def _with_kind(cls, value: Any) -> Any:
        """`compartments: [merger]` is short for `[compartment:merger]`."""
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            return [name if ":" in name else f"{COMPARTMENT_KIND}:{name}" for name in value]
        return value


class LabelFile(PartialLabels):
    """One `ringfence.yaml`."""

    files: dict[str, PartialLabels] = {}


@dataclass(frozen=True)
class FolderLabels:
    """The label file of one folder. `used` gathers the patterns that matched something."""

    folder: PurePosixPath
    content: LabelFile
    used: set[str] = field(default_factory=set)

    @property
    def unused(self) -> list[str]:
        return [pattern for pattern in self.content.files if pattern not in self.used]

    def layers_for(self, path: PurePosixPath) -> Iterable[PartialLabels]:
        yield self.content
        yield from self.patterns_for(path)

    def patterns_for(self, path: PurePosixPath) -> Iterable[PartialLabels]:
        for pattern, labels in self.content.files.items():
            if self._matches(path, pattern):
                self.used.add(pattern)
                yield labels

    def nearly(self, path: PurePosixPath) -> str | None:
        """A pattern that differs from the path in capital letters alone; none that stands there as the path has it."""
        folded = PurePosixPath(str(path).casefold())
        own = PurePosixPath(str(self.folder).casefold())
        for pattern in self.content.files:
            if not self._matches(folded, pattern.casefold(), own):
                continue
            alike = (one for one in self.content.files if one.casefold() == pattern.casefold())
            if not any(self._matches(path, one) for one in alike):
                return pattern
        return None

    def astray(self, path: PurePosixPath, otherwise: PurePosixPath) -> str | None:
        """A pattern that matches `otherwise` and not `path`, whatever its capital letters."""
        own, folded, other = (PurePosixPath(str(one).casefold()) for one in (self.folder, path, otherwise))
        for pattern in self.content.files:
            meant = pattern.casefold()
            if self._matches(other, meant, own) and not self._matches(folded, meant, own):
                return pattern
        return None

    def _matches(self, path: PurePosixPath, pattern: str, folder: PurePosixPath | None = None) -> bool:
        name = str(path.relative_to(folder or self.folder)) if "/" in pattern else path.name
        # What looks the same is the same: some systems write an accent as a character of its own.
        return fnmatchcase(normalize("NFC", name), normalize("NFC", pattern))


Chain: TypeAlias = tuple[FolderLabels | InvalidLabels, ...]
"""The label files above a document, from the root (first) to its own folder (last)."""


def labels_for(path: PurePosixPath, chain: Chain, place: str = f"{LABEL_FILE} above it") -> Labels | Unlabelled:
    """The labels of a file under the label files above it.

    `place` says in the message where labels could stand.
    """
    merged: dict[str, Any] = {}
    for link in chain:
        if isinstance(link, InvalidLabels):
            return Unlabelled(str(link))
        if (pattern := link.nearly(path)) is not None:
            return Unlabelled(
                f"the pattern {pattern!r} under files: matches it but for capital letters; add one that does"
            )
        for layer in link.layers_for(path):
            merged.update({name: getattr(layer, name) for name in Labels.__slots__ if getattr(layer, name) is not None})
    missing = [name for name in ("department", "level") if name not in merged]
    if missing:
        return Unlabelled(f"no {place} gives {' and '.join(missing)}")
    sets = {name: frozenset(merged.get(name, ())) for name in ("tags", "shares", "denied_shares", "compartments")}
    return _shared(Labels(merged["department"], merged["level"], owner=merged.get("owner", ""), **sets))


@lru_cache(maxsize=1024)
def _shared(labels: Labels) -> Labels:
    """One object for equal labels: a source has many documents and few ways to label them."""
    return labels


def singled_out(archive: PurePosixPath, member: str, chain: Chain) -> bool:
    """Whether a pattern under `files:` would treat a member of an archive otherwise than the archive is treated.

    Where `chain` alone does not label the archive, what does is not known here: then any label of a pattern counts.
    """
    links = tuple(link for link in chain if isinstance(link, FolderLabels))
    own, hidden = labels_for(archive, links), hidden_for(archive, links)
    if any(link.nearly(archive / member) for link in links):
        return True
    for layer in (layer for link in links for layer in link.patterns_for(archive / member)):
        if any(hidden.get(kind) is not action for kind, action in (layer.hidden or {}).items()):
            return True
        for name in Labels.__slots__:
            value = getattr(layer, name)
            given = frozenset(value) if isinstance(value, tuple) else value
            if value is not None and (isinstance(own, Unlabelled) or given != getattr(own, name)):
                return True
    return False


def hidden_for(path: PurePosixPath, chain: Chain) -> dict[HiddenKind, HiddenAction]:
    """What the same label files say about hidden content, the nearer ones over the farther, kind by kind."""
    merged: dict[HiddenKind, HiddenAction] = {}
    for link in chain:
        if not isinstance(link, InvalidLabels):
            for layer in link.layers_for(path):
                merged.update(layer.hidden or {})
    return merged


def parse_label_file(raw: bytes, name: str) -> LabelFile:
    """Parse one label file; `name` stands in the messages.

    Raises:
        InvalidLabels: not YAML, an unknown field, or a value the policy would refuse.
    """
    if len(raw) > LABEL_FILE_BYTES_MAX:
        raise InvalidLabels(f"{name} is larger than {LABEL_FILE_BYTES_MAX} bytes")
    try:
        content = yaml.load(raw, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that accepts less
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as cause:
        mark = getattr(cause, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise InvalidLabels(
            f"{name} is not readable YAML{where}: {getattr(cause, 'problem', None) or 'bad text'}"
        ) from cause
    try:
        return LabelFile.model_validate({} if content is None else content)
    except ValidationError as cause:
        raise InvalidLabels(f"{name}: {problems(cause)}") from None
    except InvalidRule as cause:
        raise InvalidLabels(f"{name}: {cause}") from None


class _StrictLoader(yaml.SafeLoader):
    """YAML without the two features that make a label file say something other than what it seems to."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call] # the stubs leave it untyped
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed", mark)
        compose: Callable[..., yaml.Node | None] = super().compose_node
        return compose(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)

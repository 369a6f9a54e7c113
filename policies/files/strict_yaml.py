"""YAML as a policy may use it: mappings, lists, text and whole numbers, and nothing that surprises.

What YAML offers beyond that is refused with its place: aliases, which can make a small file enormous; tags, which
name code; repeated keys, of which the last would win without a word, a deny among them; and unquoted text that
YAML takes for something else (`no`, `null`, `1.5`, `2026-01-01`). Built on the parser's events and without
recursion, so depth and size are bounded before anything is built.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as _Loader  # twenty times faster, where PyYAML was built with it
except ImportError:
    from yaml import SafeLoader as _Loader  # type: ignore[assignment] # the same events

SIZE_MAX = 16 * 2**20
"""Bytes of one text: more than 100 000 rules."""
DEPTH_MAX = 8
"""Mappings and lists within each other. A policy file needs five."""

_NUMBER = "tag:yaml.org,2002:int"
_TEXT = "tag:yaml.org,2002:str"
_PLAIN_NUMBER = re.compile("0|[1-9][0-9]{0,8}")  # no octal, no sexagesimal, no digits without end
_resolver = yaml.resolver.Resolver()


class InvalidYaml(ValueError):
    """A text that is not YAML, or uses more of it than a policy may: the message says where and what to do."""


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not been read. `key` is what the next value of a mapping belongs to."""

    value: dict[str, Any] | list[Any]
    key: str | None = None

    @property
    def awaits_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None

    @property
    def place(self) -> str:
        """What is being read in it: a position, a key, or nothing while a key is awaited."""
        return str(len(self.value)) if isinstance(self.value, list) else self.key or ""


@dataclass(slots=True)
class _Builder:
    open: list[_Open] = field(default_factory=list)
    documents: list[Any] = field(default_factory=list)

    def feed(self, event: Any) -> None:
        if isinstance(event, yaml.NodeEvent):
            self._require_plain(event)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._start(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._attach(self.open.pop().value)
        elif isinstance(event, yaml.DocumentStartEvent) and self.documents:
            raise self._refusal(event, "a second document begins here; a policy is one document")

    def _require_plain(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self._refusal(event, "anchors and aliases (& and *) are not used in policies; write the value out")
        if event.tag is not None:
            raise self._refusal(event, f"tags are not used in policies; leave {event.tag!r} out")

    def _start(self, event: Any) -> None:
        if self.open and self.open[-1].awaits_key:
            raise self._refusal(event, "a key must be text")
        if len(self.open) == DEPTH_MAX:
            raise self._refusal(event, f"nested more than {DEPTH_MAX} deep")
        self.open.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else []))

    def _scalar(self, event: Any) -> None:
        value = self._value(event)
        if not self.open or not self.open[-1].awaits_key:
            self._attach(value)
        elif not isinstance(value, str):
            raise self._refusal(event, f"the key {event.value} must be text; put it in quotes")
        elif value in self.open[-1].value:
            raise self._refusal(event, f"the key {value!r} stands twice")
        else:
            self.open[-1].key = value

    def _value(self, event: Any) -> str | int:
        tag = _resolver.resolve(yaml.ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call] # PyYAML has no types
        if tag == _TEXT:
            return str(event.value)
        if tag == _NUMBER and _PLAIN_NUMBER.fullmatch(event.value):
            return int(event.value)
        if not event.value:
            raise self._refusal(event, "there is no value")
        raise self._refusal(event, f"YAML does not read {event.value[:40]!r} as text; put it in quotes")

    def _attach(self, value: Any) -> None:
        if not self.open:
            self.documents.append(value)
            return
        parent = self.open[-1]
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key is not None:
            parent.value[parent.key] = value
            parent.key = None

    def _refusal(self, event: Any, problem: str) -> InvalidYaml:
        # The place as in the messages about what the text means: rules.0.level.
        place = ".".join(level.place for level in self.open if level.place) or "the file"
        return InvalidYaml(f"{place}: {problem} (line {event.start_mark.line + 1})")


def load(content: str | bytes) -> Any:
    """What the text holds: dicts with text keys, lists, text and whole numbers; None when it holds nothing.

    Raises:
        InvalidYaml: not YAML in UTF-8, too large, nested too deeply, or any of what the module docstring refuses.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(_bounded(content), Loader=_Loader):
            builder.feed(event)
    except yaml.YAMLError as cause:
        raise InvalidYaml(f"is not valid YAML: {' '.join(str(cause).split())}") from cause
    return builder.documents[0] if builder.documents else None


def _bounded(content: str | bytes) -> str:
    try:
        raw = content.encode() if isinstance(content, str) else content
        if len(raw) > SIZE_MAX:
            raise InvalidYaml(f"is larger than {SIZE_MAX} bytes; split it into several files")
        return raw.decode()
    except UnicodeError as cause:
        raise InvalidYaml("is not UTF-8 text") from cause

"""Two gates: what may be asked, and what form an answer's text may have when it leaves.

Retrieved text and generators are not trusted to be harmless: whatever they contain, what leaves is text in which
no reader's program finds a link, an image or HTML.
"""

import re
import unicodedata
from collections.abc import Iterable

from rag.domain import GuardCodes, ReadableChunk, digest_of
from rag.errors import Misuse
from rag.injection.detect import codes_of
from rag.injection.findings import Code
from rag.privacy.unmask import stand_ins_in

_REMEMBERED_MAX = 16_384
_remembered: dict[bytes, tuple[str, ...]] = {}
"""Codes by digest, no text: some 3 MB."""
_NO_ORDERS = frozenset({Code.EXFILTRATION.value, Code.HIDDEN.value})
_INVISIBLE_ALLOWED = "\n\r\t"
_REMOVED = "[link removed]"
_ANGLE, _BREAK = "\u2039", "] "
"""What stands for an angle bracket that could open a tag, and for a bracket that could close a link's label."""

_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9-]*(?:[\s/][^<>]*)?>")
_AUTOLINK = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*)>")
_IMAGE = re.compile(r"!\[([^\[\]]*)\]\s?(?:\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\[\]]*\])")
_LINK = re.compile(r"\[([^\[\]]*)\]\(\s*<?([^\s()<>]*(?:\([^()]*\)[^\s()<>]*)*)>?[^()]*\)")
_BRACKETS = re.compile(r"\](?=[(\[:])")
_URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://|\b(?:javascript|data|vbscript|mailto|tel|blob):(?=\S)|www\.)[^\s`]+"
    r"|(?<![\w@./-])(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?/[^\s`]*",
    re.IGNORECASE,
)
_LEADING_MARKUP = re.compile(r"^(?:#{1,6}\s+|>\s*)+")
_AFTER_URL = ".,;:!?\"')]}"
_ROUNDS = 8


def noticed(chunks: Iterable[ReadableChunk]) -> dict[str, tuple[str, ...]]:
    """The codes of each chunk that speaks to a model, by its id; found here, whatever ingestion said of it."""
    found = {one.chunk.id: _codes((one.title, one.chunk.heading, one.chunk.text)) for one in chunks}
    return {chunk: codes for chunk, codes in found.items() if codes}


def _codes(texts: tuple[str, ...]) -> tuple[str, ...]:
    """What the detector says of the texts: remembered by their digest, as it says the same of the same for ever."""
    key = digest_of(texts)
    codes = _remembered.get(key)
    if codes is None:
        codes = codes_of(texts)
        if len(_remembered) >= _REMEMBERED_MAX:
            _remembered.clear()
        _remembered[key] = codes
    return codes


def gives_orders(text: str) -> bool:
    """Whether a text tells a model what to do. Links and invisible characters alone do not."""
    return any(code not in _NO_ORDERS for code in codes_of((text,)))


def guard_codes(question: tuple[str, ...], chunks: Iterable[tuple[str, ...]]) -> GuardCodes:
    """Codes of the question and of the chunks, each once, sorted."""
    return GuardCodes(question, tuple(sorted({code for codes in chunks for code in codes})))


def check_question(question: str, chars_max: int) -> str:
    """The question without surrounding white space, in one normal form of Unicode.

    Raises:
        Misuse: empty, too long, or with characters that cannot be seen; the code says which.
    """
    text = unicodedata.normalize("NFC", question).strip()
    if not text:
        raise Misuse("The question is empty.", code="empty_question")
    if len(text) > chars_max:
        raise Misuse(
            f"The question has {len(text)} characters; at most {chars_max} are taken (service.question_chars_max).",
            code="question_too_long",
        )
    if any(unicodedata.category(c) in ("Cc", "Cs", "Cn") and c not in _INVISIBLE_ALLOWED for c in text):
        raise Misuse("The question contains control or invalid characters; remove them.", code="bad_characters")
    return text


def inert(text: str, sources: Iterable[str]) -> str:
    """The text with nothing in it that renders as a link, an image or HTML; masked values' tokens stay whole.

    Addresses that stand in one of `sources` are shown as code, all others are removed.
    """
    known = tuple(sources)
    kept, text = _set_tokens_aside(text)
    text = "".join(c for c in text.replace("`", "'") if unicodedata.category(c) not in ("Cc", "Cf") or c in "\n\t")
    for _ in range(_ROUNDS):
        # Removing one construct can complete another around it, so until nothing changes any more.
        before = text
        text = _without_constructs(text)
        if text == before:
            break
    text = _BRACKETS.sub(_BREAK, text.replace("<", _ANGLE))
    text = _URL.sub(lambda match: _shown_address(match.group(), known), text)
    text = _LEADING_MARKUP.sub("", text)
    return _put_back(text, kept)


def _without_constructs(text: str) -> str:
    text = _COMMENT.sub("", text)
    text = _AUTOLINK.sub(r"\1", text)
    text = _TAG.sub("", text)
    text = _IMAGE.sub(r"\1", text)
    return _LINK.sub(r"\1 (\2)", text)


def _shown_address(address: str, sources: tuple[str, ...]) -> str:
    bare = address.rstrip(_AFTER_URL)
    rest = address[len(bare) :]
    return (f"`{bare}`" if any(bare in source for source in sources) else _REMOVED) + rest


def _set_tokens_aside(text: str) -> tuple[list[str], str]:
    """Tokens look like tags: they are exchanged for characters that mean nothing in any markup."""
    kept: list[str] = []
    pieces: list[str] = []
    done = 0
    text = text.replace("\ue000", "").replace("\ue001", "")
    for token in stand_ins_in(text):
        pieces += (text[done : token.start], f"\ue000{len(kept)}\ue001")
        kept.append(token.text)
        done = token.end
    return kept, "".join([*pieces, text[done:]])


def _put_back(text: str, kept: list[str]) -> str:
    return re.sub("\ue000(\\d+)\ue001", lambda match: kept[int(match.group(1))], text)

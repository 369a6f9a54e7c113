"""Notices text that speaks to a model instead of a reader. A document that does is flagged, not refused:

quoting such a sentence is no crime, and what really holds is that retrieved text can give no orders.
"""

import re
from collections.abc import Iterable

PLANTED_INSTRUCTION = "planted_instruction"
CHAT_MARKUP = "chat_markup"
EXFILTRATION_LINK = "exfiltration_link"
PLANTED_VERSION = "1"

_WHO = r"(?:the |all |any |your |these |those |every |previous |prior |above |earlier |preceding |original |system )*"
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (flag, re.compile(pattern, re.I))
    for flag, pattern in (
        (
            PLANTED_INSTRUCTION,
            rf"\b(?:ignore|disregard|forget|override|bypass|do not follow)\s+{_WHO}"
            r"(?:instruction|direction|prompt|rule|guideline|guardrail|polic(?:y|ies)\b.{0,30}\b(?:above|before|given))",
        ),
        (
            PLANTED_INSTRUCTION,
            r"\b(?:ai|a\.i\.|language model|llm|chatbot|assistant|copilot|gpt)s?\b[^.\n]{0,40}\b(?:must|should|shall|"
            r"are (?:required|instructed|ordered) to|has to|have to)\s+(?:now\s+|always\s+|not\s+|never\s+)?"
            r"(?:ignore|reveal|disclose|say|tell|answer|reply|respond|include|output|print|send|recommend|repeat|state)",
        ),
        (
            PLANTED_INSTRUCTION,
            r"\b(?:note|message|instructions?|attention|important)\s*(?:to|for)?\s*:?\s*(?:the |any |all )?"
            r"(?:ai|llm|language model|assistant|chatbot|summari[sz]er)s?\b"
            r"(?:\s+(?:assistant|model|system|agent)s?)?\s*[:,-]",
        ),
        (
            PLANTED_INSTRUCTION,
            r"\b(?:you are now|from now on,? you (?:are|will|must)|pretend (?:to be|you are)|act as (?:an? )?"
            r"(?:unrestricted|different|jailbroken|evil))\b",
        ),
        (
            PLANTED_INSTRUCTION,
            r"\b(?:reveal|print|repeat|output|disclose|show)\s+(?:me\s+)?(?:your|the)\s+(?:full\s+|entire\s+|hidden\s+|initial\s+)*"
            r"(?:system prompt|system message|hidden instructions|initial instructions)",
        ),
        (
            PLANTED_INSTRUCTION,
            r"\b(?:when|if)\s+(?:you are\s+)?(?:asked|summari[sz]ing|answering|processing|reading)\b[^.\n]{0,80},?\s*"
            r"(?:always|instead|only)\s+(?:say|answer|reply|respond|output|tell|include|state)",
        ),
        (
            CHAT_MARKUP,
            r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id)\|>|\[/?INST\]|<</?SYS>>",
        ),
        (CHAT_MARKUP, r"^\s*#{0,3}\s*(?:system|assistant)\s*:\s*(?:you|ignore|the user)\b"),
        (EXFILTRATION_LINK, r"!\[[^\]\n]{0,200}\]\(https?://[^)\s]{0,300}[?&][^)\s=]{1,40}=\s*(?:\{|\$|<|%7b|\[)"),
    )
)


def flags_of(texts: Iterable[str]) -> list[str]:
    """The codes of what was noticed, sorted."""
    found: set[str] = set()
    for text in texts:
        # Over line breaks too: the layout of a page says nothing to a model.
        flat = " ".join(text.split())
        found.update(flag for flag, rule in _RULES if flag not in found and (rule.search(flat) or rule.search(text)))
    return sorted(found)

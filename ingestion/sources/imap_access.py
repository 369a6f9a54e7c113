"""Who may read a mailbox, as its server says with the ACL extension (RFC 4314).

A server knows people and groups by words, such as logins; whose they are here says `identities` of the source. The
right `r` is the one to read; an identifier with a minus sign in front says which rights somebody must not have.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ingestion.sources.identities import Identities, Permissions, SourcePrincipal

READ = "r"
_LITERAL = re.compile(rb"\{\d+\}$")
_WORD = re.compile(rb' *(?:"((?:[^"\\]|\\["\\])*)"|([^ "(){}\\%*]+))')
_ESCAPED = re.compile(rb'\\(["\\])')


def rights_in(answer: Sequence[Any], mailbox: str) -> Mapping[str, str]:
    """Rights by identifier, from the `ACL` lines of an answer to GETACL as `imaplib` gives them.

    Raises:
        ValueError: it is not one list, or not of this mailbox.
    """
    found = [words for words in map(list, _lines(answer)) if words and _same_mailbox(words[0], mailbox)]
    if len(found) != 1 or len(found[0]) % 2 == 0:
        raise ValueError("the server's access control list is not in the form of RFC 4314")
    [[_, *rest]] = found
    rights = dict(zip(rest[::2], rest[1::2], strict=True))
    if len(rights) != len(rest) // 2:
        raise ValueError("the server's access control list names somebody twice")
    return rights


def permissions_of(rights: Mapping[str, str], identities: Identities) -> Permissions:
    """Who may read, and who is kept out by name. An identifier is a group's where `identities` has it under groups."""

    def principal(identifier: str) -> SourcePrincipal:
        return SourcePrincipal("group" if identifier in identities.groups else "user", identifier)

    reading = [identifier for identifier, given in rights.items() if READ in given]
    return Permissions(
        readers=frozenset(principal(one) for one in reading if not one.startswith("-")),
        denied=frozenset(principal(one[1:]) for one in reading if one.startswith("-")),
    )


def _lines(answer: Sequence[Any]) -> Iterator[Iterator[str]]:
    """The words of each line. What follows a literal, which comes as a pair with what stands before it, is one line."""
    line: list[Any] = []
    for part in answer:
        if line and not isinstance(line[-1], tuple):
            yield _words(line)
            line = []
        line.append(part)
    if line:
        yield _words(line)


def _words(parts: Sequence[Any]) -> Iterator[str]:
    for part in parts:
        before, literal = part if isinstance(part, tuple) else (part, None)
        if not isinstance(before, bytes):
            raise ValueError("the server answered in a form that is not read")
        text = before if literal is None else _LITERAL.sub(b"", before)
        at = 0
        while text[at:].strip(b" "):
            word = _WORD.match(text, at)
            if word is None:
                raise ValueError("the server's access control list is not in the form of RFC 4314")
            at = word.end()
            yield (word[2] if word[1] is None else _ESCAPED.sub(rb"\1", word[1])).decode()
        if literal is not None:
            yield bytes(literal).decode()


def _same_mailbox(named: str, mailbox: str) -> bool:
    return named == mailbox or named.upper() == mailbox.upper() == "INBOX"

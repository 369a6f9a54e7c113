"""Mailboxes on an IMAP server: `kind: imap`. Read only, over TLS.

A message never changes, and its mailbox, UIDVALIDITY and UID name it for ever (RFC 9051, 2.3.1.1). One that is moved to
another mailbox is another document there. Labels come from the configuration, by mailbox: `files: {"Board/*": ...}`,
in plain letters and with "/" between folders, whatever the server writes (`ingestion.sources.mailbox_names`).
With `identities`, who may read a mailbox comes from its access control list (RFC 4314). Where the server does not tell
it, its messages are kept out.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from ingestion.sources.configured import ConfiguredLabels
from ingestion.sources.identities import Identities, Mapped
from ingestion.sources.imap_access import permissions_of
from ingestion.sources.imap_session import FAILED, Account, Message, Session
from ingestion.sources.labels import LabelFile
from ingestion.sources.mailbox_names import readable
from ingestion.sources.names import path_reason
from ingestion.sources.protocol import ChangedSinceListed, Labels, Listing, SourcePlace, Unlabelled, unreadable
from policies.rules import plain_name
from rag.domain import digest_of
from rag.hidden_content import HiddenAction, HiddenKind


@dataclass(frozen=True, slots=True)
class MessageItem:
    """One message: a `SourceItem`."""

    session: Session = field(repr=False)
    path: str
    mailbox: str
    validity: int
    message: Message
    labels: Labels | Unlabelled
    hidden: Mapping[HiddenKind, HiddenAction] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        return path_of(self.mailbox, self.validity, self.message.uid)

    @property
    def revision(self) -> str:
        """Of this account: another one has the same mailboxes and numbers for other messages."""
        account, message = self.session.account, self.message
        place = (account.host, str(account.port), account.user, self.mailbox, str(self.validity))
        return digest_of([*place, str(message.uid), str(message.size), str(message.received_ns)]).hex()

    @property
    def size(self) -> int:
        return self.message.size

    @property
    def modified_ns(self) -> int:
        return self.message.received_ns

    def open(self) -> BinaryIO:
        try:
            return io.BytesIO(self.session.fetch(self.mailbox, self.validity, self.message))
        except ChangedSinceListed:
            raise
        except FAILED as cause:
            raise OSError(f"the message could not be read ({type(cause).__name__})") from cause


class ImapSource:
    """The messages in `mailboxes`, named as the server names them; those marked as deleted are gone.

    A mailbox that is not there makes the source unreadable: to remove its documents, take it out of `mailboxes`, and
    say that the source has moved.
    """

    def __init__(
        self,
        name: str,
        account: Account,
        mailboxes: tuple[str, ...],
        labels: LabelFile,
        identities: Identities | None = None,
    ) -> None:
        self.name = plain_name(name, "source")
        named = " ".join(f'"{mailbox}"' for mailbox in sorted(mailboxes))
        self._server = f"imap://{account.host.lower()}:{account.port}"
        self.place = SourcePlace(f"{self._server} {named}", account.user)
        self._identities = identities
        self._session = Session(account)
        self._mailboxes = mailboxes
        self._labels = labels

    def listing(self, since: str = "") -> Listing:
        configured = ConfiguredLabels(self._labels)
        mapped = Mapped(self._identities or Identities())
        items: list[MessageItem] = []
        for mailbox in self._mailboxes:
            # Servers repeat in their answers what was asked of them: the mailbox, never the password.
            what = f"The mailbox {mailbox} of the source {self.name!r} at {self._server}"
            try:
                name = readable(mailbox, self._session.separator(mailbox))
                validity, messages = self._session.messages(mailbox)
                # After its messages: what came after the rights were taken away is not listed under the old ones.
                access = None if self._identities is None else self._session.access(mailbox)
            except FAILED as cause:
                check = "that the server can be reached from here, its certificate, the login and its rights"
                raise unreadable(what, type(cause).__name__, check=check) from cause
            if (reason := path_reason(name)) is not None:
                raise unreadable(what, f"its name is not taken: {reason}", check="how the server names it")
            for message in messages:
                path = path_of(name, validity, message.uid)
                labels, hidden = configured.of(path)
                if (pattern := configured.astray(path, path_of(mailbox, validity, message.uid))) is not None:
                    labels = Unlabelled(
                        f"the pattern {pattern!r} under files: does not match {name}; write it like that"
                    )
                elif isinstance(access, str):
                    labels = Unlabelled(access)
                elif access is not None:
                    labels = mapped.labelled(labels, permissions_of(access, mapped.identities))
                items.append(MessageItem(self._session, path, mailbox, validity, message, labels, hidden))
        items.sort(key=lambda item: item.path)
        return Listing(tuple(items), notices=(*configured.notices(), *mapped.notices()))


def path_of(mailbox: str, validity: int, uid: int) -> str:
    return f"{mailbox}/{validity}-{uid}.eml"

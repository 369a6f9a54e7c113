"""How a caller comes by a name: the chain of role links that leads from her to a group, role or compartment."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass

from policies.rules import Caller
from policies.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Path:
    """A chain of names from the caller to what she holds by it; the caller alone where it is her own name.

    `vouched`: the first step is a group of this call's identity token, not a role link of the policy.
    """

    names: tuple[str, ...]
    vouched: bool = False

    def __str__(self) -> str:
        first = " -(token)-> " if self.vouched else " -> "
        return first.join((self.names[0], " -> ".join(self.names[1:]))) if self.names[1:] else self.names[0]


def paths_from(snapshot: Snapshot, caller: Caller) -> Mapping[str, Path]:
    """The shortest path to each name in the caller's closure and to each compartment she holds.

    Of paths of the same length, the one that sorts first: equal policies give equal paths.
    """
    parents: defaultdict[str, set[str]] = defaultdict(set)
    for link in snapshot.links_from(caller):
        parents[link.member].add(link.parent)
    stored = {
        link.parent
        for link in snapshot.links_from(Caller(caller.tenant, caller.subject))
        if link.member == caller.subject
    }
    held = snapshot.closure(caller) | snapshot.compartments(caller)
    found = {caller.subject: Path((caller.subject,))}
    queue = deque([caller.subject])
    while queue:
        path = found[queue.popleft()]
        for parent in sorted(parents[path.names[-1]] & held - found.keys()):
            first = path.names[1] if len(path.names) > 1 else parent
            found[parent] = Path((*path.names, parent), vouched=first in caller.groups - stored)
            queue.append(parent)
    return found

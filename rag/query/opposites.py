"""Words that say the opposite of each other: one in the place of the other turns a sentence round."""

from functools import lru_cache

from rag.generation.words import stem

_PAIRS = """
increase/decrease increase/reduce rise/fall raise/lower raise/reduce grow/shrink gain/lose higher/lower high/low
more/less more/fewer most/least maximum/minimum above/below over/under before/after earlier/later early/late
first/last begin/end start/end start/stop open/closed open/close enter/leave arrive/depart include/exclude
included/excluded allow/forbid allowed/forbidden permit/prohibit permitted/prohibited allow/deny accept/reject
approve/reject approve/deny grant/refuse required/optional mandatory/optional mandatory/voluntary compulsory/voluntary
internal/external inside/outside public/private free/charged paid/free buy/sell lend/borrow income/expense profit/loss
win/lose pass/fail succeed/fail success/failure true/false right/wrong safe/dangerous safe/unsafe present/absent
always/never full/empty old/new long/short large/small big/small hot/cold fast/slow strong/weak left/right north/south
east/west day/night morning/evening employer/employee buyer/seller landlord/tenant lessor/lessee creditor/debtor
sender/recipient enable/disable activate/inhibit activate/suppress activate/deactivate promote/inhibit promote/prevent
stimulate/inhibit induce/inhibit induce/suppress enhance/reduce enhance/impair enhance/suppress improve/worsen
improve/impair upregulate/downregulate positive/negative beneficial/harmful protect/harm up/down upper/lower
encourage/discourage connect/disconnect import/export add/remove attach/detach accelerate/delay expand/contract
active/inactive single/multiple temporary/permanent
"""
_PREFIXES = ("un", "in", "im", "ir", "il", "non", "dis", "de")
_PREFIXED_MIN = 4
"""Shorter words have chance namesakes: "sure" and "insure"."""


def _table() -> dict[str, frozenset[str]]:
    table: dict[str, frozenset[str]] = {}
    for pair in _PAIRS.split():
        one, other = map(stem, pair.split("/"))
        for word, opposite in ((one, other), (other, one)):
            table[word] = table.get(word, frozenset()) | {opposite}
    return table


_OPPOSITES = _table()


@lru_cache(maxsize=4096)
def opposites_of(word: str) -> frozenset[str]:
    """The opposites of a stem, as stems: of the list, and by a prefix ("paid", "unpaid")."""
    if len(word) < _PREFIXED_MIN or not word.isalpha():
        return _OPPOSITES.get(word, frozenset())
    made = {prefix + word for prefix in _PREFIXES}
    bare = {word.removeprefix(p) for p in _PREFIXES if word.startswith(p) and len(word) - len(p) >= _PREFIXED_MIN}
    return _OPPOSITES.get(word, frozenset()) | made | bare

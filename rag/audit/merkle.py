"""The Merkle tree hash of RFC 6962, section 2.1, over leaves that come one after another."""

import hashlib


class MerkleTree:
    """Keeps the roots of its complete subtrees only: memory grows with the logarithm of the leaves."""

    def __init__(self) -> None:
        self._complete: list[tuple[int, bytes]] = []
        self.size = 0

    def add(self, leaf: bytes) -> None:
        """Append a leaf."""
        # The prefixes keep an inner node from passing for a leaf (RFC 6962).
        leaves, node = 1, hashlib.sha256(b"\x00" + leaf).digest()
        while self._complete and self._complete[-1][0] == leaves:
            node = _inner(self._complete.pop()[1], node)
            leaves *= 2
        self._complete.append((leaves, node))
        self.size += 1

    def root(self) -> bytes:
        """The 32 bytes that stand for all leaves in their order; of no leaves, SHA-256 of nothing."""
        if not self._complete:
            return hashlib.sha256(b"").digest()
        node = self._complete[-1][1]
        for _, left in reversed(self._complete[:-1]):
            node = _inner(left, node)
        return node


def _inner(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()

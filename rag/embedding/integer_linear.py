"""A linear layer that multiplies 8-bit integers: exactly, on every processor."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

_INPUT_TOP = 127
_WEIGHT_TOP = 63
"""7 of the 8 bits: with all of them, sums overflow on processors without VNNI, and other vectors come out of those."""
_SCALE_MIN = 1e-12
"""Of a row of zeros."""
_TIMED_ROWS = 64
_TIMED = 3
_MIDDLE = 128
"""What stands for zero in the input. With unsigned input oneDNN has a fast product on every x86 processor; with signed
input it takes, on those with VNNI and without AMX, one that is some thousand times slower. The sums are the same."""


def is_supported() -> bool:
    """Whether this build of PyTorch has the product of integers."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.onednn, "qlinear_pointwise")


class IntegerLinear:
    """`x @ weight.T + bias`, both factors as integers: a scale for each row of `x` and each row of `weight`."""

    def __init__(self, *layers: torch.nn.Linear) -> None:
        """Several layers of one input are one product; their outputs stand side by side."""
        weight = torch.cat([layer.weight.detach() for layer in layers])
        self._scale = (weight.abs().amax(1) / _WEIGHT_TOP).clamp_(min=_SCALE_MIN)
        integers = (weight / self._scale[:, None]).round_().to(torch.int8)
        self._weight = torch.ops.onednn.qlinear_prepack(integers, None)
        self._zero = torch.zeros(len(weight), dtype=torch.int64)
        self._bias = torch.cat([layer.bias.detach() for layer in layers])

    def __call__(self, rows: Tensor) -> Tensor:
        """Shape (tokens, inputs) to (tokens, outputs)."""
        scale = torch.maximum(rows.amax(1, keepdim=True), rows.amin(1, keepdim=True).neg_())
        scale = scale.mul_(1 / _INPUT_TOP).clamp_(min=_SCALE_MIN)
        integers = (rows / scale).round_().add_(_MIDDLE).to(torch.uint8)
        # The product that PyTorch's compiler makes for processors: weights are laid out for it once, sums are exact,
        # and each is scaled for its row of `weight` as it is written. Scales of single rows of `x` it does not have.
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            integers, 1.0, _MIDDLE, self._weight, self._scale, self._zero, None, 1.0, 0, torch.float32, "none", [], ""
        )
        return torch.addcmul(self._bias, product, scale, out=product)


def slowness(layer: torch.nn.Linear) -> float:
    """How many times as long as in full precision the product takes here, the best of a few of each: below 1."""
    rows = torch.ones(_TIMED_ROWS, layer.in_features)
    with torch.inference_mode():
        return _shortest_s(IntegerLinear(layer), rows) / _shortest_s(layer, rows)


def _shortest_s(product: Callable[[Tensor], Tensor], rows: Tensor) -> float:
    def took_s() -> float:
        started = time.perf_counter()
        product(rows)
        return time.perf_counter() - started

    return min(took_s() for _ in range(_TIMED))

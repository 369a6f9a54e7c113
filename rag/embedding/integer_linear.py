"""A linear layer that multiplies 8-bit integers: exactly, on every processor."""

import torch
from torch import Tensor

_INPUT_TOP = 127
_WEIGHT_TOP = 63
"""7 of the 8 bits: with all of them, sums overflow on processors without VNNI, and other vectors come out of those."""
_SCALE_MIN = 1e-12
"""Of a row of zeros."""


class IntegerLinear:
    """`x @ weight.T + bias`, both factors as integers: a scale for each row of `x` and each row of `weight`."""

    def __init__(self, *layers: torch.nn.Linear) -> None:
        """Several layers of one input are one product; their outputs stand side by side."""
        weight = torch.cat([layer.weight.detach() for layer in layers])
        self._scale = (weight.abs().amax(1) / _WEIGHT_TOP).clamp_(min=_SCALE_MIN)
        self._weight = (weight / self._scale[:, None]).round_().to(torch.int8).t()
        self._bias = torch.cat([layer.bias.detach() for layer in layers])

    def __call__(self, rows: Tensor) -> Tensor:
        """Shape (tokens, inputs) to (tokens, outputs)."""
        scale = rows.abs().amax(1, keepdim=True).mul_(1 / _INPUT_TOP).clamp_(min=_SCALE_MIN)
        # The one product of integers that PyTorch has for processors; its underscore says that it may move.
        product = torch._int_mm((rows / scale).round_().to(torch.int8), self._weight)
        return torch.addcmul(self._bias, product.float().mul_(self._scale), scale)

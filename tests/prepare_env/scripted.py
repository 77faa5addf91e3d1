"""Small modules to script: TorchScript needs their source in a file."""

import torch
from torch import Tensor, nn


class Add(nn.Module):
    """Both sums; refuses a negative number in `left`. Counts its calls in the second result."""

    calls: int

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1
        if bool((left < 0).any()):
            raise ValueError("left is negative")
        return left + 10 * right, torch.full([left.size(0), 1], self.calls)


class Single(nn.Module):
    """One tensor, not in a tuple."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2


class Listed(nn.Module):
    """As many results as rows of the input."""

    def forward(self, x: Tensor) -> list[Tensor]:
        return [row for row in x]  # noqa: C416 (TorchScript has no list() of a tensor)


class Modes(nn.Module):
    """Whether a result is an inference tensor, which a call in inference mode gives."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.full_like(x, float((x + 1).is_inference()))


class Mean(nn.Module):
    """Loses the batch."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean()


class Scaled(nn.Module):
    """Takes something that is no tensor."""

    def forward(self, x: Tensor, factor: float) -> Tensor:
        return x * factor


class Named(nn.Module):
    """Gives a dictionary."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"x": x}


class Greedy(nn.Module):
    """Writes into its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x.add_(1)

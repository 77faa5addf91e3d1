"""A calibrated linear classifier over TF-IDF word weights, written for TorchScript.

It computes the same as scikit-learn's TfidfVectorizer after its tokenizer, and its CalibratedClassifierCV(LinearSVC), in the
same arithmetic: float64 from the counts to the probability.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

UNKNOWN = 0  # the id of every word that is not in the vocabulary; known words have higher ids


@dataclass(frozen=True)
class Fitted:
    """The fitted parameters, for V words and K cross-validation folds; all FP64."""

    idf: Tensor  # [V]
    coefficients: Tensor  # [V, K]
    intercepts: Tensor  # [K]
    slopes: Tensor  # [K], of the sigmoid that turns a margin into a probability
    offsets: Tensor  # [K]


class CalibratedLinearSvm(nn.Module):
    """ids INT64 [n, L] and mask INT64 [n, L] (0 for padding) to the probability FP32 [n, 1] of the positive class.

    Id 0 is an unknown word, id i > 0 the word of column i - 1. The order of the ids does not matter, but repeated ids count.
    """

    idf: Tensor
    coefficients: Tensor
    intercepts: Tensor
    slopes: Tensor
    offsets: Tensor

    def __init__(self, fitted: Fitted) -> None:
        super().__init__()
        self.register_buffer("idf", torch.cat([fitted.idf.new_zeros(1), fitted.idf]))  # an unknown word has weight 0
        empty = fitted.coefficients.new_zeros(1, fitted.coefficients.size(1))
        self.register_buffer("coefficients", torch.cat([empty, fitted.coefficients]))
        self.register_buffer("intercepts", fitted.intercepts)
        self.register_buffer("slopes", fitted.slopes)
        self.register_buffer("offsets", fitted.offsets)

    def forward(self, INPUT__0: Tensor, INPUT__1: Tensor) -> Tensor:
        words = self.idf.size(0)
        # Checked here, because on a GPU an index out of range breaks the device for the whole process.
        if bool(((INPUT__0 < 0) | (INPUT__0 >= words)).any()):
            raise ValueError("a token id is outside the vocabulary")
        counts = torch.zeros(INPUT__0.size(0), words, dtype=self.idf.dtype, device=INPUT__0.device)
        counts.scatter_add_(1, INPUT__0, INPUT__1.to(counts.dtype))
        weights = counts * self.idf
        length = weights.square().sum(1, keepdim=True).sqrt()
        direction = weights / torch.where(length > 0, length, torch.ones_like(length))  # no known word: the zero vector
        margins = direction @ self.coefficients + self.intercepts
        probability = torch.sigmoid(-(self.slopes * margins + self.offsets)).mean(1, keepdim=True)
        return probability.to(torch.float32)

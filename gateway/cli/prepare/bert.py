"""BERT as a sentence embedder, written for TorchScript: any batch size, any length, padding on either side.

The network is written out instead of traced from a library's model, because a trace keeps the shapes and the mask handling
of its example input. The submodules have the names of the published weights, so that the weights load unchanged.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class BertShape:
    """The values of a `config.json` that define the network."""

    vocab_size: int
    hidden_size: int
    layers: int
    heads: int
    intermediate_size: int
    positions: int
    token_types: int
    layer_norm_eps: float


class Embeddings(nn.Module):
    """Token, position and segment vectors added: ids INT64 [n, L] to FP32 [n, L, hidden]."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.position_embeddings = nn.Embedding(shape.positions, shape.hidden_size)
        self.token_type_embeddings = nn.Embedding(shape.token_types, shape.hidden_size)
        self.LayerNorm = nn.LayerNorm(shape.hidden_size, eps=shape.layer_norm_eps)
        self.vocab_size = shape.vocab_size
        self.positions = shape.positions

    def forward(self, ids: Tensor) -> Tensor:
        # Checked here, because on a GPU an index out of range breaks the device for the whole process.
        if ids.size(1) > self.positions:
            raise ValueError("the input is longer than the model's positions")
        if bool(((ids < 0) | (ids >= self.vocab_size)).any()):
            raise ValueError("a token id is outside the vocabulary")
        positions = torch.arange(ids.size(1), device=ids.device)
        first_segment = self.token_type_embeddings.weight[0]
        return self.LayerNorm(self.word_embeddings(ids) + self.position_embeddings(positions) + first_segment)


class SelfAttention(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.query = nn.Linear(shape.hidden_size, shape.hidden_size)
        self.key = nn.Linear(shape.hidden_size, shape.hidden_size)
        self.value = nn.Linear(shape.hidden_size, shape.hidden_size)
        self.heads = shape.heads

    def split(self, states: Tensor) -> Tensor:
        """[n, L, hidden] to [n, heads, L, hidden / heads]."""
        return states.unflatten(2, [self.heads, -1]).transpose(1, 2)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        query, key, value = self.split(self.query(states)), self.split(self.key(states)), self.split(self.value(states))
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return mixed.transpose(1, 2).flatten(2)


class Residual(nn.Module):
    """A projection with a residual connection and layer normalisation."""

    def __init__(self, inner_size: int, shape: BertShape) -> None:
        super().__init__()
        self.dense = nn.Linear(inner_size, shape.hidden_size)
        self.LayerNorm = nn.LayerNorm(shape.hidden_size, eps=shape.layer_norm_eps)

    def forward(self, inner: Tensor, before: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(inner) + before)


class Attention(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.self = SelfAttention(shape)
        self.output = Residual(shape.hidden_size, shape)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        return self.output(self.self(states, bias), states)


class Intermediate(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.hidden_size, shape.intermediate_size)

    def forward(self, states: Tensor) -> Tensor:
        return F.gelu(self.dense(states))


class Layer(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.intermediate = Intermediate(shape)
        self.output = Residual(shape.intermediate_size, shape)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        states = self.attention(states, bias)
        return self.output(self.intermediate(states), states)


class Encoder(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.layer = nn.ModuleList([Layer(shape) for _ in range(shape.layers)])

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        for layer in self.layer:
            states = layer(states, bias)
        return states


class SentenceEmbedder(nn.Module):
    """ids INT64 [n, L] and mask INT64 [n, L] (1 for a token, 0 for padding) to unit vectors FP32 [n, hidden]."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.embeddings = Embeddings(shape)
        self.encoder = Encoder(shape)

    def forward(self, INPUT__0: Tensor, INPUT__1: Tensor) -> Tensor:
        present = INPUT__1.to(torch.float32)
        # A large number instead of infinity, which would turn a row of padding into NaN.
        bias = (1.0 - present)[:, None, None, :] * -1e30
        states = self.encoder(self.embeddings(INPUT__0), bias)
        weights = present.unsqueeze(-1)
        mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return F.normalize(mean, p=2.0, dim=1)

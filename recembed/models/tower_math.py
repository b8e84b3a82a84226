"""The user towers in NumPy: what torch trained, without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from recembed.arrays import Vectors
from recembed.training.towers.buckets import Bucket
from recembed.training.towers.settings import Attention, Mean, Tower, Transformer

Arrays: TypeAlias = Mapping[str, NDArray[Any]]

SMALL = np.float32(1e-5)  # torch's LayerNorm divides by sqrt(variance + 1e-5)


@dataclass(frozen=True, eq=False)
class NumpyTower:
    """setting: the tower's kind and fields. arrays: its parameters, named as torch's are."""

    setting: Tower
    arrays: Arrays

    def __call__(self, items: Vectors, bucket: Bucket) -> Vectors:
        """Vectors of users, [n, dim]. items: those of the bucket's rows, [n, longest, dim]."""
        if isinstance(self.setting, Mean):
            assert bucket.weight is not None
            mean = np.einsum("nt,ntd->nd", bucket.weight, items)
            return _float32(mean @ self.arrays["map"])
        if isinstance(self.setting, Attention):
            return _attention(self.setting, self.arrays, items, bucket)
        return _transformer(self.setting, self.arrays, items, bucket)


def _attention(setting: Attention, arrays: Arrays, items: Vectors, bucket: Bucket) -> Vectors:
    n, longest, dim = items.shape
    scores = items @ arrays["score.weight"].T + arrays["age"][bucket.age]  # [n, longest, heads]
    scores[~bucket.there] = -np.inf
    share = _softmax(scores, axis=1)
    values = items @ arrays["value.weight"].T
    values = values.reshape(n, longest, setting.heads, dim // setting.heads)
    mean = np.einsum("nth,nthd->nhd", share, values).reshape(n, dim)
    return _float32(mean @ arrays["out.weight"].T)


def _transformer(setting: Transformer, arrays: Arrays, items: Vectors, bucket: Bucket) -> Vectors:
    x = items + arrays["position"][bucket.age]  # [n, longest, dim]
    if setting.gaps:
        x = x + arrays["gap"][bucket.gap]
    here = np.arange(len(x))
    past = np.tri(x.shape[1], dtype=bool)  # [query, key]
    for at in range(setting.blocks):
        layer = {
            name.removeprefix(f"layers.{at}."): array
            for name, array in arrays.items()
            if name.startswith(f"layers.{at}.")
        }
        asked = np.arange(x.shape[1])[None].repeat(len(x), 0)
        if at == setting.blocks - 1:  # of the last layer, only the newest event matters
            asked = bucket.lengths[:, None] - 1
        x = _layer(setting.heads, layer, x, asked, past[asked])
    return _norm(x[here, 0] if setting.blocks else x, arrays["norm.weight"], arrays["norm.bias"])


def _layer(heads: int, arrays: Arrays, x: Vectors, asked: NDArray[np.int64], past: Any) -> Vectors:
    """[n, longest, dim] at the places asked int64 [n, a], which see past bool [n, a, longest]."""
    n, longest, dim = x.shape
    normed = _norm(x, arrays["before.weight"], arrays["before.bias"])
    weight, bias = arrays["mix.weight"], arrays["mix.bias"]
    here = np.arange(n)[:, None]
    query = normed[here, asked] @ weight[:dim].T + bias[:dim]  # [n, a, dim]
    both = normed @ weight[dim:].T + bias[dim:]  # [n, longest, 2 dim]

    def split(array: Vectors) -> Vectors:  # [n, heads, places, dim / heads]
        return array.reshape(n, -1, heads, dim // heads).transpose(0, 2, 1, 3)

    query, key, value = split(query), split(both[..., :dim]), split(both[..., dim:])
    scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(dim // heads))
    scores = np.where(past[:, None], scores, np.float32(-np.inf))  # [n, heads, a, longest]
    seen = (_softmax(scores, axis=3) @ value).transpose(0, 2, 1, 3).reshape(n, -1, dim)
    x = x[here, asked] + seen @ arrays["out.weight"].T + arrays["out.bias"]
    between = _norm(x, arrays["between.weight"], arrays["between.bias"])
    wide = _gelu(between @ arrays["wide.weight"].T + arrays["wide.bias"])
    return _float32(x + wide @ arrays["narrow.weight"].T + arrays["narrow.bias"])


def _norm(x: Vectors, weight: Vectors, bias: Vectors) -> Vectors:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    return _float32(centred / np.sqrt(variance + SMALL) * weight + bias)


def _softmax(scores: Vectors, axis: int) -> Vectors:
    share = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return _float32(share / share.sum(axis=axis, keepdims=True))


def _gelu(x: Vectors) -> Vectors:
    return _float32(x * (erf(x * np.float32(np.sqrt(0.5))) + 1) / 2)


def _float32(array: NDArray[Any]) -> Vectors:
    return array.astype(np.float32, copy=False)

"""The user towers in NumPy: what torch trained, without torch.

Every history is multiplied by itself, one of a stack of equal ones: a product of many histories at
once would round differently in another batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Vectors
from recembed.training.towers.buckets import Histories
from recembed.training.towers.settings import Attention, Mean, Tower, Transformer

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
Places: TypeAlias = NDArray[np.int64]

SMALL = np.float32(1e-5)  # torch's LayerNorm divides by sqrt(variance + 1e-5)
# erfc(z) = t (a1 + t (a2 + ...)) exp(-z^2) with t = 1 / (1 + p z), to 1.5e-7; SciPy's erf takes ten
# times as long. Source: Abramowitz, Stegun 1964, 7.1.26.
P = np.float32(0.3275911 * np.sqrt(0.5))
TAIL = tuple(
    np.float32(a) for a in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
)


@dataclass(frozen=True, eq=False)
class NumpyTower:
    """setting: the tower's kind and fields. arrays: its parameters, named as torch's are."""

    setting: Tower
    arrays: Arrays

    def __call__(self, items: Vectors, histories: Histories, at: Places) -> Vectors:
        """Vectors of users, [n, dim].

        items [n, length, dim]: those of the events at int64 [n, length] of the histories; the
        newest stands last, and there is no padding.
        """
        if isinstance(self.setting, Mean):
            assert histories.weight is not None
            return self._mean(items, histories.weight[at])
        if isinstance(self.setting, Attention):
            return self._attention(items, histories.age[at], self.setting.heads)
        gap = None if histories.gap is None else histories.gap[at]
        return self._transformer(items, histories.age[at], gap, self.setting)

    @cached_property
    def _maps(self) -> dict[str, Vectors]:
        """The arrays with weights as torch's Linear has them turned into [in, out]."""
        return {
            name: np.ascontiguousarray(array.T) if array.ndim == 2 and "weight" in name else array
            for name, array in self.arrays.items()
        }

    def _mean(self, items: Vectors, weight: Vectors) -> Vectors:
        mean: Vectors = weight[:, None] @ items  # [n, 1, dim]
        return (mean @ self._maps["map"])[:, 0]

    def _attention(self, items: Vectors, age: Places, heads: int) -> Vectors:
        maps = self._maps
        scores = items @ maps["score.weight"] + maps["age"][age]  # [n, length, heads]
        share = _softmax(np.ascontiguousarray(scores.transpose(0, 2, 1)))
        values = _split(items @ maps["value.weight"], heads)  # [n, heads, length, dim / heads]
        mean = _joined(share[:, :, None] @ values)  # [n, 1, dim]
        return (mean @ maps["out.weight"])[:, 0]

    def _transformer(
        self, items: Vectors, age: Places, gap: Places | None, setting: Transformer
    ) -> Vectors:
        maps = self._maps
        x = items + maps["position"][age]  # [n, length, dim]
        if gap is not None:
            x += maps["gap"][gap]
        for at in range(setting.blocks):
            head = f"layers.{at}."
            layer = {name.removeprefix(head): maps[name] for name in maps if name.startswith(head)}
            x = _layer(x, layer, setting.heads, newest=at == setting.blocks - 1)
        return _norm(x[:, -1], maps["norm.weight"], maps["norm.bias"])


def _layer(x: Vectors, maps: Arrays, heads: int, *, newest: bool) -> Vectors:
    """[n, length, dim], each event after those before it; newest: the last alone, [n, 1, dim]."""
    length, dim = x.shape[1:]
    normed = _norm(x, maps["before.weight"], maps["before.bias"])
    weight, bias = maps["mix.weight"], maps["mix.bias"]
    both = normed @ weight[:, dim:] + bias[dim:]  # [n, length, 2 dim]
    key, value = _split(both[:, :, :dim], heads), _split(both[:, :, dim:], heads)
    if newest:
        x, normed = x[:, -1:], normed[:, -1:]
    query = _split(normed @ weight[:, :dim] + bias[:dim], heads)
    query /= np.float32(np.sqrt(dim // heads))
    scores = query @ key.transpose(0, 1, 3, 2)  # [n, heads, asked, length]
    if not newest:
        scores[:, :, ~np.tri(length, dtype=bool)] = -np.inf
    x = x + _joined(_softmax(scores) @ value) @ maps["out.weight"] + maps["out.bias"]
    between = _norm(x, maps["between.weight"], maps["between.bias"])
    wide = _gelu(between @ maps["wide.weight"] + maps["wide.bias"])
    x += wide @ maps["narrow.weight"]
    x += maps["narrow.bias"]
    return x


def _split(array: Vectors, heads: int) -> Vectors:
    """[n, places, dim] as [n, heads, places, dim / heads]."""
    n, places, dim = array.shape
    split: Vectors = array.reshape(n, places, heads, dim // heads).transpose(0, 2, 1, 3)
    return split


def _joined(array: Vectors) -> Vectors:
    """The reverse."""
    n, heads, places, part = array.shape
    joined: Vectors = array.transpose(0, 2, 1, 3).reshape(n, places, heads * part)
    return joined


def _norm(x: Vectors, weight: Vectors, bias: Vectors) -> Vectors:
    found: Vectors = x - x.mean(axis=-1, keepdims=True)
    variance = np.einsum("...d,...d->...", found, found) / np.float32(x.shape[-1])
    found /= np.sqrt(variance + SMALL)[..., None]
    found *= weight
    found += bias
    return found


def _softmax(scores: Vectors) -> Vectors:
    """Over the last axis, in place."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def _gelu(x: Vectors) -> Vectors:
    """In place: x * P(normal <= x), which is max(x, 0) - |x| erfc(|x| / sqrt(2)) / 2."""
    size = np.abs(x)
    t = size * P
    t += 1
    np.reciprocal(t, out=t)
    tail = t * TAIL[0]
    for factor in TAIL[1:]:
        tail += factor
        tail *= t
    np.multiply(x, x, out=t)
    t *= np.float32(-0.5)
    tail *= np.exp(t, out=t)
    size *= np.float32(0.5)
    tail *= size
    np.maximum(x, 0, out=x)
    x -= tail
    return x

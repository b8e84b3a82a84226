"""User towers against plain ones, history by history; padding and the future are not seen."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.training.recency import Recency
from recembed.training.towers.buckets import Histories
from recembed.training.towers.settings import Attention, Mean, Transformer
from recembed.training.towers.users import Block, user_tower

DIM, N_ITEMS, REACH = 6, 12, 9
ROWS = [[3, 1, 4, 1, 5], [9], [2, 6, 5, 3], [5, 8, 9, 7, 9, 3], [2, 3]]
TOWERS = {
    "mean": Mean(recency=Recency(decay=0.6)),
    "attention": Attention(heads=2),
    "transformer": Transformer(heads=2, dropout=0.0),
    "gaps": Transformer(blocks=1, heads=3, width=2, dropout=0.0, gaps=True),
}


def events_of(rows, time=None):
    users, items = Vocabulary.numbered(len(rows)), Vocabulary.numbered(N_ITEMS)
    time = np.cumsum(np.arange(sum(map(len, rows))) ** 3) if time is None else np.asarray(time)
    return Interactions(users, items, Sequences.of(rows), time=time, order="time")


def tower_of(kind, every=False, seed=0):
    torch.manual_seed(seed)
    tower = user_tower(TOWERS[kind], DIM, REACH, every=every).double()
    with torch.no_grad():
        for each in tower.parameters():  # none of them is 0, or 1 on a diagonal
            each.add_(torch.randn_like(each), alpha=0.3)
    return tower


TABLE = torch.randn(N_ITEMS, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def blocks(kind, events, most=1000):
    for bucket in Histories.for_tower(events, TOWERS[kind], REACH).buckets(most):
        if bucket.weight is not None:
            object.__setattr__(bucket, "weight", bucket.weight.astype(np.float64))
        yield bucket, Block.of(bucket, torch.device("cpu"))


def users(kind, events, most=1000, table=TABLE):
    tower, found = tower_of(kind), torch.zeros(events.n_users, DIM, dtype=torch.float64)
    for bucket, block in blocks(kind, events, most):
        found[torch.from_numpy(bucket.which)] = tower(table[bucket.rows], block).detach()
    return found


@pytest.mark.parametrize("kind", TOWERS)
def test_padding_is_not_seen(kind):
    """All in one block, each by itself."""
    events = events_of(ROWS)
    [(bucket, _)] = blocks(kind, events_of([[1, 2, 3, 4, 5], [1, 2, 3, 4]]))
    assert not bucket.there.all()
    torch.testing.assert_close(users(kind, events), users(kind, events, most=1))


@pytest.mark.parametrize("kind", ["transformer", "gaps"])
def test_at_the_newest_event_it_says_the_same_whether_all_are_asked_or_that_alone(kind):
    events = events_of(ROWS)
    every, last = tower_of(kind, every=True), tower_of(kind)
    for bucket, block in blocks(kind, events):
        found = every(TABLE[bucket.rows], block)
        assert len(found) == bucket.lengths.sum()
        ends = np.cumsum(bucket.lengths) - 1
        torch.testing.assert_close(found[ends], last(TABLE[bucket.rows], block))


@pytest.mark.parametrize("kind", ["transformer", "gaps"])
def test_the_future_is_not_seen(kind):
    tower = tower_of(kind, every=True)
    [(bucket, block)] = blocks(kind, events_of([[3, 1, 4, 1, 5]]))
    found = tower(TABLE[bucket.rows], block)
    changed = TABLE[bucket.rows].clone()
    changed[0, 3] = TABLE[0]
    other = tower(changed, block)
    torch.testing.assert_close(found[:3], other[:3])
    assert ((found[3:] - other[3:]).abs().amax(dim=1) > 1e-3).all()


def plain_mean(tower, items, age, gap):
    weight = 0.6 ** age.double()
    return (weight / weight.sum()) @ items @ tower.map


def plain_attention(tower, items, age, gap):
    found = []
    for head in range(2):
        scores = items @ tower.score.weight[head] + tower.age[age, head]
        values = (items @ tower.value.weight.T)[:, head * 3 : head * 3 + 3]
        found.append(torch.softmax(scores, dim=0) @ values)
    return torch.cat(found) @ tower.out.weight.T


def plain_transformer(tower, items, age, gap):
    """Blocks as torch has them, over one history."""
    setting = TOWERS["transformer" if tower.gap is None else "gaps"]
    x = items + tower.position[age]
    if tower.gap is not None:
        x = x + tower.gap[gap]
    future = torch.ones(len(x), len(x), dtype=torch.bool).triu(1)
    for layer in tower.layers:
        block = torch.nn.TransformerEncoderLayer(
            DIM, setting.heads, setting.width * DIM, 0.0, F.gelu, batch_first=True, norm_first=True
        ).double()
        block.load_state_dict(
            {
                f"{name}.{part}": getattr(getattr(layer, mine), part).detach()
                for name, mine in {
                    "norm1": "before",
                    "norm2": "between",
                    "self_attn.out_proj": "out",
                    "linear1": "wide",
                    "linear2": "narrow",
                }.items()
                for part in ("weight", "bias")
            }
            | {
                "self_attn.in_proj_weight": layer.mix.weight.detach(),
                "self_attn.in_proj_bias": layer.mix.bias.detach(),
            }
        )
        x = block(x[None], src_mask=future)[0]
    return tower.norm(x)[-1]


PLAIN = {
    "mean": plain_mean,
    "attention": plain_attention,
    "transformer": plain_transformer,
    "gaps": plain_transformer,
}


@pytest.mark.parametrize("kind", TOWERS)
def test_a_user_is_what_a_plain_tower_makes_of_the_history(kind):
    found, tower = users(kind, events_of(ROWS)), tower_of(kind)
    since = np.arange(sum(map(len, ROWS))) ** 3  # seconds before each event
    at = 0
    for user, rows in enumerate(ROWS):
        gap = [0, *(int(np.log2(s + 1)) + 1 for s in since[at + 1 : at + len(rows)])]
        at += len(rows)
        age = torch.arange(len(rows)).flip(0)
        expected = PLAIN[kind](tower, TABLE[rows], age, torch.tensor(gap))
        torch.testing.assert_close(found[user], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["attention", "transformer"])
def test_the_order_of_events_counts(kind):
    one, other = users(kind, events_of([[1, 2, 3]])), users(kind, events_of([[3, 2, 1]]))
    assert (one - other).abs().max() > 1e-3


def test_dropout_is_of_training_alone():
    torch.manual_seed(0)
    tower = user_tower(Transformer(dropout=0.5), DIM, REACH, every=False).double()
    [(bucket, block)] = blocks("transformer", events_of([[1, 2, 3]]))
    once, again = (tower(TABLE[bucket.rows], block) for _ in range(2))
    assert not torch.equal(once, again)
    tower.eval()
    once, again = (tower(TABLE[bucket.rows], block) for _ in range(2))
    assert torch.equal(once, again)

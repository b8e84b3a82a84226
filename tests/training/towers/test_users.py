"""User towers against plain ones, history by history; padding and the future are not seen."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.training import attention
from recembed.training.recency import Recency
from recembed.training.towers.buckets import Histories
from recembed.training.towers.settings import Attention, Mean, Transformer
from recembed.training.towers.users import Packed, user_tower

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


def packed(kind, events):
    """Events whose items are the rows of a table that has one for each."""
    rows = np.arange(len(events))
    return Packed.of(Histories.of(events, TOWERS[kind]), rows, torch.device("cpu"))


def users(kind, rows):
    events = events_of(rows)
    return tower_of(kind)(TABLE[events.rows], packed(kind, events)).detach()


def padding(kind, events):
    return sum(int((~block.there).sum()) for block in packed(kind, events).blocks.blocks)


@pytest.mark.parametrize(
    ("kind", "every"), [*((kind, False) for kind in TOWERS), ("transformer", True), ("gaps", True)]
)
def test_padding_is_neither_seen_nor_learned_from(kind, every, monkeypatch):
    """Vectors and slopes in padded blocks are those of each history in a block of its own."""
    tower, events = tower_of(kind, every=every), events_of(ROWS)
    assert padding(kind, events) > 0

    def learned():
        items = TABLE[events.rows].requires_grad_()
        found = tower(items, packed(kind, events))
        slopes = torch.autograd.grad(found.square().sum(), [items, *tower.parameters()])
        return [found, *slopes]

    together = learned()
    monkeypatch.setattr(attention, "MOST", 1)
    assert padding(kind, events) == 0
    torch.testing.assert_close(together, learned())
    assert all(each.any() for each in together)


@pytest.mark.parametrize("kind", ["mean", "attention", "transformer"])
def test_histories_in_another_order_are_the_same_users(kind):
    order = [3, 0, 4, 2, 1]
    moved = users(kind, [ROWS[at] for at in order])
    torch.testing.assert_close(moved, users(kind, ROWS)[order])


@pytest.mark.parametrize("kind", ["transformer", "gaps"])
def test_at_the_newest_event_it_says_the_same_whether_all_are_asked_or_that_alone(kind):
    events = events_of(ROWS)
    found = tower_of(kind, every=True)(TABLE[events.rows], packed(kind, events))
    assert len(found) == len(events)
    newest = np.cumsum([len(rows) for rows in ROWS]) - 1
    torch.testing.assert_close(found[newest].detach(), users(kind, ROWS))


@pytest.mark.parametrize("kind", ["transformer", "gaps"])
def test_neither_the_future_nor_others_are_seen(kind):
    tower, events = tower_of(kind, every=True), events_of([[9, 2], [3, 1, 4, 1, 5], [6, 5, 3]])
    items, changed = TABLE[events.rows], TABLE[events.rows].clone()
    changed[5] = TABLE[0]  # the second one's fourth
    found, other = (tower(each, packed(kind, events)) for each in (items, changed))
    moved = (found - other).abs().amax(dim=1)
    assert (moved[[5, 6]] > 1e-3).all()
    assert moved[[0, 1, 2, 3, 4, 7, 8, 9]].max() < 1e-12


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
    return tower.norm(x)


PLAIN = {
    "mean": plain_mean,
    "attention": plain_attention,
    "transformer": lambda *given: plain_transformer(*given)[-1],
    "gaps": lambda *given: plain_transformer(*given)[-1],
}


def told_apart(found):
    """What a plain tower needs of each history, and what was found of it."""
    since, at = np.arange(sum(map(len, ROWS))) ** 3, 0  # seconds before each event
    for rows, mine in zip(ROWS, found, strict=True):
        gap = [0, *(int(np.log2(s + 1)) + 1 for s in since[at + 1 : at + len(rows)])]
        at += len(rows)
        age = torch.arange(len(rows)).flip(0)
        yield TABLE[rows], age, torch.tensor(gap), mine


@pytest.mark.parametrize("kind", TOWERS)
def test_a_user_is_what_a_plain_tower_makes_of_the_history(kind):
    for *given, mine in told_apart(users(kind, ROWS)):
        expected = PLAIN[kind](tower_of(kind), *given)
        torch.testing.assert_close(mine, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["transformer", "gaps"])
def test_each_event_is_what_a_plain_tower_makes_of_it(kind):
    tower, events = tower_of(kind, every=True), events_of(ROWS)
    found = tower(TABLE[events.rows], packed(kind, events))
    for *given, mine in told_apart(found.split([len(rows) for rows in ROWS])):
        torch.testing.assert_close(mine, plain_transformer(tower, *given), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["attention", "transformer"])
def test_the_order_of_events_counts(kind):
    assert (users(kind, [[1, 2, 3]]) - users(kind, [[3, 2, 1]])).abs().max() > 1e-3


def test_dropout_is_of_training_alone():
    torch.manual_seed(0)
    tower = user_tower(Transformer(dropout=0.5), DIM, REACH, every=False).double()
    events = events_of([[1, 2, 3]])
    once, again = (tower(TABLE[events.rows], packed("transformer", events)) for _ in range(2))
    assert not torch.equal(once, again)
    tower.eval()
    once, again = (tower(TABLE[events.rows], packed("transformer", events)) for _ in range(2))
    assert torch.equal(once, again)

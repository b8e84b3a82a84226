"""bfloat16: only where it pays, and then for all that is trained."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recembed.training.examples import Examples
from recembed.training.towers.model import Towers
from recembed.training.towers.precision import autocast, pays
from recembed.training.towers.settings import (
    BCE,
    GBCE,
    Attention,
    FullSoftmax,
    InBatch,
    Mean,
    SampledSoftmax,
    Transformer,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("able", "expected"),
    [({}, False), ({"avx512_f": True, "avx512_bf16": False}, False),
     ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True)],
)  # fmt: skip
def test_a_cpu_that_multiplies_bfloat16_is_asked_to(monkeypatch, able, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert pays(CPU) == expected
    with autocast(CPU):
        kind = (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    assert kind == (torch.bfloat16 if expected else torch.float32)


def test_a_torch_that_cannot_tell_gets_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not pays(CPU)


@pytest.mark.parametrize(("version", "expected"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_a_graphics_card_is_asked_from_ampere_on(monkeypatch, version, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: version)
    assert pays(torch.device("cuda")) == expected


CHOICES = [
    *({"tower": tower} for tower in (Mean(), Attention(heads=2), Transformer(gaps=True))),
    {"tower": Transformer(predict="last")},
    *({"loss": loss} for loss in (FullSoftmax(), SampledSoftmax(hardest=3), GBCE(), BCE())),
    {"loss": InBatch(), "score": "cosine", "temperature": 1.0},
]


@pytest.mark.parametrize("of", CHOICES, ids=str)
@pytest.mark.parametrize("touched", ["all", "touched"])
def test_every_choice_trains_in_bfloat16_to_nearly_the_same(world, of, touched):
    world.kind = "content and users"
    events = world.events()
    setting = world.setting(**of, dropout=0.0, updates=touched)
    if isinstance(setting.tower, Transformer):
        setting = replace(setting, tower=replace(setting.tower, dropout=0.0))
    setting = replace(setting, users=replace(setting.users, dropout=0.0))
    setting = replace(setting, features=replace(setting.features, id_dropout=0.0))
    batch = Examples.of(events, "user", 9, every=setting.every).batch(
        np.arange(6), np.random.default_rng(0)
    )

    def run(lower):
        torch.manual_seed(0)
        towers = Towers(world.data(events), setting)
        with torch.no_grad():
            for each in towers.parameters():  # far from where all scores are 0
                each.add_(torch.randn_like(each), alpha=0.2)
        with torch.autocast("cpu", torch.bfloat16, enabled=lower):
            loss = towers(batch, np.random.default_rng(1))
        loss.backward()
        kinds = {each.grad.dtype for each in towers.parameters() if each.grad is not None}
        assert kinds == {torch.float32}
        found = torch.cat([each.grad.to_dense().ravel() for each in towers.parameters()
                           if each.grad is not None])  # fmt: skip
        return loss, found

    (loss, found), (near, expected) = run(True), run(False)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, near, rtol=0.03, atol=0.03)
    assert (found - expected).norm() < 0.1 * expected.norm()
    assert not torch.equal(found, expected)

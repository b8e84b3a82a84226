"""`recembed models`: what can be trained, and what can be set."""

from typing import Any

import click


@click.command()
@click.argument("name", required=False)
def models(name: str | None) -> None:
    """List the models and presets, or what one of them sets."""
    from recembed.models import registry
    from recembed.models.presets import PRESETS
    from recembed.registers import unknown
    from recembed.settings import described
    from recembed.text import registry as texts
    from recembed.text.word_vectors import WordVectors

    def of(one: str) -> Any:
        if one == WordVectors.name:
            return WordVectors()
        return texts.text_estimator(one) if one in texts.names() else registry.estimator(one)

    trainable = (*registry.names(), *texts.names(), WordVectors.name)
    if name is None:
        for each in trainable:
            click.echo(f"{each:12} {(type(of(each)).__doc__ or '').splitlines()[0]}")
        for each, known in PRESETS.items():
            click.echo(f"preset {each:12} {known.model} for {known.about}")
        return
    if name not in (*trainable, *PRESETS):
        raise unknown("model or preset", name, (*trainable, *PRESETS))
    for line in PRESETS[name].described() if name in PRESETS else described(of(name)):
        click.echo(line)

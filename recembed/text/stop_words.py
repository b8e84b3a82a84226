"""Words that say little about what a text is about."""

from pathlib import Path

from recembed.errors import DataError
from recembed.text.normal import Normal

ENGLISH = """
a about above after again against all also am an and any are aren't as at be because been
before being below between both but by can can't cannot could couldn't did didn't do does
doesn't doing don't down during each either else ever every few for from further had hadn't has
hasn't have haven't having he he'd he'll he's her here here's hers herself him himself his how
how's i i'd i'll i'm i've if in into is isn't it it's its itself just let's may me might mine
more most must mustn't my myself neither no nor not of off on once one only onto or other our
ours ourselves out over own per rather same shall shan't she she'd she'll she's should
shouldn't since so some such than that that's the their theirs them themselves then there
there's these they they'd they'll they're they've this those though through thus till to too
under until unto up upon very was wasn't we we'd we'll we're we've were weren't what what's when
when's where where's whether which while who who's whom whose why why's will with within without
won't would wouldn't yet you you'd you'll you're you've your yours yourself yourselves
"""


def stop_words(choice: str | None, normal: Normal) -> frozenset[str]:
    """None: no words. "english": ours. Else a file of words, with white space between them.

    They are written as `normal` writes texts.
    """
    if choice is None:
        return frozenset()
    text = ENGLISH if choice == "english" else _read(Path(choice))
    return frozenset(normal(text).split())


def _read(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"stop_words is none, english or a file of words; there is no file {path}")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: convert it (iconv -f latin1 -t utf-8)") from error

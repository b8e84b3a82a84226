"""Texts that people read as the same are written the same."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.errors import DataError
from recembed.settings import change
from recembed.text.normal import Normal

NORMALS = [
    Normal(unicode, case, accents)
    for unicode in ("nfc", "nfkc")
    for case in ("lower", "keep")
    for accents in ("keep", "strip")
]
EVERY = pytest.mark.parametrize("normal", NORMALS, ids=str)
LETTERS = (
    "aA\u00c9e\u0301\u0345\u0130i\u0307\u0323\u03a3\u03c3\u2019'\uff21\ufb01\u2121\u1e9b"
    "\u0915\u093f\u093c\uac01\u1100\u1161\u212b\u00bd.-"
)
HELLAS, HINDI = "\u1f08\u03b8\u03ae\u03bd\u03b1\u03c2", "\u0939\u093f\u0928\u094d\u0926\u0940"
OTHERS = "\ud55c\uad6d\uc5b4 \u65e5\u672c \U0001f600"


@pytest.mark.parametrize(
    ("text", "values", "wanted"),
    [
        ("Rose ROSE", {}, "rose rose"),
        ("Rose ROSE", {"case": "keep"}, "Rose ROSE"),
        ("Don\u2019t", {}, "don't"),
        ("E\u0301te\u0301", {}, "\u00e9t\u00e9"),
        ("E\u0301te\u0301", {"accents": "strip"}, "ete"),
        ("\ufb01ne \uff21\u00b2", {}, "\ufb01ne \uff41\u00b2"),
        ("\ufb01ne \uff21\u00b2", {"unicode": "nfkc"}, "fine a2"),
        ("\u0130", {"accents": "strip"}, "i"),
        (HELLAS, {"accents": "strip"}, "\u03b1\u03b8\u03b7\u03bd\u03b1\u03c2"),
        (HINDI, {"accents": "strip"}, HINDI),
        (OTHERS, {"accents": "strip"}, OTHERS),
    ],
)  # fmt: skip
def test_it_writes_texts_like_this(text, values, wanted):
    assert change(Normal(), values)(text) == wanted


@EVERY
@given(text=st.text() | st.text(alphabet=LETTERS))
def test_what_is_written_so_stays_so(normal, text):
    once = normal(text)
    assert normal(once) == once
    assert unicodedata.is_normalized(normal.unicode.upper(), once)


@EVERY
@given(pieces=st.lists(st.text(alphabet=LETTERS)))
def test_pieces_are_written_as_in_the_whole_text(normal, pieces):
    assert normal(" ".join(pieces)) == " ".join(map(normal, pieces))


@given(st.text())
def test_spellings_that_unicode_calls_equal_become_equal(text):
    forms = {Normal()(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert len(forms) == 1


def test_a_choice_that_there_is_not_is_refused():
    with pytest.raises(DataError, match="unicode is one of nfc, nfkc, not 'nfd'"):
        Normal(unicode="nfd")

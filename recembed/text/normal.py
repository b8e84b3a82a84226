"""Texts that people read as the same, written the same way."""

import re
from dataclasses import dataclass
from typing import Literal
from unicodedata import normalize

from recembed.settings import check, setting

ACCENTS = re.compile("[\u0300-\u036f]+")  # not the vowel signs of Hindi, nor points of Hebrew


@dataclass(frozen=True)
class Normal:
    """How a text is written before it is taken apart.

    A typographic apostrophe becomes a plain one. What is between two spaces does not depend on
    what is around them, and what is written so already stays as it is.
    """

    unicode: Literal["nfc", "nfkc"] = setting(
        "nfc", "an accent is a part of its letter; nfkc: and wide, raised or joined letters plain"
    )
    case: Literal["lower", "keep"] = setting("lower", "lower: Rose and rose are one word")
    accents: Literal["keep", "strip"] = setting("keep", "strip: e for an e with an accent")

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, text: str) -> str:
        """The text, written so."""
        if text.isascii():
            return text.lower() if self.case == "lower" else text
        form: Literal["NFC", "NFKC"] = "NFC" if self.unicode == "nfc" else "NFKC"
        text = normalize(form, text).replace("\u2019", "'")
        if self.case == "lower":
            text = text.lower()
        if self.accents == "strip":
            text = ACCENTS.sub("", normalize("NFD", text))
        return normalize(form, text)  # a letter may have become two, or lost what kept it apart

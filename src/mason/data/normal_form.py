"""When two texts count as the same: without case, width and spacing."""

import re
import unicodedata

_SPACES = re.compile(r"\s+")


def normal_form(text: str) -> str:
    """``text`` in NFKC, case-folded, with single spaces: full-width ``ＡＢＣ`` is ``abc``."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()

"""Sentences of a document, for objectives that ask what follows what."""

import re

# A Latin sentence ends before a space and a capital, a quote or a digit; a Chinese one anywhere.
# One class of characters stands first, so that the search can leap from one to the next.
_END = re.compile(
    r"[\n.!?…。！？；](?:"
    r"(?<=[。！？；])(?![。！？；”’」』）])"
    r"|(?<=[.!?…])(?<!\b[A-Z]\.)(?<!\b[A-Z][a-z]\.)(?<!e\.g\.)(?<!i\.e\.)[”\"')\]]?\s+"
    r"(?=[\"'“‘(\[]?[A-Z0-9\u00c0-\u024f\u0400-\u042f])"
    r"|(?<=\n))"
)


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order; put together again they are the text.

    A rule, not a model: a full stop before a space and a capital ends one, an initial's or a
    short title's does not, and a line's end always does. The space between two sentences is the
    later one's, as the pieces of a byte-level tokenizer have it; around the text it is left out.
    """
    text = text.strip()
    found, start = [], 0
    for end in [match.end() for match in _END.finditer(text)] + [len(text)]:
        part = text[start:end].rstrip()
        if part:
            found.append(part)
            start += len(part)
    return found

"""What texts may go through before the tokenizer, by the name that a model's contract holds."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from mason.text.cleaning import Cleaned, as_read
from mason.text.spelling import Speller
from mason.text.usage import Usage

Cleaner = Callable[[str], Cleaned]

UNICODE, SPELLING = "unicode-1", "unicode-1+spelling-2"
"""The cleaners of this version; a model keeps the name of the one it learned with."""

CLEANERS: Mapping[str, Callable[[Usage], Cleaner]] = MappingProxyType(
    {UNICODE: lambda usage: as_read, SPELLING: Speller}
)

"""Keep control tokens that a user types inside a text from acting as control tokens.

``tokenizers`` can leave special tokens alone while it looks for added tokens
(``encode_special_tokens``), but the model behind may still hold their text as a piece:
a Unigram model happily reads "</s>" as one. Where it does, the text is split inside the
token's name, after everything else has split it, so that no piece can span it.
"""

import re

from tokenizers import Regex
from tokenizers import Tokenizer as Backend
from tokenizers.pre_tokenizers import Sequence, Split


def disarm(backend: Backend) -> None:
    """Make ``backend`` read the names of its special tokens as ordinary text."""
    backend.encode_special_tokens = True
    names = {
        token.content: id
        for id, token in backend.get_added_tokens_decoder().items()
        if token.special and len(token.content) > 1
    }
    leaking = [name for name, id in names.items() if _leaks(backend, name, id)]
    if not leaking:
        return
    pattern = "|".join(f"{re.escape(n[0])}(?={re.escape(n[1:])})" for n in leaking)
    split = Split(Regex(pattern), "merged_with_previous")
    before = backend.pre_tokenizer
    backend.pre_tokenizer = Sequence([before, split] if before is not None else [split])


def _leaks(backend: Backend, name: str, id: int) -> bool:
    texts = [name, f" {name}", f"a{name}b", f"{name} b"]
    found = backend.encode_batch_fast(texts, add_special_tokens=False)
    return any(id in encoding.ids for encoding in found)

"""Many short texts encoded as a few long ones, where pieces say how many bytes they spell.

A call of ``tokenizers`` costs a text of one word more than the word itself. A piece of GPT-2's
spells a byte a character, and its way to cut words leaves a line feed between two texts alone: so
where a text ends can be counted, and no piece of it knows what stands beside it.
"""

from collections.abc import Sequence

import numpy as np

from mason.text.runs import Runs, Spans
from mason.text.tokenizers import Tokenizer

_TEXTS = 16


class ByteJoins:
    """Encodes texts without marks, as ``Tokenizer.encode_ids`` does.

    Args:
        tokenizer: One whose ``WordCuts`` are ``by_bytes``.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.sizes = np.array(list(map(len, tokenizer.pieces(range(tokenizer.num_tokens)))))
        ((self.feed,),) = tokenizer.encode_ids(["\n"], special=False)

    def __call__(self, texts: Sequence[str]) -> Spans:
        """The ids of ``texts``; those that do not stay apart are encoded alone.

        Raises:
            TokenizerError: A text holds half a surrogate pair.
        """
        together = np.array([_stays_apart(text) for text in texts], np.bool_)
        found = self._joined([texts[i] for i in np.flatnonzero(together).tolist()])
        together[together] = found.lengths >= 0
        alone = [texts[i] for i in np.flatnonzero(~together).tolist()]
        rest = Spans.of(Runs.of(self.tokenizer.encode_ids(alone, special=False)))
        both = found.plus(rest)
        rows = np.empty(len(texts), np.int64)
        rows[together] = np.flatnonzero(found.lengths >= 0)
        rows[~together] = len(found.lengths) + np.arange(len(alone))
        return Spans(both.ids, both.starts[rows], both.lengths[rows])

    def _joined(self, texts: Sequence[str]) -> Spans:
        """The ids of texts with a line feed behind each; -1 long where they grew together."""
        parts = (texts[first : first + _TEXTS] for first in range(0, len(texts), _TEXTS))
        encoded = self.tokenizer.encode_ids(
            ["\n".join([*part, ""]) for part in parts], special=False
        )
        ids = np.append(Runs.of(encoded).ids, np.int32(-1))
        spelled = np.cumsum(self.sizes[ids[:-1]])
        sizes = [len(text.encode("utf-8", "surrogatepass")) + 1 for text in texts]
        ends = np.cumsum(sizes, dtype=np.int64)
        feeds = np.searchsorted(spelled, ends)
        clean = (np.append(spelled, -1)[feeds] == ends) & (ids[feeds] == self.feed)
        clean &= np.append(True, clean[:-1])[: len(clean)]
        starts = np.append(0, feeds + 1)[:-1]
        return Spans(ids, starts, np.where(clean, feeds - starts, -1))


def _stays_apart(text: str) -> bool:
    """Whether no white space of it would go with a line feed beside it."""
    return text != "" and not text[:2].isspace() and not text[-1].isspace()

"""Words swapped as who sees the gradient would, a batch at a time, to learn from."""

import math
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mason.models.packed import Packed
from mason.security.neighbours import WordVectors
from mason.security.words import is_stop_word
from mason.text import Tokenizer
from mason.text.words import WordStarts

_AT_ONCE = 1024
"""Words whose neighbours, and tokens whose swaps, are looked at together."""
_TRIED = 0.5
"""Share of a word's neighbours that it may become in a step."""


class Swaps:
    """Puts words of like use where the loss grows most by them, to first order.

    An attack that is cheap enough for every step (A2T, Yoo & Qi 2021): the gradient says which
    neighbour hurts most (Ebrahimi et al. 2018), and the model is not asked again. Words of one
    token become words of one token; words of grammar stay.

    Args:
        tokenizer: Whose English words are swapped.
        table: A vector for each of its tokens [V, E], which decides who is near; texts are on the
            same device.
        most: Neighbours of a word.
        least: Least cosine of the two words' vectors.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        table: Float[Tensor, "V E"],
        *,
        most: int = 50,
        least: float = 0.3,
    ) -> None:
        vectors, rows = WordVectors(tokenizer, table), len(table)
        tokens = torch.tensor([tokenizer.whole_words[word] for word in vectors.words]).long()
        kept = torch.tensor([is_stop_word(word) for word in vectors.words]).bool()
        self.near = torch.full((rows, min(most, max(len(tokens), 1))), -1)
        for part in torch.arange(len(tokens)).split(_AT_ONCE):
            cosines = vectors.vectors[part] @ vectors.vectors.T
            cosines[torch.arange(len(part)), part] = -math.inf
            best = cosines.topk(min(most, len(tokens)))
            close = (best.values >= least) & ~kept[part, None]
            self.near[tokens[part]] = torch.where(close, tokens[best.indices], -1)
        opens = torch.from_numpy(WordStarts(tokenizer).opens)[:rows]
        padded = torch.cat([opens, opens.new_ones(rows - len(opens))])  # tables may be longer
        self.near, self.opens = self.near.to(table.device), padded.to(table.device)

    def __call__(
        self,
        packed: Packed,
        table: Float[Tensor, "V E"],
        gradient: Float[Tensor, "T E"],
        share: float,
    ) -> Packed:
        """The same texts, in each some of the words swapped, at most a share of its tokens.

        How many is drawn for each text, and so is what a word may become, so that the model does
        not see the same words each time.

        Args:
            packed: Texts.
            table: The vectors of the tokens as they are now.
            gradient: Of the loss by the vector of each token.
            share: Most that changes.
        """
        best, becomes = self._best(packed.tokens, table, gradient.to(table.dtype))
        lengths = torch.as_tensor(packed.layout.lengths, device=best.device)
        most = (torch.rand(len(lengths), device=best.device) * share * lengths).ceil()
        text = torch.arange(len(lengths), device=best.device).repeat_interleave(lengths)
        order = best.argsort(descending=True)
        order = order[text[order].argsort(stable=True)]  # by text, the worst first
        rank = torch.empty_like(order)
        starts = lengths.cumsum(0) - lengths
        rank[order] = torch.arange(len(order), device=best.device) - starts[text[order]]
        swapped = (rank < most[text]) & (best > 0)
        return replace(packed, tokens=torch.where(swapped, becomes, packed.tokens))

    def _best(
        self, tokens: Int[Tensor, "T"], table: Float[Tensor, "V E"], gradient: Float[Tensor, "T E"]
    ) -> tuple[Float[Tensor, "T"], Int[Tensor, "T"]]:
        """What the loss grows by at most where each token is swapped, and for which."""
        whole = self._whole(tokens)
        found = []
        for part in torch.arange(len(tokens), device=tokens.device).split(_AT_ONCE):
            near = self.near[tokens[part]]
            drawn = torch.rand(near.shape, device=near.device) < _TRIED
            allowed = (near >= 0) & whole[part, None] & drawn
            change = table[near.clamp(min=0)] - table[tokens[part]][:, None]
            growth = (change @ gradient[part][:, :, None])[:, :, 0]
            best = growth.masked_fill(~allowed, -math.inf).max(1)
            found.append((best.values, near.gather(1, best.indices[:, None])[:, 0]))
        growths, words = zip(*found, strict=True)
        return torch.cat(growths), torch.cat(words)

    def _whole(self, tokens: Int[Tensor, "T"]) -> Bool[Tensor, "T"]:
        """Whether no token that continues a word comes next."""
        opens = self.opens[tokens]
        return torch.cat([opens[1:], opens.new_ones(1)])

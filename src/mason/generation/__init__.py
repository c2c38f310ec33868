"""Tokens from a model: prefill, then one token for each sequence that still goes on."""

from mason.generation.decoding import Decoding as Decoding
from mason.generation.greedy import generate_greedily as generate_greedily

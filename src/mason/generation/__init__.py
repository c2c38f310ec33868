"""Tokens from a model: prefill, then a few at a time for each answer that still goes on."""

from mason.generation.batching import Answer as Answer
from mason.generation.batching import Batch as Batch
from mason.generation.constraints import Constraint as Constraint
from mason.generation.decoding import Decoding as Decoding
from mason.generation.engine import generate as generate
from mason.generation.engine import stream as stream
from mason.generation.lines import Generated as Generated
from mason.generation.sampling import Sampling as Sampling

"""Smaller models inside an accuracy budget: what to take out, how to recover, what to keep."""

from mason.compression.distillation import Distillation as Distillation
from mason.compression.distillation import Layers as Layers
from mason.compression.importance import Importance as Importance
from mason.compression.importance import importance_of as importance_of
from mason.compression.importance import least_needed_layers as least_needed_layers
from mason.compression.rungs import Rungs as Rungs
from mason.compression.rungs import children as children
from mason.compression.search import Tried as Tried
from mason.compression.search import pareto as pareto
from mason.compression.search import search as search
from mason.compression.shrinking import shrunk as shrunk
from mason.compression.shrinking import without_heads as without_heads
from mason.compression.shrinking import without_layers as without_layers
from mason.compression.shrinking import without_neurons as without_neurons
from mason.compression.sparsity import Sparsely as Sparsely
from mason.compression.sparsity import masks_of as masks_of
from mason.compression.verdict import Budget as Budget
from mason.compression.verdict import Verdict as Verdict
from mason.compression.verdict import judge_drop as judge_drop

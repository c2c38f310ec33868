"""Building blocks: no family names, no files, no parallelism.

All are plain PyTorch; a few rows of a decoding step go through ``native``'s compiled kernels.
"""

from mason.layers.activations import ACTIVATIONS as ACTIVATIONS
from mason.layers.adapters import Adapted as Adapted
from mason.layers.adapters import Adapter as Adapter
from mason.layers.adapters import AdapterSpec as AdapterSpec
from mason.layers.attention import Attention as Attention
from mason.layers.attention import reference_attention as reference_attention
from mason.layers.caches import Cache as Cache
from mason.layers.dropout import Dropout as Dropout
from mason.layers.embeddings import Embedding as Embedding
from mason.layers.feed_forward import FeedForward as FeedForward
from mason.layers.int4 import Grid as Grid
from mason.layers.int4 import Int4Linear as Int4Linear
from mason.layers.int4 import hold_in_int4 as hold_in_int4
from mason.layers.int4 import layer_maps as layer_maps
from mason.layers.int8 import Int8DynamicLinear as Int8DynamicLinear
from mason.layers.int8 import Int8Embedding as Int8Embedding
from mason.layers.int8 import Int8Linear as Int8Linear
from mason.layers.int8 import hold_in_int8 as hold_in_int8
from mason.layers.layout import Layout as Layout
from mason.layers.linear import FusedLinear as FusedLinear
from mason.layers.linear import Linear as Linear
from mason.layers.linear import without_values as without_values
from mason.layers.nf4 import NF4Linear as NF4Linear
from mason.layers.norms import LayerNorm as LayerNorm
from mason.layers.norms import RMSNorm as RMSNorm
from mason.layers.norms import build_norm as build_norm
from mason.layers.pages import PagedCache as PagedCache
from mason.layers.pages import Pages as Pages
from mason.layers.plan import AttentionPlan as AttentionPlan
from mason.layers.plan import Sight as Sight
from mason.layers.positions import Alibi as Alibi
from mason.layers.positions import RelativeBias as RelativeBias
from mason.layers.positions import Rotary as Rotary
from mason.layers.registry import adapters as adapters
from mason.layers.registry import attentions as attentions
from mason.layers.registry import embeddings as embeddings
from mason.layers.registry import feed_forwards as feed_forwards
from mason.layers.registry import norms as norms
from mason.layers.residual import Residual as Residual
from mason.layers.specs import AttentionSpec as AttentionSpec
from mason.layers.specs import EmbeddingSpec as EmbeddingSpec
from mason.layers.specs import FeedForwardSpec as FeedForwardSpec
from mason.layers.specs import HeadSpec as HeadSpec
from mason.layers.specs import NormSpec as NormSpec
from mason.layers.specs import RelativeSpec as RelativeSpec
from mason.layers.specs import RotarySpec as RotarySpec
from mason.layers.specs import StackSpec as StackSpec

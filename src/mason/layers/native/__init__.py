"""Compiled kernels for decoding, encoders in 8 bits and training; each has a plain path."""

from mason.layers.native.attention import attend as attend
from mason.layers.native.attention import attends_by_tiles as attends_by_tiles
from mason.layers.native.decoder import INNER as INNER
from mason.layers.native.decoder import DecoderBlock as DecoderBlock
from mason.layers.native.decoder import DecoderProgram as DecoderProgram
from mason.layers.native.decoder import HeldMap as HeldMap
from mason.layers.native.decoder import HeldNorm as HeldNorm
from mason.layers.native.dropout import drop as drop
from mason.layers.native.dropout import drops as drops
from mason.layers.native.encoder import ACTIVATIONS as ACTIVATIONS
from mason.layers.native.encoder import Block8 as Block8
from mason.layers.native.encoder import EncoderProgram as EncoderProgram
from mason.layers.native.encoder import Packed8 as Packed8
from mason.layers.native.encoder import Packed16 as Packed16
from mason.layers.native.encoder import multiplies_int8_dynamic as multiplies_int8_dynamic
from mason.layers.native.encoder import multiply_int8_dynamic as multiply_int8_dynamic
from mason.layers.native.encoder import reads_halves as reads_halves
from mason.layers.native.int4 import dequantise_int4 as dequantise_int4
from mason.layers.native.int4 import multiplies_int4 as multiplies_int4
from mason.layers.native.int4 import multiply_int4 as multiply_int4
from mason.layers.native.library import decoding as decoding
from mason.layers.native.library import library as library
from mason.layers.native.library import ready as ready
from mason.layers.native.library import serves as serves
from mason.layers.native.library import using as using
from mason.layers.native.rows import FEW as FEW
from mason.layers.native.rows import MOST as MOST
from mason.layers.native.rows import few as few
from mason.layers.native.rows import gate as gate
from mason.layers.native.rows import likeliest as likeliest
from mason.layers.native.rows import multiplies as multiplies
from mason.layers.native.rows import multiply as multiply
from mason.layers.native.rows import norm as norm
from mason.layers.native.rows import widen as widen
from mason.layers.native.training import Norm as Norm
from mason.layers.native.training import activation_backward as activation_backward
from mason.layers.native.training import activation_forward as activation_forward
from mason.layers.native.training import cross_entropy as cross_entropy
from mason.layers.native.training import has_activation as has_activation
from mason.layers.native.training import has_cross_entropy as has_cross_entropy
from mason.layers.native.training import norm_backward as norm_backward
from mason.layers.native.training import norm_forward as norm_forward
from mason.layers.native.training import trains as trains
from mason.layers.native.varlen_attention import VarlenPlan as VarlenPlan
from mason.layers.native.varlen_attention import has_varlen_attention as has_varlen_attention
from mason.layers.native.varlen_attention import varlen_attention as varlen_attention
from mason.layers.native.varlen_attention import (
    varlen_attention_backward as varlen_attention_backward,
)
from mason.layers.native.weight_gradient import has_weight_gradient as has_weight_gradient
from mason.layers.native.weight_gradient import weight_gradient as weight_gradient

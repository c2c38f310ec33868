"""Compiled kernels for decoding, for encoders in 8 bits and for dropout; each has a plain path."""

from mason.layers.native.attention import attend as attend
from mason.layers.native.dropout import drop as drop
from mason.layers.native.dropout import drops as drops
from mason.layers.native.encoder import ACTIVATIONS as ACTIVATIONS
from mason.layers.native.encoder import Block8 as Block8
from mason.layers.native.encoder import EncoderProgram as EncoderProgram
from mason.layers.native.encoder import Packed8 as Packed8
from mason.layers.native.encoder import multiply_bytes as multiply_bytes
from mason.layers.native.encoder import reads_bytes as reads_bytes
from mason.layers.native.library import decoding as decoding
from mason.layers.native.library import library as library
from mason.layers.native.library import serves as serves
from mason.layers.native.library import using as using
from mason.layers.native.quarters import multiplies_quarters as multiplies_quarters
from mason.layers.native.quarters import multiply_quarters as multiply_quarters
from mason.layers.native.quarters import widen_quarters as widen_quarters
from mason.layers.native.rows import FEW as FEW
from mason.layers.native.rows import few as few
from mason.layers.native.rows import gate as gate
from mason.layers.native.rows import multiplies as multiplies
from mason.layers.native.rows import multiply as multiply
from mason.layers.native.rows import norm as norm
from mason.layers.native.rows import widen as widen

"""Compiled kernels for a decoding step; each is tested against the plain path it replaces."""

from mason.layers.native.attention import attend as attend
from mason.layers.native.library import decoding as decoding
from mason.layers.native.library import library as library
from mason.layers.native.library import serves as serves
from mason.layers.native.library import using as using
from mason.layers.native.rows import FEW as FEW
from mason.layers.native.rows import few as few
from mason.layers.native.rows import gate as gate
from mason.layers.native.rows import multiplies as multiplies
from mason.layers.native.rows import multiply as multiply
from mason.layers.native.rows import norm as norm
from mason.layers.native.rows import widen as widen

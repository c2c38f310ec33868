"""Adapters: small changes of linear maps that learn while the maps do not; one file a kind."""

from mason.layers.adapters.adapted import Adapted as Adapted
from mason.layers.adapters.adapted import Adapter as Adapter
from mason.layers.adapters.adapted import AdapterSpec as AdapterSpec
from mason.layers.adapters.bottleneck import Bottleneck as Bottleneck
from mason.layers.adapters.dora import Dora as Dora
from mason.layers.adapters.ia3 import Ia3 as Ia3
from mason.layers.adapters.lora import Lora as Lora

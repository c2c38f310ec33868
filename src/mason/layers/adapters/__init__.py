"""Adapters: what learns beside weights that do not; one file a kind.

Most are small changes of linear maps; prompts and prefixes are rows before every text.
"""

from mason.layers.adapters.adapted import Adapted as Adapted
from mason.layers.adapters.adapted import Adapter as Adapter
from mason.layers.adapters.adapted import AdapterSpec as AdapterSpec
from mason.layers.adapters.bottleneck import Bottleneck as Bottleneck
from mason.layers.adapters.dora import Dora as Dora
from mason.layers.adapters.fronts import Before as Before
from mason.layers.adapters.fronts import Front as Front
from mason.layers.adapters.fronts import Fronts as Fronts
from mason.layers.adapters.fronts import KeysValues as KeysValues
from mason.layers.adapters.fronts import Prefix as Prefix
from mason.layers.adapters.fronts import Prompt as Prompt
from mason.layers.adapters.fronts import order_of as order_of
from mason.layers.adapters.ia3 import Ia3 as Ia3
from mason.layers.adapters.lora import Lora as Lora

"""A model behind HTTP: OpenAI's routes and a few of our own, safe as it comes.

A request passes, in this order, ``connections`` (bytes, times and sizes), ``gate`` (who asks),
``app`` (which route), ``bodies`` and ``requests`` (what is asked), a worker (``writing`` or
``reading``: one thread that owns the model), and a formatter (``chats``, ``texts``, ``findings``).
"""

from mason.serving.gate import Gate as Gate
from mason.serving.limits import Limits as Limits
from mason.serving.served import Reading as Reading
from mason.serving.served import Served as Served
from mason.serving.served import Writing as Writing
from mason.serving.server import serve as serve

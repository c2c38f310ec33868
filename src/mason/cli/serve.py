"""``mason serve``: a model behind HTTP."""

import os
from dataclasses import replace
from typing import Annotated, Literal

from cyclopts import Parameter

from mason.cli.terminal import notice
from mason.errors import SettingsError
from mason.language import say

KEY_VARIABLE = "MASON_API_KEY"
Source = Annotated[
    str, Parameter(help=say("A folder, .gguf file, hub id, modelscope:owner/name or short name."))
]
Host = Annotated[str, Parameter(help=say("The address to listen on (127.0.0.1)."))]
Port = Annotated[int, Parameter(help=say("The port to listen on; 0: any that is free (8000)."))]
Key = Annotated[
    str | None,
    Parameter(help=say("What requests must carry; better in the variable MASON_API_KEY.")),
]
Names = Annotated[
    tuple[str, ...],
    Parameter(help=say("A host that the server is reached by, such as a proxy's; repeatable.")),
]
Task = Annotated[
    str | None, Parameter(help=say("What the model shall do; what its files say if left out."))
]
Name = Annotated[str | None, Parameter(help=say("What requests call the model."))]
Weights = Annotated[
    Literal["fp32", "bf16", "int8", "int4"] | None,
    Parameter(help=say("How to hold the weights of a model that writes; as loaded if left out.")),
]
Adapters = Annotated[
    tuple[str, ...],
    Parameter(help=say("NAME=FOLDER: an adapter, for requests that call this name; repeatable.")),
]
Running = Annotated[int, Parameter(help=say("Answers that are written at once (32)."))]
Waiting = Annotated[int, Parameter(help=say("Answers that may wait; more are refused (128)."))]
Guarded = Annotated[
    bool | None,
    Parameter(
        negative="--no-guard",
        help=say(
            "Put a guard around a model that writes: orders against your own do not reach it, and "
            "secrets do not leave it. As its folder says if left out."
        ),
    ),
]
Quiet = Annotated[bool, Parameter(help=say("Write no line for each request."))]


def serve(
    model: Source,
    *,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    api_key: Key = None,
    allow_host: Names = (),
    task: Task = None,
    name: Name = None,
    weights: Weights = None,
    adapter: Adapters = (),
    max_running: Running = 32,
    max_waiting: Waiting = 128,
    guard: Guarded = None,
    quiet: Quiet = False,
) -> int:
    """Answer requests over HTTP until Ctrl-C; for this machine alone unless told otherwise."""
    for option, value, most in (
        ("--port", port, 65_535),
        ("--max-running", max_running, 1_024),
        ("--max-waiting", max_waiting, 65_536),
    ):
        least = 0 if option == "--port" else 1
        if not least <= value <= most:
            raise SettingsError(
                "{name} is {value}; give a number from {low} to {high}.",
                name=option,
                value=value,
                low=least,
                high=most,
            )
    key = api_key if api_key is not None else os.environ.get(KEY_VARIABLE)
    from mason.serving import Gate, Limits
    from mason.serving import serve as answer

    Gate.of(host, port, key=key, names=allow_host)  # refused before the model is read
    from mason.workflows.serving import open_served

    served = open_served(
        model,
        task=task,
        name=name,
        weights=weights,
        adapters=_named(adapter),
        guard=guard,
    )
    answer(
        served,
        host=host,
        port=port,
        key=key,
        names=allow_host,
        limits=replace(Limits(), running=max_running, waiting=max_waiting),
        quiet=quiet,
        ready=lambda address, routes: _ready(", ".join(served.names), address, routes),
    )
    notice(say("Stopped."))
    return 0


def _named(given: tuple[str, ...]) -> dict[str, str]:
    """Folders of adapters by their names."""
    found: dict[str, str] = {}
    for one in given:
        name, _, folder = one.partition("=")
        if not name or not folder or name in found:
            raise SettingsError(
                "--adapter is {given}; give NAME=FOLDER, each name once.", given=repr(one)
            )
        found[name] = folder
    return found


def _ready(name: str, address: str, routes: list[str]) -> None:
    notice(
        say(
            "{name} answers at {address}: {routes}",
            name=name,
            address=address,
            routes=" ".join(routes),
        )
    )

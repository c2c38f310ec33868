"""``mason plan``."""

from mason.cli import options
from mason.cli.overrides import read_overrides
from mason.cli.terminal import needs_table, notice


def plan(
    *settings: options.Setting,
    task: options.Task = None,
    model: options.Planned = None,
    shape: options.Shape = None,
    data: options.Data = None,
    valid: options.Held = None,
    test: options.Held = None,
    text: options.Text = None,
    label: options.Label = None,
    target: options.Target = None,
    pair: options.Pair = None,
    group: options.Group = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    format: options.Format = None,
    output: options.Folder = None,
    config: options.Config = None,
) -> int:
    """Say what a run would need of this machine, without starting it."""
    from mason.workflows import plan as look

    given = {"text": text, "label": label, "pair": pair, "group": group, "columns": columns}
    given |= {"target": target}
    given |= {"valid": valid, "test": test, "encoding": encoding, "format": format}
    named = {f"data.{name}": value for name, value in given.items()}
    named |= {"task": task, "model.shape": shape}
    found = look(
        model,
        data,
        output=output,
        config=config,
        notice=notice,
        **read_overrides(settings) | {k: v for k, v in named.items() if v is not None},
    )
    needs_table(found)
    return 0 if found.fits_memory and found.fits_disk else 2

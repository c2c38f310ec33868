"""Going on with a run that was stopped or killed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mason.errors import MasonError, SettingsError
from mason.settings import Settings, load_settings
from mason.training.checkpoints import verify
from mason.training.loop import Watch
from mason.training.run_folder import Begun, begun, checkpoints_of
from mason.training.world import World, joined
from mason.workflows.fine_tuning import Run, Say, Session
from mason.workflows.objectives import OBJECTIVES
from mason.workflows.pretraining import Pretrained, PretrainingSession


@dataclass(frozen=True)
class Checked:
    """One checkpoint, held against its checksums; ``problem`` is None where it is whole."""

    name: str
    step: int | None
    problem: str | None


def resume(
    folder: str | Path,
    *,
    finish: bool = False,
    watch: Watch = lambda history: None,
    notice: Say = lambda sentence: None,
    **options: object,
) -> Run | Pretrained:
    """Go on with the unfinished run in a folder, from its newest checkpoint that is whole.

    Args:
        folder: What was given to ``train`` as the output.
        finish: Take no further step: measure and write the best model so far.
        watch: As for ``train``.
        notice: As for ``train``.
        options: Settings to change on the way.

    Raises:
        MasonError: There is no unfinished run, or a setting cannot change within one.
    """
    with joined() as world:
        return _resume(Path(folder), finish, watch, notice, options, world)


def _resume(
    path: Path, finish: bool, watch: Watch, notice: Say, options: dict[str, object], world: World
) -> Run | Pretrained:
    before = _begun(path)
    if finish:
        steps = [found.step for found in verify_run(path) if found.step]
        if not steps:
            raise SettingsError(
                "{folder} holds no step to finish with yet; go on without --finish.", folder=path
            )
        options = {**options, "training.max_steps": str(steps[-1])}
    given = load_settings(None, options).settings.model_dump(exclude_unset=True)
    merged = _merged(before.settings, {**given, "output": {"folder": str(path)}})
    pretraining = merged.get("task") in OBJECTIVES
    chosen = merged.get("model", {})
    if not pretraining and not chosen.get("source") and not chosen.get("shape"):
        raise SettingsError(
            "The run in {folder} was started from Python with a model of your own; call "
            "mason.train with that model and this output again.",
            folder=path,
        )
    settings = Settings.model_validate(merged)
    if pretraining:
        return PretrainingSession(
            settings, watch, notice, before.command, world, resuming=True
        ).run()
    return Session(settings, None, watch, notice, before.command, resuming=True).run()


def verify_run(folder: str | Path) -> list[Checked]:
    """Every checkpoint of an unfinished run, oldest first, held against its checksums.

    Raises:
        MasonError: There is no unfinished run.
    """
    path = Path(folder)
    _begun(path)
    places = checkpoints_of(path)
    names = sorted(p.name for p in places.glob("step-*")) if places.is_dir() else []
    return [_check(places / name) for name in names]


def _check(place: Path) -> Checked:
    try:
        return Checked(place.name, verify(place)["step"], None)
    except MasonError as error:
        return Checked(place.name, None, str(error))


def _begun(folder: Path) -> Begun:
    found = begun(folder)
    if found is None and (folder / "results.json").exists():
        raise SettingsError(
            "The run in {folder} is finished; there is nothing to go on with.", folder=folder
        )
    if found is None:
        raise SettingsError(
            "{folder} holds no unfinished run; name the folder that --output named.",
            folder=folder,
        )
    return found


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        inner = merged.get(name)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(inner, value) if both else value  # type: ignore[arg-type]
    return merged

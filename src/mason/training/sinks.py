"""TensorBoard and MLflow: what the log receives, for those who watch with other tools."""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mason.errors import SettingsError
from mason.language import say
from mason.training.history import Evaluation, Step

Values = Mapping[str, float]
_KINDS = ("train/loss", "valid/loss")


class Sink(Protocol):
    """Another place that a run is told to."""

    def begin(self, step: int) -> None:
        """The next step is this one: forget what was told of it and of later ones."""

    def tell(self, step: int, values: Values, texts: Mapping[str, str]) -> None:
        """What was measured after a step."""

    def flush(self) -> None:
        """Send what waits."""

    def close(self) -> None:
        """Nothing more comes."""


class Sinks:
    """Tells each sink what is new; one that fails is left out, and the run goes on.

    Args:
        sinks: By name.
        notice: Called with a sentence when one fails.
    """

    def __init__(self, sinks: Mapping[str, Sink], notice: Callable[[str], None]) -> None:
        self.sinks, self.notice = dict(sinks), notice
        self._last: int | None = None

    def tell(self, steps: Sequence[Step], evaluations: Sequence[Evaluation]) -> None:
        """New steps and evaluations, in order; a step comes again where a run went back."""
        for step in steps:
            if self._last is None or step.step <= self._last:
                self._each("begin", step.step)
            self._last = step.step
            self._each("tell", step.step, _of_step(step), {})
        for evaluation in evaluations:
            if self._last is None:
                self._each("begin", evaluation.step + 1)
                self._last = evaluation.step
            values, texts = _of_evaluation(evaluation)
            self._each("tell", evaluation.step, values, texts)

    def flush(self) -> None:
        """Send what waits: a checkpoint will not tell it again."""
        self._each("flush")

    def close(self) -> None:
        """Nothing more comes."""
        self._each("close")

    def _each(self, act: str, *given: Any) -> None:
        for name, sink in list(self.sinks.items()):
            try:
                getattr(sink, act)(*given)
            except Exception as error:  # whatever another tool may raise
                del self.sinks[name]
                self.notice(
                    say(
                        "{sink} takes no more ({reason}); the run goes on without it.",
                        sink=name,
                        reason=" ".join(str(error).split()) or type(error).__name__,
                    )
                )


class TensorBoard:
    """Event files in a folder; those of before a kill are cut by the step a new one begins with.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as error:
            raise _missing("tensorboard", error) from None
        writer: Any = SummaryWriter
        self._open: Callable[[int], Any] = lambda step: writer(str(folder), purge_step=step)
        self._writer: Any = None

    def begin(self, step: int) -> None:
        """A new file, at whose step what came before ends."""
        self.close()
        self._writer = self._open(step)

    def tell(self, step: int, values: Values, texts: Mapping[str, str]) -> None:
        """Scalars and texts."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        for name, text in texts.items():
            self._writer.add_text(name, text, step)

    def flush(self) -> None:
        """To the disk."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


class MLflow:
    """A run of the experiment ``mason``, on the server of MLFLOW_TRACKING_URI or in a folder.

    A server cannot forget, so what was told before is not told again.

    Args:
        name: Of the run.
        folder: Where to, if no server is named.
        memory: A file that remembers the run's number, for a run that goes on.
        settings: What the run is told.
    """

    _EVERY = 5.0  # seconds

    def __init__(
        self, name: str, folder: Path, memory: Path, settings: Mapping[str, object]
    ) -> None:
        try:
            from mlflow.entities import Metric, Param
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise _missing("mlflow", error) from None
        self._connect, self._metric, self._param = MlflowClient, Metric, Param
        self._server = os.environ.get("MLFLOW_TRACKING_URI")
        self._name, self._folder = name, folder.absolute()
        self._memory, self._settings = memory, settings
        self._client: Any = None
        self._run, self._due = "", 0.0
        self._told: dict[str, int] = {}
        self._waiting: list[Any] = []

    def begin(self, step: int) -> None:
        """Open the run, a new one or the one before."""
        if self._client is None:
            # Its store of plain files is closed to new users; a database is one file too.
            if not self._server:
                self._folder.mkdir(parents=True, exist_ok=True)
            local = f"sqlite:///{self._folder}/mlflow.db"
            self._client = self._connect(tracking_uri=self._server or local)
            self._run = self._opened()
            for kind in _KINDS:
                known = self._client.get_metric_history(self._run, kind)
                self._told[kind] = max((m.step for m in known), default=0)

    def _opened(self) -> str:
        if self._memory.exists():
            return self._memory.read_text(encoding="utf-8").strip()
        found = self._client.get_experiment_by_name("mason")
        artifacts = None if self._server else (self._folder / "artifacts").as_uri()
        place = (
            found.experiment_id
            if found
            else self._client.create_experiment("mason", artifact_location=artifacts)
        )
        run: str = self._client.create_run(place, run_name=self._name).info.run_id
        told = [self._param(key, str(value)) for key, value in self._settings.items()]
        self._client.log_batch(run, params=told)
        self._memory.write_text(run, encoding="utf-8")
        return run

    def tell(self, step: int, values: Values, texts: Mapping[str, str]) -> None:
        """Metrics, a batch every few seconds, and texts as artifacts."""
        kind = _KINDS[any(name.startswith("valid/") for name in values)]
        if step <= self._told[kind]:
            return
        self._told[kind], now = step, int(time.time() * 1000)
        self._waiting += [self._metric(k, v, now, step) for k, v in values.items()]
        for name, text in texts.items():
            self._client.log_text(self._run, text, f"{name}/step-{step}.md")
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        for start in range(0, len(self._waiting), 1000):  # the most that a server takes
            self._client.log_batch(self._run, metrics=self._waiting[start : start + 1000])
        self._waiting, self._due = [], time.monotonic() + self._EVERY

    def close(self) -> None:
        """Send what waits, and say that the run is over."""
        if self._client is not None:
            self.flush()
            self._client.set_terminated(self._run)


def _missing(name: str, error: ImportError) -> SettingsError:
    return SettingsError(
        "output.sinks names {name}, which is not installed ({reason}): pip install "
        '"mason-lm[{name}]".',
        name=name,
        reason=error,
    )


def _of_step(step: Step) -> dict[str, float]:
    told = {
        "train/loss": step.loss,
        "train/learning_rate": step.learning_rate,
        "train/gradient_norm": step.gradient_norm,
        "train/update_norm": step.update_norm,
        "train/tokens_per_second": step.tokens / step.seconds if step.seconds else None,
    }
    return {k: v for k, v in told.items() if v is not None and math.isfinite(v)}


def _of_evaluation(evaluation: Evaluation) -> tuple[dict[str, float], dict[str, str]]:
    known = vars(evaluation).items()
    values = {
        f"valid/{name.removeprefix('valid_')}": float(value)
        for name, value in known
        if isinstance(value, float) and math.isfinite(value) and name != "epoch"
    }
    written = "\n\n".join(
        "\n".join(f"- {part}: {text}" for part, text in sample.items())
        for sample in evaluation.samples or ()
    )
    return values, {"samples": written} if written else {}

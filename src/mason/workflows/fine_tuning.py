"""Training: look first, then train, measure, and leave a model with its papers."""

import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from mason import language
from mason.errors import RunError, RunStopped, SettingsError
from mason.metrics import overfitting_verdict
from mason.models.adapters import narrowed
from mason.models.eight_bits import refuse_rounded
from mason.models.files import write_json, writing_folder
from mason.reports import write_card, write_report
from mason.runtime import (
    is_first_process,
    keep_freed_memory,
    num_processes,
    pick_device,
    pick_precision,
    seed_everything,
)
from mason.settings import RANDOM_WEIGHTS_ONLY, Settings, load_settings, refuse_unused
from mason.sources import find_model
from mason.text import load_tokenizer
from mason.training.budgets import seconds_of
from mason.training.history import History
from mason.training.loop import Scores, Watch, fit
from mason.training.mixout import with_mixout
from mason.training.pacing import Pacing
from mason.training.recipe import Recipe
from mason.training.run_folder import Begun, RunFolder
from mason.training.used_rows import training_used_rows
from mason.workflows import jobs
from mason.workflows import results as blocks
from mason.workflows.adapting import adapt, adapted_recipe, held_base, recomputes
from mason.workflows.explaining import explained_rows
from mason.workflows.keeping import Kept, data_fingerprint, keep_run, model_fingerprint, watching
from mason.workflows.model import Model
from mason.workflows.needs import look_first
from mason.workflows.opening import Chosen
from mason.workflows.preparing import Prepared, counter_of, prepare
from mason.workflows.private import privacy_block, private_recipe
from mason.workflows.recording import record
from mason.workflows.starting import Beginning
from mason.workflows.tasks import Examples, find_task

Say = Callable[[str], None]
"""Where notices for the user go."""


@dataclass(frozen=True)
class Run:
    """A finished run: the model, everything measured, and where it was written."""

    model: Model
    results: dict[str, Any]
    folder: Path | None

    @property
    def report(self) -> Path | None:
        """The page, where one was written."""
        page = self.folder / "report.html" if self.folder else None
        return page if page and page.exists() else None


def train(
    model: Model | str | Path | None = None,
    data: str | Path | None = None,
    *,
    output: str | Path | None = None,
    config: str | Path | None = None,
    watch: Watch = lambda history: None,
    notice: Say = lambda sentence: None,
    command: str | None = None,
    **options: object,
) -> Run:
    """Fine-tune a model on a table, measure it on rows it has not seen, write its report.

    What it learns to do is the setting ``task``, one of ``mason.workflows.tasks.TASKS``.

    Args:
        model: A loaded model, or a name as for ``mason.load``.
        data: A file, a folder with a file a split, a hub id or ``catalog:NAME``.
        output: Folder to write to; None: nothing is written.
        config: A YAML file of settings; the other arguments win over it.
        watch: Called after every step and evaluation.
        notice: Called with each sentence the user should read.
        command: How to repeat the run, for the report; None: as this process was started.
        options: Settings by their dotted name, or by the names of other tools.

    Raises:
        MasonError: Settings, data or model do not allow the run.
    """
    given = {"data.train": data, "output.folder": output}
    given["model.source"] = None if isinstance(model, Model) else model
    named = {name: str(value) for name, value in given.items() if value is not None}
    resolved = load_settings(Path(config) if config else None, {**options, **named})
    if resolved.settings.language != "auto":
        language.use(resolved.settings.language)
    for sentence in resolved.notices:
        notice(sentence)
    ready = model if isinstance(model, Model) else None
    return Session(resolved.settings, ready, watch, notice, command or _command()).run()


def _command() -> str:
    program, *rest = sys.argv or ["python"]
    return shlex.join([Path(program).name, *rest])


class Session:
    """One call of ``train`` or ``resume``: its settings and what it has made so far."""

    def __init__(
        self,
        settings: Settings,
        ready: Model | None,
        watch: Watch,
        notice: Say,
        command: str,
        *,
        resuming: bool = False,
    ) -> None:
        self.settings, self.ready, self.watch, self.notice = settings, ready, watch, notice
        self.command, self.resuming = command, resuming
        self.task = find_task(settings.task or (ready.task if ready else None))
        self.seconds: dict[str, float] = {}
        self.forecast: int | None = None
        self.clock = time.monotonic()

    def run(self) -> Run:
        """Everything, in order; a folder appears only when all of it is there."""
        self._check_given()
        keep_freed_memory()
        seed_everything(self.settings.training.seed)
        if self.settings.training.threads:
            torch.set_num_threads(self.settings.training.threads)
        folder = self.settings.output.folder
        if folder is None:
            return self._train(None)
        with RunFolder(Path(folder)) as place:
            made = self._train(place)
        record(made.results, self.settings.data.train, self.notice)
        return replace(made, folder=Path(folder))

    def _check_given(self) -> None:
        if num_processes() > 1:
            mistake = SettingsError(
                "Only mason pretrain learns in several processes; start mason train without "
                "torchrun."
            )
            mistake.told = not is_first_process()
            raise mistake
        source = self.settings.model.source
        refuse_unused(self.settings, self.task.unused, "mason train")
        if self.ready is not None and self.ready.task != self.task.name:
            raise SettingsError(
                "The model is one for {found}, and the task is {wanted}; load it again with "
                "mason.load and task={wanted!r}.",
                found=self.ready.task,
                wanted=self.task.name,
            )
        if source is not None:
            refuse_unused(self.settings, RANDOM_WEIGHTS_ONLY, "mason train --model")
        elif self.ready is None and self.settings.model.shape is None:
            raise SettingsError(
                "No model is named; give one with --model, such as all-MiniLM-L6-v2."
            )
        if self.settings.data.train is None:
            raise SettingsError("No data are named; give a file with --data, such as reviews.csv.")
        seconds_of(self.settings.training.budget)  # no time is refused before anything is read

    def _train(self, place: RunFolder | None) -> Run:
        prepared = self._prepare()
        model = self.ready or self._start(prepared, place)
        refuse_rounded(model.network, model.source)
        self.task.heed(model, self.settings)
        prepared = self.task.restrict(model, prepared)
        self.task.adopt(model, prepared)
        examples = {
            name: self.task.examples(model, table, prepared.columns)
            for name, table in prepared.tables.items()
        }
        recipe = self.task.recipe(self.settings, model.network, examples["train"])
        learns = adapt(model, self.settings, pick_device(self.settings.training.device))
        crowded = self.task.crowded(model, examples["train"])
        for sentence in filter(None, (learns, crowded)):
            self.notice(sentence)
        recipe = adapted_recipe(recipe, self.settings, model.network)
        given = self.ready is not None or self.settings.model.source is not None
        recipe = private_recipe(recipe, self.settings, examples["train"], given=given)
        recipe = self._look(model, examples, recipe)
        self._lap("prepare")
        kept = self._keep(place, model, examples) if place else None
        history = self._fit(model, examples, recipe, kept)
        if kept and kept.keeper and history.stopped == "interrupted":
            raise RunStopped(
                "Stopped by signal {signal} after step {step} of {num_steps}; to go on: "
                "mason resume {folder}",
                signal=history.signal or 0,
                step=history.step,
                num_steps=history.num_steps,
                folder=shlex.quote(str(self.settings.output.folder)),
            )
        self._lap("train")
        results = self._measure(model, prepared, examples, history, recipe)
        if place:
            self._write(model, results, place)
        return Run(model, results, None)

    def _keep(self, place: RunFolder, model: Model, examples: Mapping[str, Examples]) -> Kept:
        now = Begun(
            self.settings.model_dump(mode="json", exclude_none=True),
            self.command,
            data_fingerprint(examples),
            model_fingerprint(model.network.spec),
        )
        return keep_run(place, now, resuming=self.resuming, notice=self.notice)

    def _prepare(self) -> Prepared:
        chosen = self.settings.model
        tokenizer, limit = None, None
        if self.ready is not None:
            tokenizer, limit = self.ready.tokenizer, self.ready.max_tokens
        elif chosen.source is not None:
            tokenizer = load_tokenizer(find_model(chosen.source, revision=chosen.revision))
            limit = chosen.max_tokens or tokenizer.max_tokens
        prepared = prepare(
            self.settings.data,
            self.task,
            seed=self.settings.training.seed,
            token_counts=counter_of(tokenizer) if tokenizer else None,
            max_tokens=limit,
        )
        reads = self.task.reads(prepared.columns)
        if reads is not None:
            self.notice(reads)
        for finding in prepared.findings:
            if finding.severity == "warning":
                self.notice(f"{finding.reason} {finding.fix}")
        return prepared

    def _start(self, prepared: Prepared, place: RunFolder | None) -> Model:
        chosen = self.settings.model
        if chosen.source is None:
            beginning = Beginning(place.inner if place else None, self.notice)
            created: Model = self.task.create(self.settings, prepared, beginning)
            return created
        path = find_model(chosen.source, revision=chosen.revision)
        said = Chosen(
            chosen.source,
            max_tokens=chosen.max_tokens,
            dropout=self.settings.training.dropout,
            held=held_base(self.settings),
        )
        model: Model = self.task.start(path, said, prepared)
        return model

    def _look(self, model: Model, examples: Mapping[str, Examples], recipe: Recipe) -> Recipe:
        """Say what the run needs, before its first step; the recipe in passes that fit.

        Raises:
            RunError: It cannot fit this machine.
        """
        job = jobs.fine_tuning(
            self.task,
            model.network,
            examples["train"],
            examples.get("valid"),
            recipe,
            self.settings.output,
            pick_device(self.settings.training.device),
            fresh=model.fresh,
            recompute=recomputes(self.settings, model.base_bits, self.notice),
            budget=seconds_of(self.settings.training.budget),
        )
        with narrowed(model.network, model.base_bits):
            needs = look_first(job, self.notice)
        if needs is None:
            return recipe
        self.forecast = needs.peak
        return needs.recipe

    def _fit(
        self, model: Model, examples: Mapping[str, Examples], recipe: Recipe, kept: Kept | None
    ) -> History:
        device, held = pick_device(self.settings.training.device), examples.get("valid")
        model.network.to(device)
        dtype = pick_precision(recipe.precision, device)

        def evaluate(network: nn.Module) -> Scores:
            assert held is not None
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                return self.task.validate(model, held)

        self.task.ask_before(model, examples)
        self.task.before_training(model, examples["train"], recipe)
        objective = self.task.objective(examples["train"], recipe)
        self.task.equip(objective, model, recipe)
        used = jobs.used_tokens(self.task, examples["train"], recipe)
        with (
            training_used_rows(model.network, used),
            narrowed(model.network, model.base_bits),
            watching(kept, self.watch) as watch,
        ):
            return fit(
                model.network,
                with_mixout(objective, model.network, recipe.mixout, model.fresh),
                recipe,
                evaluate=evaluate if held is not None else None,
                fresh=model.fresh,
                watch=watch,
                pacing=Pacing.within(
                    seconds_of(self.settings.training.budget), sum(self.seconds.values())
                ),
                keeper=kept.keeper if kept else None,
            )

    def _measure(
        self,
        model: Model,
        prepared: Prepared,
        examples: Mapping[str, Examples],
        history: History,
        recipe: Recipe,
    ) -> dict[str, Any]:
        held, split = examples.get("valid"), "test" if "test" in examples else "valid"
        if held is not None:
            self.task.after_training(model, held)
        tables, columns = prepared.tables, prepared.columns
        task = self.task.describe(model, columns)
        results = blocks.header("train", task, model, self.command)
        lengths, num_cut = list[int](), 0
        for name, part in examples.items():
            counts = self.task.num_tokens(model, tables[name], columns, part)
            lengths += counts
            num_cut += self.task.num_cut(model, counts, part)
        results["data"] = blocks.data_block(prepared, lengths, model.max_tokens, num_cut)
        verdict = overfitting_verdict(
            [asdict(e) for e in history.evaluations],
            chance_loss=self.task.chance_loss(model, examples["train"]),
        )
        results["training"] = blocks.training_block(history, asdict(verdict))
        results |= privacy_block(recipe, history, len(examples["train"]))
        if split in examples:
            results["evaluation"] = self.task.measure(model, prepared, split, examples[split])
        doubts = self.task.label_errors(prepared, recipe.seed)
        self._lap("evaluate")
        tokens = sum(step.tokens for step in history.steps)
        busy = sum(step.seconds for step in history.steps)
        sample = tables[split if split in examples else "train"]
        results["cost"] = blocks.cost_block(
            model,
            self.seconds,
            sample,
            lambda rows: self.task.answer(model, rows, columns),
            tokens / busy,
        )
        results["extras"] = explained_rows(self.task, model, sample, columns)
        if doubts is not None:
            results["extras"]["label_errors"] = doubts
        results["cost"]["forecast_memory_bytes"] = self.forecast
        results["recipe"] = {
            "settings": self.settings.model_dump(exclude_none=True),
            "resolved": asdict(recipe),
        }
        return results

    def _write(self, model: Model, results: dict[str, Any], place: RunFolder) -> None:
        try:
            kind = "model" if model.base is None else "adapter"
            with writing_folder(place.folder, kind=kind) as draft:
                place.hand_over(draft)
                model.write(draft)
                write_json(draft / "results.json", results)
                named = {**results, "name": place.folder.name}
                write_card(named, draft)
                if self.settings.output.report:
                    write_report(named, draft)
        except (OSError, SafetensorError) as error:
            raise RunError(
                "The finished model could not be written to {folder} ({reason}); training is kept: "
                "make room, then type mason resume {folder}",
                folder=place.folder,
                reason=error,
            ) from error

    def _lap(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[stage], self.clock = now - self.clock, now

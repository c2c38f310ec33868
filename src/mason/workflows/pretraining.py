"""Pretraining: from raw text to a model of one's own, within a budget."""

import hashlib
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from mason.data.corpora.store import TokenStore, write_store
from mason.errors import RunError, RunStopped, SettingsError
from mason.evaluation.language import held_scores
from mason.evaluation.samples import samples
from mason.language import say
from mason.models.checkpoints import load_model
from mason.models.families import Family
from mason.models.files import write_json, writing_folder
from mason.models.saving import save_model
from mason.models.shapes import family_of, shape
from mason.models.transformer import Transformer, num_parameters, set_dropout, set_recompute
from mason.reports import write_report
from mason.runtime import (
    keep_freed_memory,
    pick_device,
    pick_precision,
    product_rate,
    seed_everything,
)
from mason.settings import (
    FINE_TUNING_ONLY,
    RANDOM_WEIGHTS_ONLY,
    Settings,
    load_settings,
    refuse_unused,
)
from mason.sources import cache_folder, find_model
from mason.tasks.pretraining import Learner
from mason.text import InputContract, Tokenizer, load_tokenizer, save_contract
from mason.text.word_memory import WordMemory
from mason.training.history import History, Pace
from mason.training.loop import Watch, fit
from mason.training.recipe import Recipe
from mason.training.run_folder import Begun, RunFolder
from mason.training.world import World, joined
from mason.workflows import jobs
from mason.workflows.corpora import Corpus, cleaning_of, corpus_of, left_out, shares_of
from mason.workflows.dialling import Dial, embedding_size
from mason.workflows.keeping import Kept, keep_run, model_fingerprint, watching
from mason.workflows.needs import look_first
from mason.workflows.objectives import DEFAULT_OBJECTIVE, OBJECTIVES, Goal, marks_of, special_of
from mason.workflows.pretraining_results import learned_by, results_of
from mason.workflows.recording import record
from mason.workflows.tokenizing import learn_once
from mason.workflows.whole_words import hide_words

Say = Any
_DEFAULT_TOKENS = 128


@dataclass(frozen=True)
class Pretrained:
    """A finished run: the network, what it read, everything measured, where it was written."""

    network: Transformer
    tokenizer: Tokenizer
    store: TokenStore
    results: dict[str, Any]
    folder: Path

    @property
    def report(self) -> Path | None:
        """The page, where one was written."""
        page = self.folder / "report.html"
        return page if page.exists() else None


def pretrain(
    data: str | Sequence[str],
    *,
    output: str | Path,
    objective: str | None = None,
    config: str | Path | None = None,
    watch: Watch = lambda history: None,
    notice: Say = lambda sentence: None,
    command: str | None = None,
    **options: object,
) -> Pretrained:
    """Learn a language model from text, or go on learning with a loaded one.

    Args:
        data: Files, folders or patterns of text, jsonl or tables, or ``catalog:NAME``.
        output: The folder to write, a plain Hugging Face folder.
        objective: One of ``mason.workflows.objectives.OBJECTIVES``; None: the file's, or
            "masked".
        config: A YAML file of settings; the other arguments win over it.
        watch: Called after every step and evaluation.
        notice: Called with each sentence the user should read.
        command: How to repeat the run; None: as this process was started.
        options: Settings by their dotted name: ``model.shape``, ``training.budget``, …

    Raises:
        MasonError: Settings or data do not allow the run.
    """
    sources = [data] if isinstance(data, str) else list(data)
    named = {
        "task": objective,
        "data.train": sources[0] if len(sources) == 1 else sources,
        "output.folder": str(output),
    }
    with joined() as world:
        resolved = load_settings(Path(config) if config else None, {**options, **named})
        settings = resolved.settings
        if settings.task is None:
            settings = settings.model_copy(update={"task": DEFAULT_OBJECTIVE})
        session = PretrainingSession(settings, watch, notice, command, world)
        for sentence in resolved.notices:
            session.notice(sentence)
        return session.run()


class PretrainingSession:
    """One call of ``pretrain`` or of ``resume`` on such a run."""

    def __init__(
        self,
        settings: Settings,
        watch: Watch,
        notice: Say,
        command: str | None,
        world: World,
        *,
        resuming: bool = False,
    ) -> None:
        self.settings, self.world = settings, world
        self.watch: Watch = watch if world.is_first else lambda history: None
        self.notice: Say = notice if world.is_first else lambda sentence: None
        self.command = command or shlex.join(["mason", "pretrain"])
        self.resuming = resuming
        self.seconds: dict[str, float] = {}
        self.flops_per_token: float | None = None
        self.clock = time.monotonic()
        if settings.task not in OBJECTIVES:
            raise SettingsError(
                "There is no objective called {task!r}; choose one of {known}.",
                task=settings.task,
                known=", ".join(OBJECTIVES),
            )
        refuse_unused(settings, FINE_TUNING_ONLY, "mason pretrain")
        if settings.model.source is not None:
            refuse_unused(settings, RANDOM_WEIGHTS_ONLY, "mason pretrain --model")
        self.goal: Goal = OBJECTIVES[settings.task]
        self.longest = settings.model.max_tokens or _DEFAULT_TOKENS
        self.dial = Dial(settings, self.goal, self.longest, self.notice, world)

    def run(self) -> Pretrained:
        """Everything, in order."""
        keep_freed_memory()
        seed_everything(self.settings.training.seed)
        if self.settings.training.threads:
            torch.set_num_threads(self.settings.training.threads)
        assert self.settings.output.folder is not None
        place = RunFolder(Path(self.settings.output.folder))
        with self.world.held_by_first(place):
            return self._run(place)

    def _run(self, place: RunFolder) -> Pretrained:
        self.dial.before = self.world.first(lambda: _chosen_before(place, self.settings))
        corpus = self.world.after_first(lambda: corpus_of(self.settings.data))
        pieces = self.settings.model.vocab_size or self.dial.vocabulary(corpus.num_bytes)
        tokenizer = self.world.after_first(lambda: self._tokenizer(corpus, place, pieces))
        store = self.world.after_first(lambda: self._store(corpus, tokenizer))
        self._lap("prepare")
        network, family = self.world.after_first(lambda: self._network(tokenizer, store))
        if (dropout := self.dial.dropout()) is not None:
            set_dropout(network, dropout)
        marks = marks_of(tokenizer)
        learned = self.goal.make(store, False, self.longest, marks, self.dial.mask_rate())
        # What is asked of held-out text is the paper's, so that recipes can be compared.
        held = self.goal.make(store, True, self.longest, marks, None)
        if not len(learned.lengths) or not len(held.lengths):
            raise SettingsError(
                "The corpus has {num} documents, too few to hold one out; add text.",
                num=store.counts.num_documents,
            )
        hide_words([learned], tokenizer, store, self.settings)
        learner = self.goal.learner(network)
        recipe = self.dial.recipe(learner, learned)
        recipe = self._look(learner, learned, held, recipe)
        kept = self._keep(place, network, store, self.dial.choices(recipe))
        history = self._fit(learner, learned, held, recipe, kept, tokenizer)
        if kept.keeper and history.stopped == "interrupted":
            raise RunStopped(
                "Stopped by signal {signal} after step {step} of {num_steps}; to go on: "
                "mason resume {folder}",
                signal=history.signal or 0,
                step=history.step,
                num_steps=history.num_steps,
                folder=shlex.quote(str(self.settings.output.folder)),
            )
        self._lap("train")

        def finish() -> dict[str, Any]:
            told = learned_by(learner, tokenizer, store, held, str(self.settings.task))
            told["corpus"]["sources"] = shares_of(store, self.settings.data)
            self._lap("evaluate")
            results = results_of(self.settings, network, family, history, recipe, told) | {
                "command": self.command
            }
            results["pretraining"]["shape"] = self.dial.chosen
            results["cost"]["seconds"] = {**self.seconds, "total": sum(self.seconds.values())}
            self._write(network, family, tokenizer, results, place)
            record(results, self.settings.data.train, self.notice)
            return results

        return Pretrained(network, tokenizer, store, self.world.first(finish), place.folder)

    def _tokenizer(self, corpus: Corpus, place: RunFolder, size: int) -> Tokenizer:
        chosen = self.settings.model
        named = chosen.tokenizer or chosen.source
        if named is not None:
            return load_tokenizer(find_model(named, revision=chosen.revision))
        return learn_once(
            place.inner, corpus.texts(), kind=self.goal.kind, size=size, notice=self.notice
        )

    def _store(self, corpus: Corpus, tokenizer: Tokenizer) -> TokenStore:
        chosen = self.settings.data
        cleaning, facts = cleaning_of(chosen)
        parted = corpus.origins if chosen.weights else ()
        share = chosen.valid_share or 0.02
        told = f"{tokenizer.fingerprint} {corpus.facts()} {facts} {share} {parted}"
        key = hashlib.sha256(told.encode()).hexdigest()
        store = write_store(
            cache_folder() / "corpora" / key[:32],
            corpus if chosen.weights else corpus.texts(),
            WordMemory(tokenizer),
            fingerprint=key,
            vocab_size=tokenizer.num_tokens,
            held_share=share,
            cleaning=cleaning,
        )
        for sentence in left_out(store.counts):
            self.notice(sentence)
        return store.weighted(chosen.weights) if chosen.weights else store

    def _network(self, tokenizer: Tokenizer, store: TokenStore) -> tuple[Transformer, Family]:
        chosen = self.settings.model
        if chosen.source is not None:
            found = load_model(
                find_model(chosen.source, revision=chosen.revision), heads=self.goal.heads
            )
            if found.fresh:
                parts = sorted({name.rpartition(".")[0] for name in found.fresh})
                self.notice(say("Starts from random weights: {parts}.", parts=", ".join(parts)))
            return found.model, found.family
        name = chosen.shape or self.dial.shape(store)
        special = special_of(tokenizer, encoder_decoder=name.startswith(("t5", "bart")))
        spec = shape(name, heads=self.goal.heads, vocab_size=tokenizer.num_tokens, **special)
        network = Transformer(spec)
        self.notice(
            say(
                "{shape}: {millions:.1f} million parameters, {embedding:.1f} of them in the "
                "vocabulary.",
                shape=name,
                millions=num_parameters(network) / 1e6,
                embedding=embedding_size(spec) / 1e6,
            )
        )
        return network, family_of(name)

    def _look(self, learner: Learner, learned: Any, held: Any, recipe: Recipe) -> Recipe:
        """Say what the run needs; the recipe in passes that fit."""
        job = jobs.pretraining(
            learner,
            learned,
            held,
            recipe,
            self.settings.output,
            pick_device(self.settings.training.device),
            recompute=bool(self.settings.training.recompute),
            processes=self.world.size,
            timed=self.dial.seconds,
        )

        def look() -> tuple[int, bool, float | None]:
            needs = look_first(job, self.notice)
            again = job.recompute or bool(needs and needs.recompute)
            tokens = (needs.recipe if needs else recipe).tokens_per_pass
            return tokens, again, needs.flops_per_token if needs else None

        tokens, recompute, self.flops_per_token = self.world.first(look)
        set_recompute(learner, recompute)
        return replace(recipe, tokens_per_pass=tokens)

    def _keep(
        self, place: RunFolder, network: Transformer, store: TokenStore, chosen: Mapping[str, Any]
    ) -> Kept:
        now = Begun(
            self.settings.model_dump(mode="json", exclude_none=True),
            self.command,
            store.fingerprint,
            model_fingerprint(network.spec),
            chosen,
        )
        return keep_run(place, now, resuming=self.resuming, notice=self.notice, world=self.world)

    def _fit(
        self,
        learner: Learner,
        learned: Any,
        held: Any,
        recipe: Recipe,
        kept: Kept,
        tokenizer: Tokenizer,
    ) -> History:
        device = pick_device(self.settings.training.device)
        shared = self.world.share(learner, device)
        dtype = pick_precision(recipe.precision, device)

        pace = None
        if self.flops_per_token:
            pace = Pace(self.flops_per_token, product_rate(device, dtype))

        @torch.no_grad()
        def evaluate(model: nn.Module) -> dict[str, Any]:
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                scores = held_scores(model, held, self.world)
            written = self.world.ask(lambda m, run: samples(m, held, tokenizer), model, ())
            return {**scores, "samples": written}

        def seen(history: History) -> None:
            history.pace = pace
            self.watch(history)

        with watching(kept, seen) as watch:
            history = fit(
                shared,
                learned,
                recipe,
                evaluate=evaluate,
                watch=watch,
                keeper=kept.keeper,
                world=self.world,
                pacing=self.dial.pacing(),
            )
        self.world.whole(shared, learner)
        return history

    def _write(
        self,
        network: Transformer,
        family: Family,
        tokenizer: Tokenizer,
        results: Mapping[str, Any],
        place: RunFolder,
    ) -> None:
        try:
            with writing_folder(place.folder, kind="model") as draft:
                place.hand_over(draft)
                save_model(network, family, draft)
                tokenizer.save(draft)
                contract = InputContract.of(tokenizer, max_tokens=self.longest, labels=())
                save_contract(draft, contract)
                write_json(draft / "results.json", results)
                if self.settings.output.report:
                    write_report({**results, "name": place.folder.name}, draft)
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


def _chosen_before(place: RunFolder, settings: Settings) -> dict[str, Any]:
    """What the unfinished run there chose, if it has the same budget."""
    before = place.begun()
    chosen = dict(before.chosen) if before is not None else {}
    return chosen if chosen.get("budget") == settings.training.budget else {}

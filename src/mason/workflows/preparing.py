"""From what the user named to clean tables for training, validation and testing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from mason.catalog import find as find_dataset
from mason.data.cleaning import clean
from mason.data.columns import Columns, find_columns
from mason.data.findings import Finding
from mason.data.normal_form import normal_form
from mason.data.parallel import read_parallel
from mason.data.splits import link, split
from mason.data.tables import Table, read_splits
from mason.errors import DataError
from mason.language import say
from mason.settings import DataSettings, load_settings
from mason.sources import find_data
from mason.text import Tokenizer

CATALOG = "catalog:"
TRAINING = ("train", "all")
UNSEEN = ("test", "validation", "all")
"""Splits to learn from, and to measure on, the best first; ``all`` is a table not yet divided."""
DEFAULT_SHARE = 0.1
"""Held out for validation, and again for testing, when the user gives no files for them."""

TokenCounts = Callable[[Sequence[str]], Sequence[int]]


@dataclass(frozen=True)
class Prepared:
    """Tables by split, and what was found in them."""

    file: str
    tables: dict[str, Table]
    """"train", "valid" and "test", each only where there are rows for it."""
    columns: Columns
    findings: list[Finding]
    split: str = ""
    """In words, how the rows were divided."""
    labels: tuple[str, ...] = field(default=())
    whole: bool = False
    """Whether every row is measured where that takes long; else some, drawn once."""


def data_settings(data: str | Path, options: Mapping[str, str | None]) -> DataSettings:
    """The settings of a verb that reads one table or folder; ``options`` are their fields.

    Raises:
        SettingsError: An option is unknown, or its value is wrong.
    """
    named = {f"data.{name}": value for name, value in options.items()}
    return load_settings(overrides={**named, "data.train": str(data)}).settings.data


def read_tables(settings: DataSettings) -> tuple[dict[str, Table], DataSettings]:
    """The tables the settings name, and the settings with the catalogue's columns filled in.

    Raises:
        DataError: One cannot be read, or what is named for a split does not hold it.
    """
    assert settings.train is not None, "the caller checks that there are data"
    tables, settings = _source(_only("data.train", settings.train), settings)
    held = (("data.valid", "validation", settings.valid), ("data.test", "test", settings.test))
    for setting, split_name, named in held:
        if named is not None:
            tables = {("train" if k == "all" else k): table for k, table in tables.items()}
            source = _only(setting, named)
            found, _ = _source(source, settings)
            tables[split_name] = found[pick(found, (split_name, "all"), source)]
    return tables, settings


def pick(tables: Mapping[str, Table], wanted: Sequence[str], source: str | Path) -> str:
    """Which of the splits that were read from ``source`` is the first of those wanted.

    Raises:
        DataError: None of them is there; another one would not be what it is taken for.
    """
    for name in wanted:
        if name in tables:
            return name
    raise DataError(
        "{source} holds no rows of {wanted}, only of {found}; if those are meant, name their own "
        "file.",
        source=source,
        wanted=", ".join(name for name in wanted if name != "all"),
        found=", ".join(tables),
    )


def _only(setting: str, named: str | Sequence[str]) -> str:
    names = [named] if isinstance(named, str) else list(named)
    if len(names) > 1:
        raise DataError(
            "{setting} names {count} files; put their rows into one file.",
            setting=setting,
            count=len(names),
        )
    return names[0]


def _source(name: str, settings: DataSettings) -> tuple[dict[str, Table], DataSettings]:
    """The splits under one name."""
    path, settings = _locate(name, settings)
    return _by_column(_read(path, settings), name), settings


def _locate(name: str, settings: DataSettings) -> tuple[Path, DataSettings]:
    if not name.startswith(CATALOG):
        return find_data(name), settings
    dataset = find_dataset(name)
    known = {"text": dataset.text, "label": dataset.label, "group": dataset.group}
    known |= {"target": dataset.target}
    unset = {k: v for k, v in known.items() if getattr(settings, k) is None and v is not None}
    return dataset.build(), settings.model_copy(update=unset)


def _read(path: Path, settings: DataSettings) -> dict[str, Table]:
    kind = None if settings.format == "auto" else settings.format
    encoding = None if settings.encoding == "auto" else settings.encoding
    columns = settings.columns.split(",") if settings.columns else None
    parallel = read_parallel(path, encoding=encoding) if kind is None else None
    if parallel is not None:
        return parallel
    return read_splits(path, format=kind, encoding=encoding, columns=columns)


def _by_column(tables: dict[str, Table], name: str) -> dict[str, Table]:
    """Divide a catalogue table that says itself which rows are for testing."""
    if not name.startswith(CATALOG) or "all" not in tables:
        return tables
    column = find_dataset(name).split
    if column is None:
        return tables
    table, names = tables["all"], tables["all"].texts(column)
    return {
        name: table.take([i for i, given in enumerate(names) if given == name])
        for name in ("train", "test")
    }


class Reader(Protocol):
    """Who knows what the columns of a table are for, and what is wrong with them: a task."""

    def read(self, settings: DataSettings) -> tuple[dict[str, Table], DataSettings]:
        """The tables the settings name, see ``read_tables``."""

    def arrange(self, tables: dict[str, Table], settings: DataSettings) -> dict[str, Table]:
        """The tables in the layout it reads."""

    def columns(
        self, tables: Mapping[str, Table], settings: DataSettings, *, complete: bool = True
    ) -> Columns:
        """The columns it reads."""

    def examine(
        self,
        tables: Mapping[str, Table],
        columns: Columns,
        *,
        token_counts: TokenCounts | None = None,
        max_tokens: int | None = None,
    ) -> list[Finding]:
        """What is wrong with the tables."""


def prepare(
    settings: DataSettings,
    reader: Reader,
    *,
    seed: int,
    token_counts: TokenCounts | None = None,
    max_tokens: int | None = None,
) -> Prepared:
    """Read, find the columns, examine, clean and divide.

    Args:
        settings: Which data, and how to read them.
        reader: Whom the data are for.
        seed: Decides which rows are held out where no file gives them.
        token_counts: Tokens of each of some texts, for the check of lengths.
        max_tokens: Where the model cuts texts.

    Raises:
        DataError: The data cannot be read, or the doctor finds an error.
    """
    tables, settings = reader.read(settings)
    pick(tables, TRAINING, str(settings.train))
    tables = reader.arrange(tables, settings)
    columns = reader.columns(tables, settings)
    findings = reader.examine(tables, columns, token_counts=token_counts, max_tokens=max_tokens)
    found = _cleaned(tables, columns, findings)
    _check_labels(next(iter(found.tables.values())), columns)
    divided, words = _divide(found.tables, columns, settings, seed)
    _check_labels(divided["train"], columns)
    return replace(found, tables=divided, split=words)


def prepare_test(settings: DataSettings, reader: Reader) -> Prepared:
    """Read the rows to measure on, examine and clean them.

    Its one table is the test split or all there is, as "test"; or the validation split, as "valid".

    Raises:
        DataError: As for ``prepare``; or there are only rows to train on.
    """
    tables, settings = read_tables(settings)
    name = pick(tables, UNSEEN, str(settings.train))
    tables = {"valid" if name == "validation" else "test": tables[name]}
    tables = reader.arrange(tables, settings)
    columns = reader.columns(tables, settings)
    return _cleaned(tables, columns, reader.examine(tables, columns))


def columns_of(
    tables: Mapping[str, Table], settings: DataSettings, *, need_label: bool = True
) -> Columns:
    """The columns the settings name, the others found.

    Raises:
        DataError: See ``find_columns``.
    """
    return find_columns(
        next(iter(tables.values())),
        text=settings.text,
        label=settings.label,
        pair=settings.pair,
        group=settings.group,
        need_label=need_label,
    )


def _cleaned(
    tables: Mapping[str, Table], columns: Columns, findings: Sequence[Finding]
) -> Prepared:
    refuse(findings)
    cleaned, dropped = clean(tables, columns)
    labels = {str(label) for table in cleaned.values() for label in _labels(table, columns)}
    file = str(next(iter(tables.values())).path)
    return Prepared(file, cleaned, columns, [*findings, *dropped], labels=tuple(sorted(labels)))


def _check_labels(train: Table, columns: Columns) -> None:
    """Refuse to learn from one label: the others may have been left out, or held out."""
    if columns.label is None:
        return
    labels = sorted({str(label) for label in _labels(train, columns)})
    if len(labels) < 2:
        raise DataError(
            "{file} has {count} rows to train on, with the labels {labels}, once incomplete rows, "
            "copies and rows that are tested on are left out; add rows until two labels are left.",
            file=train.path,
            count=len(train),
            labels=labels,
        )


def refuse(findings: Sequence[Finding]) -> None:
    """Stop at the doctor's first error.

    Raises:
        DataError: There is one.
    """
    errors = [f for f in findings if f.severity == "error"]
    if errors:
        worst = errors[0]
        raise DataError(
            "{file}{place} cannot be used: {reason} {fix}",
            file=worst.file,
            place=_place(worst),
            reason=worst.reason,
            fix=worst.fix,
        )


def _place(finding: Finding) -> str:
    place = say(", row {row}", row=finding.row) if finding.row is not None else ""
    return place + (say(", column {column}", column=finding.column) if finding.column else "")


def _labels(table: Table, columns: Columns) -> list[str | None]:
    return table.texts(columns.label) if columns.label else []


def _divide(
    tables: Mapping[str, Table], columns: Columns, settings: DataSettings, seed: int
) -> tuple[dict[str, Table], str]:
    """Hold out rows for what no table is there for."""
    named = {{"all": "train", "validation": "valid"}.get(k, k): t for k, t in tables.items()}
    pool = named["train"]
    valid = 0.0 if "valid" in named else _share(settings.valid_share)
    test = 0.0 if "test" in named else _share(settings.test_share)
    if not valid and not test:
        return dict(named), say("As given in the files.")
    labels = [str(label) for label in _labels(pool, columns)] or [""] * len(pool)
    # A text and its copies stay together, and so do rows of one source.
    keys: list[Sequence[str]] = [[normal_form(t or "") for t in pool.texts(columns.text)]]
    if columns.group:
        keys.append([g or f"\0{i}" for i, g in enumerate(pool.texts(columns.group))])
    groups = link(*keys).tolist()
    parts = split(labels, groups=groups, valid=valid, test=test, seed=seed)
    held = {name: pool.take(rows.tolist()) for name, rows in parts._asdict().items() if len(rows)}
    words = say(
        "Of the training rows, {valid:.0%} are held out for validation and {test:.0%} for "
        "testing: drawn by seed {seed}, with each label's share, copies of a text together.",
        valid=valid,
        test=test,
        seed=seed,
    )
    return {**named, **held}, words


def _share(given: float | None) -> float:
    return DEFAULT_SHARE if given is None else given


def counter_of(tokenizer: Tokenizer) -> TokenCounts:
    """What counts the tokens of each of some texts."""
    return lambda texts: [len(ids) for ids in tokenizer.encode_ids(texts)]


def texts_of(table: Table, column: str) -> list[str]:
    """A column's texts, missing ones empty."""
    return [text or "" for text in table.texts(column)]

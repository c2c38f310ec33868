"""Numbers as people read them, in the language in use."""

from math import floor, isfinite

from mason.language import current, say


def count(value: float) -> str:
    """A whole number with its thousands apart: 5452 → ``5,452``."""
    return f"{value:,.0f}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage: 0.952 → ``95.2%``; unknown → a dash."""
    return "–" if share is None or not isfinite(share) else f"{share * 100:.{digits}f}%"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with ``digits`` significant digits, never in powers of ten above 0.0001."""
    if value is None or not isfinite(value):
        return "–"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        shown = f"{value:,.{max(0, digits - 1 - _exponent(value))}f}"
        return shown.rstrip("0").rstrip(".") if "." in shown else shown
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}"


def _exponent(value: float) -> int:
    return int(f"{value:e}".split("e")[1])


def size(num_bytes: float) -> str:
    """Bytes in decimal units, as disks are sold: 87300000 → ``87.3 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{decimal(num_bytes)} {unit}"
        num_bytes /= 1000
    return f"{decimal(num_bytes)} TB"


def magnitude(value: float) -> str:
    """A large count in short: 22713216 → ``22.7 million``; Chinese counts in ten thousands."""
    if current() == "zh":
        if value >= 1e8:
            return say("{number} hundred million", number=decimal(value / 1e8))
        return (
            say("{number} ten thousand", number=decimal(value / 1e4))
            if value >= 1e4
            else count(value)
        )
    if value >= 1e9:
        return say("{number} billion", number=decimal(value / 1e9))
    return say("{number} million", number=decimal(value / 1e6)) if value >= 1e6 else count(value)


def duration(seconds: float) -> str:
    """Seconds as a person says them: 134 → ``2 min 14 s``."""
    if seconds < 60:
        return say("{seconds} s", seconds=decimal(seconds, 2 if seconds < 10 else 3))
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return say("{minutes} min {seconds} s", minutes=minutes, seconds=rest)
    hours, minutes = divmod(minutes, 60)
    return say("{hours} h {minutes} min", hours=count(hours), minutes=minutes)


def out_of(share: float) -> tuple[str, str, int]:
    """A share as "95 of 100": (parts, whole, whole as a number).

    Shares that would round to none or all of a hundred are told per thousand or ten
    thousand, so that "100 of 100" never hides a mistake.
    """
    for whole in (100, 1000, 10_000):
        parts = round(share * whole)
        if 0 < parts < whole:
            return count(parts), count(whole), whole
    whole = 100
    return count(floor(share * whole)), count(whole), whole

"""Numbers and names as a reader wants them: few digits, units, thin spaces between thousands."""

import math

MISSING = "\N{EN DASH}"
"""Stands for a number that is not known."""

_GAP = "\u202f"


def whole(number: float | int) -> str:
    """A count with thin spaces between thousands: 1 234 567."""
    return f"{number:,.0f}".replace(",", _GAP) if math.isfinite(number) else MISSING


def fixed(number: float | int, digits: int, unit: str = "") -> str:
    """A number with `digits` decimals and its unit, or a dash where it is not finite."""
    if not math.isfinite(number):
        return MISSING
    return f"{number:.{digits}f}{_GAP}{unit}" if unit else f"{number:.{digits}f}"


def short(number: float | int) -> str:
    """At most three figures, with k, M or G for thousands, millions and milliards: 12.5k."""
    if not math.isfinite(number):
        return MISSING
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= factor:
            return f"{number / factor:.3g}{letter}"
    return f"{number:.3g}"


def duration(seconds: float | int) -> str:
    """Seconds as a reader says them: 0.4 s, 48 s, 5 min 12 s, 1 h 03 min."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 9.95:
        return f"{seconds:.1f}{_GAP}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest}{_GAP}s"
    if minutes < 60:
        return f"{minutes}{_GAP}min {rest:02d}{_GAP}s"
    return f"{minutes // 60}{_GAP}h {minutes % 60:02d}{_GAP}min"


def memory(size: float | int) -> str:
    """Bytes in decimal units: 840 MB, 1.4 GB; a dash for none."""
    if not math.isfinite(size) or size <= 0:
        return MISSING
    return f"{size / 1e9:.1f}{_GAP}GB" if size >= 1e9 else f"{math.ceil(size / 1e6)}{_GAP}MB"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun in the right form: 1 photo, 12 photos."""
    return f"{whole(number)}\u00a0{noun if number == 1 else plural or noun + 's'}"

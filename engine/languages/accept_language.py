"""The header Accept-Language (RFC 9110, section 12.5.4)."""

from collections.abc import Sequence


def preferred(header: str, tags: Sequence[str]) -> str:
    """Return which of some language tags a header prefers; the first where it names none."""
    best, most = tags[0], 0.0
    for part in header[:500].split(","):
        name, _, parameters = part.strip().partition(";")
        weight = _weight(parameters)
        tag = _match(name.strip().lower(), tags)
        if tag and weight > most:
            best, most = tag, weight
    return best


def _match(name: str, tags: Sequence[str]) -> str:
    """Return the tag that a name of a header means: pt and pt-PT mean pt-BR where no other is."""
    if name == "*":
        return tags[0]
    primary = name.partition("-")[0]
    exact = (tag for tag in tags if tag.lower() == name)
    near = (tag for tag in tags if tag.partition("-")[0] == primary)
    return next(exact, None) or next(near, "")


def _weight(parameters: str) -> float:
    text = parameters.replace(" ", "").lower()
    try:
        return float(text.removeprefix("q=")) if text else 1.0
    except ValueError:
        return 0.0

"""A version's model card: its card as GitHub's Markdown, for people.

No word of the model file or of the data makes a table, a link or a heading.
"""

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

from engine.cards import facts
from engine.schema.card import Card, ChallengeEntry
from engine.schema.messages import rounded

#: What has a meaning within a line of Markdown, and at the beginning of a paragraph.
_MARK = re.compile(r"([\\`*_\[\]<>|~&#!$])")
_BEGINNING = re.compile(r"^(\d*)([-+=.)])")


def model_card(card: Card) -> str:
    """Write a card as Markdown; it may be of a version that is not stored yet."""
    version = f", version {card['version']}" if "version" in card else ""
    parts = [
        f"# {_text(card['title'])}",
        f"Model {_text(card['model'])}{version}.",
        "## Intended use",
        _paragraph(card["description"] or "The model file does not say."),
        "## How it was made",
        _table(("what", "is"), list(facts.facts(card).items())),
        f"## Scores on the {'sample' if card.get('imported') else 'held-out rows'}",
        _table(facts.SCORE_HEADS, facts.score_rows(card)),
        "`*` marks the score that decides a promotion. The baseline ignores its input.",
    ]
    if rows := facts.class_rows(card):
        parts += ["## By class", _table(facts.CLASS_HEADS, rows)]
    if rows := facts.uncertainty_rows(card):
        parts += [
            "## Coverage of its 90% intervals or sets",
            _table(facts.UNCERTAINTY_HEADS, rows),
        ]
    if challenge := card.get("challenge"):
        parts += ["## Beside the promoted version", *_challenge(challenge)]
    parts += [
        "## Fields",
        _table(facts.FIELD_HEADS, facts.field_rows(card)),
        "`accepted` says what is let through; everything else is refused.",
        "## Importances",
        f"How much {_text(card['score'])} drops when a field is shuffled.",
        _table(facts.IMPORTANCE_HEADS, facts.importance_rows(card)),
        "## Limits",
        "\n".join(f"- {_text(sentence)}" for sentence in facts.limits(card)),
        "## Ask it",
        _request(card),
    ]
    return "\n\n".join(parts) + "\n"


def _challenge(entry: ChallengeEntry) -> list[str]:
    reason = _paragraph(entry["reason"][:1].upper() + entry["reason"][1:] + ".")
    gain, value, champion_value = entry["gain"], entry["value"], entry["champion_value"]
    if gain is None or value is None or champion_value is None:
        return [reason]
    row = (
        entry["score"],
        rounded(value),
        rounded(champion_value),
        rounded(gain["value"], sign="+"),
        f"{rounded(gain['low'], sign='+')} to {rounded(gain['high'], sign='+')}",
        entry["rows"],
    )
    heads = ("score", "this version", entry["champion"], "gain", "95% interval", "rows")
    return [reason, _table(heads, [row])]


def _request(card: Card) -> str:
    version = f"/versions/{card['version']}" if "version" in card else ""
    address = f"http://127.0.0.1:8000/v0/models/{card['model']}{version}/predict"
    record = shlex.quote(json.dumps(card["example"]["record"]))
    command = f"curl -s {address} -H 'Content-Type: application/json' -d {record}"
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", command)), 0)
    return f"{fence}sh\n{command}\n{fence}"


def _table(heads: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *([_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _paragraph(words: Any) -> str:
    return _BEGINNING.sub(r"\1\\\2", _text(words))


def _text(words: Any) -> str:
    """Write words so that they stand in Markdown as they are, on one line."""
    line = " ".join(str(words).split())
    shown = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line
    )
    return _MARK.sub(r"\\\1", shown)

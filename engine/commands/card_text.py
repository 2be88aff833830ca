"""A card for people to read in a terminal."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from engine.cards import facts
from engine.commands.output import indented, table
from engine.languages import gettext as _
from engine.languages import mark
from engine.schema.card import Card


def card_text(card: Card, *, is_promoted: bool, version_name: str | None = None) -> str:
    """Format a card as a page of text."""
    promoted = _(", promoted") if is_promoted else ""
    title = ": ".join(filter(None, (card["title"], card["description"])))
    named = f" ({version_name})" if version_name else ""
    head = f"{card['model']} {card['version']}{named}{promoted}\n{title}"
    files = [(name, file["bytes"], file["sha256"]) for name, file in card["files"].items()]
    files.append(("card.json", "", card["digest"]))
    tables: list[tuple[str, Sequence[str], Sequence[Sequence[Any]]]] = [
        (mark("Fields"), facts.FIELD_HEADS, facts.field_rows(card)),
        (mark("Scores on the held-out rows"), facts.SCORE_HEADS, facts.score_rows(card)),
        (mark("Permutation importances"), facts.IMPORTANCE_HEADS, facts.importance_rows(card)),
        (mark("Parameters"), ("name", "value"), list(card["hyperparameters"].items())),
        (mark("Libraries"), ("name", "value"), list(card["libraries"].items())),
        (mark("Files"), ("name", mark("bytes"), "sha256"), files),
    ]
    parts = [f"{_(title)}\n{indented(table(heads, rows))}" for title, heads, rows in tables]
    return "\n\n".join([head, _facts(card), *parts])


def _facts(card: Card) -> str:
    challenge = card.get("challenge")
    compared = {_("promotion"): facts.comparison_of(challenge)} if challenge else {}
    lines = facts.facts(card) | compared
    return "\n".join(
        fill(text, 100, initial_indent=f"{name:<11}", subsequent_indent=" " * 11)
        for name, text in lines.items()
    )

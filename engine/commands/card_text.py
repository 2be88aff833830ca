"""A card for people to read in a terminal."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from engine.cards import facts
from engine.commands.output import indented, table
from engine.schema.card import Card


def card_text(card: Card, *, is_promoted: bool) -> str:
    """Format a card as a page of text."""
    promoted = ", promoted" if is_promoted else ""
    title = ": ".join(filter(None, (card["title"], card["description"])))
    head = f"{card['model']} {card['version']}{promoted}\n{title}"
    files = [(name, file["bytes"], file["sha256"]) for name, file in card["files"].items()]
    files.append(("card.json", "", card["digest"]))
    tables: list[tuple[str, Sequence[str], Sequence[Sequence[Any]]]] = [
        ("Fields", facts.FIELD_HEADS, facts.field_rows(card)),
        ("Scores on the held-out rows", facts.SCORE_HEADS, facts.score_rows(card)),
        ("Permutation importances", facts.IMPORTANCE_HEADS, facts.importance_rows(card)),
        ("Parameters", ("name", "value"), list(card["hyperparameters"].items())),
        ("Libraries", ("name", "value"), list(card["libraries"].items())),
        ("Files", ("name", "bytes", "sha256"), files),
    ]
    parts = [f"{title}\n{indented(table(heads, rows))}" for title, heads, rows in tables]
    return "\n\n".join([head, _facts(card), *parts])


def _facts(card: Card) -> str:
    challenge = card.get("challenge")
    lines = facts.facts(card) | ({"promotion": challenge["reason"]} if challenge else {})
    return "\n".join(
        fill(text, 100, initial_indent=f"{name:<11}", subsequent_indent=" " * 11)
        for name, text in lines.items()
    )

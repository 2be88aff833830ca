"""A card for people to read in a terminal."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from engine.cards.facts import (
    FIELD_HEADS,
    IMPORTANCE_HEADS,
    SCORE_HEADS,
    facts,
    field_rows,
    importance_rows,
    score_rows,
)
from engine.commands.output import indented, table
from engine.schema.card import Card


def card_text(card: Card, *, is_promoted: bool) -> str:
    """Format a card as a page of text."""
    promoted = ", promoted" if is_promoted else ""
    parts = [f"{card['model']} {card['version']}{promoted}\n{card['title']}"]
    if card["description"]:
        parts[0] += f": {card['description']}"
    parts.append(_facts(card))
    tables: list[tuple[str, Sequence[str], Sequence[Sequence[Any]]]] = [
        ("Fields", FIELD_HEADS, field_rows(card)),
        ("Scores on the held-out rows", SCORE_HEADS, score_rows(card)),
        ("Permutation importances", IMPORTANCE_HEADS, importance_rows(card)),
        ("Parameters", ("name", "value"), list(card["hyperparameters"].items())),
        ("Libraries", ("name", "value"), list(card["libraries"].items())),
        ("Files", ("name", "bytes", "sha256"), _files(card)),
    ]
    return "\n\n".join(
        [*parts, *(f"{title}\n{indented(table(head, rows))}" for title, head, rows in tables)]
    )


def _facts(card: Card) -> str:
    challenge = card.get("challenge")
    lines = facts(card) | ({"promotion": challenge["reason"]} if challenge else {})
    return "\n".join(
        fill(text, 100, initial_indent=f"{name:<11}", subsequent_indent=" " * 11)
        for name, text in lines.items()
    )


def _files(card: Card) -> list[tuple[str, Any, str]]:
    files = [(name, file["bytes"], file["sha256"]) for name, file in card["files"].items()]
    return [*files, ("card.json", "", card["digest"])]

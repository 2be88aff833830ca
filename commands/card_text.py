"""A card for people to read."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

from commands.terminal import indented, table

#: So many categories of a field are named.
_MOST_WORDS = 8


def card_text(card: Mapping[str, Any], *, is_promoted: bool) -> str:
    """Write a card as a page of text."""
    promoted = ", promoted" if is_promoted else ""
    parts = [f"{card['model']} {card['version']}{promoted}\n{card['title']}"]
    if card["description"]:
        parts[0] += f": {card['description']}"
    parts.append(_facts(card))
    fields = [_field(one) for one in card["schema"]["fields"]]
    heads = ("name", "kind", "unit", "range", "accepted")
    parts.append("Fields\n" + indented(table(heads, fields)))
    parts.append("Scores on the held-out rows\n" + indented(_scores(card)))
    weights = _importances(card["permutation_importances"])
    if weights:
        parts.append(
            "Permutation importances\n" + indented(table(("field", "mean", "std"), weights))
        )
    for title, key in (("Parameters", "hyperparameters"), ("Libraries", "libraries")):
        rows = list(card[key].items())
        parts.append(f"{title}\n" + indented(table(("name", "value"), rows)))
    files = [(name, one["bytes"], one["sha256"]) for name, one in card["files"].items()]
    files.append(("card.json", "", card["digest"]))
    parts.append("Files\n" + indented(table(("name", "bytes", "sha256"), files)))
    return "\n\n".join(parts)


def _facts(card: Mapping[str, Any]) -> str:
    rows, code = card["data"], card["code"]
    trees = f", {card['trees']} trees" if card["trees"] else ""
    taken = card["seconds"]
    facts = {
        "trained": f"{card['created_at']}, Python {code['python']}, code {code['revision'] or '?'}",
        "data": f"{rows['name']}: {rows['rows']} rows, {rows['training_rows']} to learn from and "
        f"{rows['held_out_rows']} held out",
        "": f"sha256 {rows['sha256']}",
        "note": rows["note"],
        "estimator": f"{card['estimator']}{trees}, seed {card['seed']}",
        "answers": _answers(card),
        "runtime": " because ".join(filter(None, (card["runtime"], card["runtime_reason"]))),
        "parity": _parity(card["parity"]),
        "time": f"{taken['one_row'] * 1e3:.3f} ms for a record, "
        f"{taken['thousand_rows'] * 1e3:.1f} ms for 1000",
    }
    return "\n".join(
        fill(text, 100, initial_indent=f"{name:<11}", subsequent_indent=" " * 11)
        for name, text in facts.items()
        if text
    )


def _answers(card: Mapping[str, Any]) -> str:
    target = card["schema"]["target"]["name"]
    if card["classes"] is None:
        return f"{target}, a number"
    classes = ", ".join(str(one) for one in card["classes"])
    if card["positive"] is None:
        return f"{target}, one of {classes}"
    return f"{target}, one of {classes}; {card['positive']} from probability {card['threshold']}"


def _parity(found: Mapping[str, Any] | None) -> str:
    if not found:
        return ""
    text = f"{found['mismatches']} mismatches in {found['rows']} rows"
    if found["difference"] is not None:
        text += f", largest difference {found['difference']:.1e}"
    return ", ".join(filter(None, (text, found["reason"])))


def _field(one: Mapping[str, Any]) -> list[str]:
    kind = "whole number" if one.get("integer") else one["kind"]
    policies = ("missing", "unknown", "out_of_range")
    accepted = (what.replace("_", " ") for what in policies if one.get(what) == "accept")
    return [one["name"], kind, one.get("unit", ""), _allowed(one), ", ".join(accepted)]


def _allowed(one: Mapping[str, Any]) -> str:
    words = [str(word) for word in one.get("categories", ())]
    if words:
        more = len(words) - _MOST_WORDS
        return ", ".join(words[:_MOST_WORDS]) + (f" and {more} more" if more > 0 else "")
    low, high = one.get("minimum"), one.get("maximum")
    if low is None or high is None:
        return "" if low is high else f"at most {high}" if low is None else f"at least {low}"
    return f"{low} to {high}"


def _scores(card: Mapping[str, Any]) -> str:
    rows = [
        [
            f"{name} *" if name == card["score"] else name,
            f"{one['value']:.4f}",
            f"{one['low']:.4f} to {one['high']:.4f}",
            f"{one['baseline']:.4f}",
        ]
        for name, one in card["scores"].items()
    ]
    return table(("score", "value", "95 % interval", "baseline"), rows)


def _importances(weights: Mapping[str, Any]) -> list[list[str]]:
    ranked = sorted(weights.items(), key=lambda item: -item[1]["mean"])
    return [[name, f"{one['mean']:.4f}", f"{one['std']:.4f}"] for name, one in ranked]

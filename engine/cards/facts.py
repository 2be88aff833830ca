"""What a card, even an old one, says in words and rows: for a page, Markdown and a terminal."""

from collections.abc import Mapping
from typing import Any

from engine.cards.sentences import score_title, word
from engine.languages import gettext as _
from engine.languages import in_english, local_number, mark, ngettext
from engine.schema.card import Card, DataEntry, ParityEntry
from engine.schema.messages import rounded
from engine.schema.record_schema import Schema

#: Fewer rows of a class than this say little about it.
_FEW_ROWS = 30

FIELD_HEADS = mark("name"), mark("kind"), mark("unit"), mark("range"), mark("accepted")
SCORE_HEADS = mark("score"), mark("value"), mark("95% interval"), mark("baseline")
CLASS_HEADS = ("class", "precision", "recall", "rows")
UNCERTAINTY_HEADS = ("where", "is", "rows", "coverage")
IMPORTANCE_HEADS = mark("field"), mark("mean"), "std"


def facts(card: Card) -> dict[str, str]:
    """Return how a version was made and how it is served; empty facts are left out."""
    rows, code, taken = card["data"], card["code"], card["seconds"]
    trees = f", {card['trees']} trees" if card["trees"] else ""
    model = card.get("imported")
    texts = {
        _("imported") if model else _("trained"): f"{card['created_at']}, Python {code['python']}",
        _("model"): _imported(model) if model else "",
        _("by"): card.get("trained_by", ""),
        _("code"): _code(code["revision"]),
        _("model file"): code.get("model_sha256", ""),
        _("data"): _data(rows),
        _("sha256"): rows["sha256"],
        _("note"): rows["note"],
        _("estimator"): f"{card['estimator']}{trees}, seed {card['seed']}",
        _("answers"): _answers(card),
        _("runtime"): " because ".join(filter(None, (card["runtime"], card["runtime_reason"]))),
        _("parity"): _parity(card["parity"]),
        _("time"): f"{taken['one_row'] * 1e3:.3f} ms for a record, "
        f"{taken['thousand_rows'] * 1e3:.1f} ms for 1000",
    }
    return {name: text for name, text in texts.items() if text}


def field_rows(card: Card) -> list[list[str]]:
    """Return a row of `FIELD_HEADS` for each field."""
    return [
        [field.name, field.noun(), field.unit, field.limits(), ", ".join(field.accepted())]
        for field in Schema.from_json(card["schema"]).fields
    ]


def score_rows(card: Card) -> list[list[str]]:
    """Return a row of `SCORE_HEADS` for each score; ``*`` marks that which decides."""
    return [
        [
            f"{name} *" if name == card["score"] else name,
            rounded(entry["value"]),
            f"{rounded(entry['low'])} to {rounded(entry['high'])}",
            rounded(entry["baseline"]),
        ]
        for name, entry in card["scores"].items()
    ]


def class_rows(card: Card) -> list[list[str]]:
    """Return a row of `CLASS_HEADS` for each class; none for a regression."""
    return [
        [word(row["class"]), _share(row["precision"]), _share(row["recall"]), str(row["rows"])]
        for row in card["class_scores"]
    ]


def uncertainty_rows(card: Card) -> list[list[str]]:
    """Return a row of `UNCERTAINTY_HEADS` for each part of the held-out rows, and for all."""
    measured = card.get("uncertainty", {}).get("measured")
    if not measured:
        return []
    rows = [["all rows", "", str(card["uncertainty"]["rows"]), f"{measured['mean']:.3f}"]]
    return rows + [
        [part["field"], part["is"], str(part["rows"]), f"{part['coverage']:.3f}"]
        for part in measured["parts"]
    ]


def uncertainty_text(entry: Mapping[str, Any]) -> str:
    """Say how often what a card has of the doubt in its answers held, or why it has nothing."""
    measured, near = entry.get("measured"), entry.get("familiarity")
    texts = [entry.get("remark", "")]
    if measured:
        text = (
            _("{stated}% intervals held {share}% of the held-out rows")
            if "edges" in entry
            else _("{stated}% sets held {share}% of the held-out rows")
        )
        share = local_number(f"{100 * measured['mean']:.1f}")
        texts.append(text.format(stated=f"{100 * measured['coverage']:g}", share=share))
        if apart := [part for part in measured["parts"] if _is_off(part, measured)]:
            text = _("they are off by more than 2 points in {apart} of {parts} parts of the rows")
            texts.append(text.format(apart=len(apart), parts=len(measured["parts"])))
    elif "rows" in entry and not entry.get("remark"):
        text = _("{rows} held-out rows are too few to measure the coverage")
        texts.append(text.format(rows=entry["rows"]))
    if near:
        alarms = local_number(f"{100 * near['false_alarms']:.1f}")
        texts.append(_("{share}% of the held-out rows are called unfamiliar").format(share=alarms))
    return "; ".join(filter(None, texts)) or _("the answers have none")


def comparison_of(entry: Mapping[str, Any]) -> str:
    """Say how a version compared with the promoted one; a remark stays as the card has it."""
    with in_english():
        remark = str(entry.get("reason", "")).removeprefix(_comparison(entry))
    return _comparison(entry) + remark


def _comparison(entry: Mapping[str, Any]) -> str:
    is_wish = entry["asked"] != "if-better"
    wished = _("to be promoted, as asked: ") if is_wish else _("to be promoted: ")
    spared = _("not to be promoted, as asked: ") if is_wish else _("not to be promoted: ")
    decided = wished if entry["promote"] else spared
    if (gain := entry["gain"]) is None:
        return decided + (_("nothing was promoted before") if entry["verdict"] == "first" else "")
    texts = {
        "better": _("{score} {value} is better than {champion}'s {champion_value} on the same "
                    "{rows} rows: gain {gain}, 95% interval {low} to {high}"),
        "worse": _("{score} {value} is worse than {champion}'s {champion_value} on the same "
                   "{rows} rows: gain {gain}, 95% interval {low} to {high}"),
        "undecided": _("{score} {value} is not surely better than {champion}'s {champion_value} on "
                       "the same {rows} rows: gain {gain}, 95% interval {low} to {high}"),
    }  # fmt: skip
    ends = {key: rounded(gain[key], sign="+") for key in ("value", "low", "high")}
    numbers = {"gain": ends.pop("value"), **ends}
    numbers |= {key: rounded(entry[key]) for key in ("value", "champion_value")}
    text = texts[entry["verdict"]].format(
        score=entry["score"], champion=entry["champion"], rows=entry["rows"],
        **{key: local_number(number, grouped=False) for key, number in numbers.items()},
    )  # fmt: skip
    if entry["may_know_rows"]:
        favour = _("{champion} may have learnt from some of them, which favours it")
        text += "; " + favour.format(champion=entry["champion"])
    return decided + text


def _set_aside_limits(rows: DataEntry) -> list[str]:
    """Say which rows were left out, if any were."""
    aside = rows.get("set_aside")
    if not aside or not aside["rows"]:
        return []
    text = _("Nothing is known about rows like those that were left out: {sentence}.")
    return [text.format(sentence=set_aside_text(aside, rows["rows"]))]


def set_aside_text(entry: Mapping[str, Any], rows: int) -> str:
    """Say how many rows were set aside beside those that were used, and why."""
    if not entry["rows"]:
        return _("no row is set aside")
    every = rows + entry["rows"]
    reasons = written_reasons(entry["reasons"])
    share = local_number(f"{100 * entry['rows'] / every:.3g}%")
    text = ngettext(
        "{count} of {rows} rows is set aside ({share}): {reasons}",
        "{count} of {rows} rows are set aside ({share}): {reasons}", entry["rows"],
    )  # fmt: skip
    return text.format(count=entry["rows"], rows=every, share=share, reasons=reasons)


def written_reasons(reasons: Mapping[str, int]) -> str:
    """Write why rows are set aside, each reason with the number of rows."""
    return ", ".join(f"{reason} ({count})" for reason, count in reasons.items())


def _is_off(part: Mapping[str, Any], measured: Mapping[str, Any]) -> bool:
    return abs(part["coverage"] - measured["coverage"]) > 0.02  # type: ignore[no-any-return]


def importance_rows(card: Card) -> list[list[str]]:
    """Return a row of `IMPORTANCE_HEADS` for each field, the most important first."""
    weights = card["permutation_importances"]
    ranked = sorted(weights.items(), key=lambda item: -item[1]["mean"])
    return [[name, rounded(weight["mean"]), rounded(weight["std"])] for name, weight in ranked]


def limits(card: Card) -> list[str]:
    """Return in sentences what the version is not shown to be good for."""
    rows = card["data"]
    sentences = [
        _("The scores say nothing about later data, nor about records unlike the {rows} of {table}."
          ).format(rows=_("{count} held-out rows").format(count=rows["held_out_rows"])
                   if "held_out_rows" in rows else _("held-out rows"), table=rows["name"])
    ]  # fmt: skip
    if rows["note"]:
        sentences.append(_("It is trained on sample data: {note}.").format(note=rows["note"]))
    sentences += _set_aside_limits(rows)
    sentences += [f"{_capital(remark)}." for remark in card.get("remarks", ())]
    scores = card["scores"].items()
    sentences += [
        _("The 95% interval of {score}: {remark}.").format(
            score=score_title(name), remark=score["remark"]
        )
        for name, score in scores
        if score.get("remark")
    ]
    sentences += _uncertainty_limits(card.get("uncertainty", {}))
    if level := [
        score_title(name)
        for name, score in scores
        if score["low"] <= score["baseline"] <= score["high"]
    ]:
        sentences.append(
            _("By {scores} it is not shown to be better than a model that ignores its input: the "
              "interval reaches the baseline.").format(scores=", ".join(level))
        )  # fmt: skip
    if few := [word(row["class"]) for row in card["class_scores"] if row["rows"] < _FEW_ROWS]:
        text = _("Fewer than {count} held-out rows have the class {classes}, so what is measured "
                 "for it may be chance.")  # fmt: skip
        sentences.append(text.format(count=_FEW_ROWS, classes=", ".join(few)))
    if accepting := [
        f"{name} ({policies})" for name, *_rest, policies in field_rows(card) if policies
    ]:
        text = _("Some fields accept what was rare in training: {fields}.")
        sentences.append(text.format(fields=", ".join(accepting)))
    return sentences


def _uncertainty_limits(entry: Mapping[str, Any]) -> list[str]:
    """Say why there is no coverage, that it was not measured, or where it is not as stated."""
    if remark := entry.get("remark"):
        return [_("The answers have no stated uncertainty: {remark}.").format(remark=remark)]
    if not (measured := entry.get("measured")):
        rows = entry.get("rows")
        text = _("How often the intervals or sets hold is not measured: {rows} held-out rows are "
                 "too few.")  # fmt: skip
        return [text.format(rows=rows)] if rows else []
    off = [
        _("{held} of 100 where {field} is {value}").format(
            held=f"{100 * part['coverage']:.0f}", field=part["field"], value=part["is"])
        for part in measured["parts"]
        if _is_off(part, measured)
    ]  # fmt: skip
    if not off:
        return []
    text = (
        _("Intervals that should hold for {stated} of 100 records held for {parts}.")
        if "edges" in entry
        else _("Sets that should contain the truth for {stated} of 100 records did so for {parts}.")
    )
    return [text.format(stated=f"{100 * measured['coverage']:g}", parts=", ".join(off))]


def _share(share: float | None) -> str:
    return "none" if share is None else f"{share:.3f}"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _imported(model: Mapping[str, Any]) -> str:
    libraries = [f"{name} {version}" for name, version in model["libraries"].items()]
    fitted = f", fitted with {' and '.join(libraries)}" if libraries else ""
    return f"{model['file']} ({model['format']}){fitted}, sha256 {model['sha256']}"


def _data(rows: Mapping[str, Any]) -> str:
    if "rows" not in rows:
        return str(rows["name"])
    if not rows["training_rows"]:
        return f"{rows['name']}: {rows['rows']} rows, by which an imported model was checked"
    counts = f"{rows['training_rows']} to learn from and {rows['held_out_rows']} held out"
    aside = rows.get("set_aside", {}).get("rows")
    counts += f"; {aside} more set aside" if aside else ""
    return f"{rows['name']}: {rows['rows']} rows, {counts}"


def _code(revision: str) -> str:
    is_changed = revision.endswith("+")
    return f"{revision[:-1]}, with code that was not committed" if is_changed else revision


def _answers(card: Card) -> str:
    target = card["schema"]["target"]["name"]
    if card["classes"] is None:
        return f"{target}, a number"
    classes = ", ".join(map(word, card["classes"]))
    if card["positive"] is None:
        return f"{target}, one of {classes}"
    positive = f"{word(card['positive'])} from probability {card['threshold']:.6g}"
    return f"{target}, one of {classes}; {positive}"


def _parity(parity: ParityEntry | None) -> str:
    if not parity:
        return ""
    text = f"{parity['mismatches']} mismatches in {parity['rows']} rows"
    if parity["difference"] is not None:
        text += f", largest difference {parity['difference']:.1e}"
    return ", ".join(filter(None, (text, parity["reason"])))

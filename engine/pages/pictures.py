"""Pictures of how good a version is, ready to be drawn, each with a sentence and its numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any, NamedTuple

from engine.cards.sentences import called, of_hundred
from engine.languages import gettext as _
from engine.languages import local_number
from engine.pages.labels import beneath, beside
from engine.schema.card import Card
from engine.schema.messages import plain

#: With more classes, a confusion matrix has no numbers in its cells, which the table has.
_MOST_WRITTEN = 6

#: Numbers of regressions are written with so many digits.
_DIGITS = 4


#: Places on an axis, each with what is written there.
Ticks = Sequence[tuple[float, str]]


class Scale(NamedTuple):
    """From values to places on an axis."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Return where a value is drawn."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> Ticks:
        """Return the places of three to six round numbers, each as it is written."""
        width = (self.high - self.low) / 5
        power = 10.0 ** floor(log10(width))
        step = next(size * power for size in (1, 2, 5, 10) if size * power >= width)
        first, last = -floor(-self.low / step), floor(self.high / step)
        values = [float(f"{count * step:.6g}") for count in range(first, last + 1)]
        return [(self.place(value), local_number(plain(value, _DIGITS))) for value in values]


#: The ends of the axes in a drawing of 260 by 210.
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 240, 26, 166
#: Where a confusion matrix begins, beside the names of its classes.
_BESIDE = 84
_X, _Y = Scale(0, 1, _LEFT, _RIGHT), Scale(0, 1, _BOTTOM, _TOP)


@dataclass(frozen=True)
class Picture:
    """A drawing: lines and areas have a style and points, dots places, cells counts."""

    title: str
    sentences: Sequence[str]
    x: str
    y: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    x_ticks: Ticks
    y_ticks: Ticks
    lines: Sequence[tuple[str, str]] = ()
    areas: Sequence[tuple[str, str]] = ()
    dots: Sequence[tuple[float, float]] = ()
    cells: Sequence[Mapping[str, Any]] = ()


def pictures(card: Card) -> list[Picture]:
    """Return the pictures of a version; an older one has none."""
    values = card.get("pictures") or {}
    drawings = {
        "confusion": (_confusion,), "roc": (_roc,), "precision_recall": (_precision_recall,),
        "calibration": (_calibration,), "bands": (_true_values, _errors),
    }  # fmt: skip
    return [draw(card, values) for name in drawings if name in values for draw in drawings[name]]


def _confusion(card: Card, values: Mapping[str, Any]) -> Picture:
    counts, labels = values["confusion"], [called(card, label) for label in card["classes"]]
    size, most = len(labels), max(max(row) for row in counts) or 1
    width, height = (_RIGHT - _BESIDE) / size, (_BOTTOM - _TOP) / size
    pairs = [(row, column) for row in range(size) for column in range(size)]
    cells = [
        {
            "x": round(_BESIDE + column * width, 1), "y": round(_TOP + row * height, 1),
            "width": round(width - 1, 1), "height": round(height - 1, 1),
            "share": round(counts[row][column] / most, 3),
            "text": local_number(str(counts[row][column])) if size <= _MOST_WRITTEN else "",
        }
        for row, column in pairs
    ]  # fmt: skip
    right, rows = sum(counts[at][at] for at in range(size)), sum(map(sum, counts))
    sentences = [_("It is right for {right} of {rows} held-out records.").format(
        right=local_number(str(right)), rows=local_number(str(rows)))]  # fmt: skip
    row, column = max((p for p in pairs if p[0] != p[1]), key=lambda p: counts[p[0]][p[1]])
    if counts[row][column]:
        sentences.append(
            _("The most frequent mistake: {count} that are {true} are called {called}.").format(
                count=local_number(str(counts[row][column])), true=labels[row],
                called=labels[column])
        )  # fmt: skip
    return Picture(
        _("Right and wrong answers"), sentences, _("Answer"), _("Truth"),
        (_("truth"), _("answer"), _("records")),
        [[labels[row], labels[column], local_number(str(counts[row][column]))]
         for row, column in pairs if counts[row][column]],
        [(round(_BESIDE + (at + 0.5) * width, 1), name)
         for at, name in enumerate(beneath(labels, width))],
        [(round(_TOP + (at + 0.5) * height, 1), name)
         for at, name in enumerate(beside(labels, width, height, _BESIDE - 4))],
        cells=cells,
    )  # fmt: skip


def _roc(card: Card, values: Mapping[str, Any]) -> Picture:
    curve, label = values["roc"], called(card, card["positive"])
    rates = _rates(card, values)
    sentences = [
        _("Of two records, one {label} and one not, the model gives the {label} one the higher "
          "probability in {count} of 100 cases. A coin does in 50.").format(
            label=label, count=of_hundred(card["scores"]["roc_auc"]["value"])),
        _("At its threshold (the dot) it finds {found} of 100 records that are {label}, and calls "
          "{wrong} of 100 others {label} too.").format(
            label=label, found=of_hundred(rates["recall"]), wrong=of_hundred(rates["false"])),
    ] if "roc_auc" in card["scores"] else []  # fmt: skip
    return Picture(
        _("ROC curve: found against false alarms"), sentences, _("Others called {label}").format(
            label=label), _("Found of those that are {label}").format(label=label),
        (_("false alarms"), _("found")),
        _percents(curve["false_positive_rate"], curve["recall"]), *_share_ticks(),
        [_line("chance", [0, 1], [0, 1]),
         _line("curve", curve["false_positive_rate"], curve["recall"])],
        dots=[(_X.place(rates["false"]), _Y.place(rates["recall"]))],
    )  # fmt: skip


def _precision_recall(card: Card, values: Mapping[str, Any]) -> Picture:
    curve, label, rates = (
        values["precision_recall"],
        called(card, card["positive"]),
        _rates(card, values),
    )
    text = (
        _("Of 100 records that it calls {label}, {right} are. It finds {found} of 100 records that "
          "are {label}.")
        if rates["called"] else _("At its threshold it calls none of the records {label}.")
    )  # fmt: skip
    sentences = [
        text.format(label=label, right=of_hundred(rates["precision"]),
                    found=of_hundred(rates["recall"])),
        _("By guessing (the dashed line), {share} of 100 would be.").format(
            share=of_hundred(rates["share"])),
    ]  # fmt: skip
    return Picture(
        _("Precision and recall"), sentences, _("Found of those that are {label}").format(
            label=label), _("Right of those called {label}").format(label=label),
        (_("found"), _("right")), _percents(curve["recall"], curve["precision"]), *_share_ticks(),
        [_line("chance", [0, 1], [rates["share"]] * 2),
         _line("curve", curve["recall"], curve["precision"])],
        dots=[(_X.place(rates["recall"]), _Y.place(rates["precision"]))] if rates["called"] else [],
    )  # fmt: skip


def _rates(card: Card, values: Mapping[str, Any]) -> dict[str, float]:
    """Return how the answers at the threshold stand, by the confusion matrix of two classes."""
    counts, at = values["confusion"], card["classes"].index(card["positive"])
    found, missed, wrong = counts[at][at], counts[at][1 - at], counts[1 - at][at]
    rows = sum(map(sum, counts))
    return {
        "recall": found / (found + missed), "false": wrong / (rows - found - missed),
        "called": found + wrong, "precision": found / ((found + wrong) or 1),
        "share": (found + missed) / rows,
    }  # fmt: skip


def _calibration(card: Card, values: Mapping[str, Any]) -> Picture:
    groups = values["calibration"]
    stated, shares = ([group[key] for group in groups] for key in ("probability", "share"))
    gaps = [abs(p - share) for p, share in zip(stated, shares, strict=True)]
    rows = sum(group["rows"] for group in groups)
    mean = sum(gap * group["rows"] for gap, group in zip(gaps, groups, strict=True)) / rows
    worst = groups[gaps.index(max(gaps))]
    label = "" if card["positive"] is None else called(card, card["positive"])
    text = (
        _("It is farthest off where it says {stated}%: {share}% of those records are {label}.")
        if label else
        _("It is farthest off where it is {stated}% sure: {share}% of those answers are right.")
    )  # fmt: skip
    sentences = [
        _("On average, a probability is off by {points} percentage points.").format(
            points=local_number(f"{100 * mean:.1f}")),
        text.format(stated=of_hundred(worst["probability"]), share=of_hundred(worst["share"]),
                    label=label),
        _("On the dashed line, probabilities hold exactly."),
    ]  # fmt: skip
    counts = [[local_number(str(group["rows"]))] for group in groups]
    cells = [a + b for a, b in zip(_percents(stated, shares), counts, strict=True)]
    return Picture(
        _("Calibration: do the probabilities hold?"), sentences, _("Probability that it states"),
        _("Share that is {label}").format(label=label) if label else _("Share that is right"),
        (_("stated"), _("true"), _("records")), cells, *_share_ticks(),
        [_line("chance", [0, 1], [0, 1]), _line("curve", stated, shares)],
        dots=[(_X.place(x), _Y.place(y)) for x, y in zip(stated, shares, strict=True)],
    )  # fmt: skip


def _true_values(card: Card, values: Mapping[str, Any]) -> Picture:
    band = values["bands"][len(values["bands"]) // 2]
    sentence = _("Where it predicts about {predicted}, the true value is {low} to {high} in 8 of "
                 "10 cases.").format(predicted=_number(band["predicted"], card),
                                     low=_number(band["true"][0]),
                                     high=_number(band["true"][-1], card))  # fmt: skip
    hint = _("On the dashed line, predictions would be exactly right.")
    return _banded(card, values, "true", _("True values by prediction"), [sentence, hint])


def _errors(card: Card, values: Mapping[str, Any]) -> Picture:
    sentences = [
        _("Where it predicts about {predicted}, half of the errors are {low} to {high}.").format(
            predicted=_number(band["predicted"], card), low=_number(band["error"][1]),
            high=_number(band["error"][-2], card))
        for band in (values["bands"][0], values["bands"][-1])
    ]  # fmt: skip
    hint = _("An error above 0 is a prediction that was too high.")
    return _banded(card, values, "error", _("Errors by prediction"), [*sentences, hint])


def _banded(
    card: Card, values: Mapping[str, Any], key: str, title: str, sentences: Sequence[str]
) -> Picture:
    """Draw the middle, half and eight tenths of the values of each group by its prediction."""
    xs = [band["predicted"] for band in values["bands"]]
    low, quarter, middle, rest, high = zip(*(band[key] for band in values["bands"]), strict=True)
    aim = xs if key == "true" else [0.0] * len(xs)
    y = _fitting([*low, *high, *aim], _BOTTOM, _TOP)
    x = _fitting(xs, _LEFT, _RIGHT)
    name = card["schema"]["target"]["name"].replace("_", " ")
    heads = [_("predicted"), "10%", "25%", "50%", "75%", "90%", _("records")]
    rows = [[_number(band["predicted"]), *map(_number, band[key]), str(band["rows"])]
            for band in values["bands"]]  # fmt: skip
    return Picture(
        title, sentences, _("Predicted {name}").format(name=name),
        _("True {name}").format(name=name) if key == "true" else _("Prediction minus truth"),
        heads, rows, x.ticks(), y.ticks(),
        [_line("chance", xs, aim, x, y), _line("curve", xs, middle, x, y)],
        [_line("most", [*xs, *xs[::-1]], [*low, *high[::-1]], x, y),
         _line("half", [*xs, *xs[::-1]], [*quarter, *rest[::-1]], x, y)],
    )  # fmt: skip


def _fitting(values: Sequence[float], start: float, end: float) -> Scale:
    low, high = min(values), max(values)
    margin = (high - low) * 0.04 or abs(high) or 1.0
    return Scale(low - margin, high + margin, start, end)


def _line(
    style: str, xs: Sequence[float], ys: Sequence[float], x: Scale = _X, y: Scale = _Y
) -> tuple[str, str]:
    places = (f"{x.place(a)},{y.place(b)}" for a, b in zip(xs, ys, strict=True))
    return style, " ".join(places)


def _share_ticks() -> tuple[Ticks, Ticks]:
    shares = (0, 0.25, 0.5, 0.75, 1)
    names = [f"{100 * share:.0f}%" for share in shares]
    x, y = ([*zip(map(scale.place, shares), names, strict=True)] for scale in (_X, _Y))
    return x, y


def _percents(*columns: Sequence[float]) -> list[list[str]]:
    return [
        [local_number(f"{100 * share:.1f}") + "%" for share in row]
        for row in zip(*columns, strict=True)
    ]


def _number(value: float, card: Card | None = None) -> str:
    unit = card["schema"]["target"].get("unit", "") if card else ""
    return f"{local_number(plain(value, _DIGITS))} {unit}".strip()

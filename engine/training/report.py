"""The training report: one HTML file with its pictures inside."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn import metrics
from sklearn.calibration import CalibrationDisplay

from engine.cards import facts
from engine.cards.sentences import meaning, word
from engine.schema.card import Card
from engine.schema.messages import rounded
from engine.schema.record_schema import Schema
from engine.scoring.judged import HeldOutAnswers
from engine.training.report_columns import MOST_PICTURES, look_at

Drawing = Callable[[Axes], Any]
Curves = Mapping[Any, tuple[np.ndarray, np.ndarray]]


def write_report(
    card: Card, judged: HeldOutAnswers, X: pd.DataFrame, y: pd.Series, table: pd.DataFrame
) -> bytes:
    """Write the report of a version.

    The report is UTF-8 HTML that loads nothing else: styles and SVG are
    inline. X, y and the table they were read from have the training rows.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
    )
    pictures = {title: _draw(drawing) for title, drawing in _pictures(card, judged).items()}
    data = look_at(X, y, table, Schema.from_json(card["schema"]))
    template = environment.get_template("report.html")
    return template.render(
        card=card, pictures=pictures, data=data, most=MOST_PICTURES,
        class_rows=facts.class_rows(card), limits=facts.limits(card),
        rounded=rounded, meaning=meaning,
    ).encode()  # fmt: skip


def _pictures(card: Card, judged: HeldOutAnswers) -> dict[str, Drawing]:
    pictures: dict[str, Drawing] = {}
    if judged.classes is None:
        pictures["Predicted against true"] = lambda ax: _scatter(ax, judged)
        pictures["Errors"] = lambda ax: _histogram(
            ax, {"": judged.predicted - judged.truth}, "predicted - true"
        )
    else:
        if judged.probabilities is not None:
            both = judged.one_against_rest()
            # A class that all rows have, or none, has no curves.
            curves = {name: curve for name, curve in both.items() if 0 < curve[0].mean() < 1}
            if curves:
                pictures["ROC curve"] = lambda ax: _roc(ax, curves)
                pictures["Precision and recall"] = lambda ax: _precision_recall(ax, curves)
                pictures["Calibration"] = lambda ax: _calibration(ax, curves)
            pictures["Scores"] = lambda ax: _score_histogram(ax, judged, card)
            if "costs" in card:
                pictures["Cost by threshold"] = lambda ax: _costs(ax, card)
        pictures["Confusion matrix"] = lambda ax: metrics.ConfusionMatrixDisplay.from_predictions(
            judged.truth,
            judged.predicted,
            labels=judged.classes,
            ax=ax,
            colorbar=False,
            display_labels=[word(label) for label in judged.classes or ()],
        )
    if card["impurity_importances"]:
        pictures["Impurity importances"] = lambda ax: _bars(ax, card["impurity_importances"])
    means = {name: weight["mean"] for name, weight in card["permutation_importances"].items()}
    if means:
        pictures["Permutation importances"] = lambda ax: _bars(
            ax, means, f"how much worse {card['score']} gets"
        )
    return pictures


def _roc(ax: Axes, curves: Curves) -> None:
    for label, (truth, probability) in curves.items():
        metrics.RocCurveDisplay.from_predictions(truth, probability, ax=ax, name=word(label))
    ax.plot([0, 1], [0, 1], ":", color="grey")
    ax.set(xlabel="False positive rate", ylabel="True positive rate")


def _precision_recall(ax: Axes, curves: Curves) -> None:
    for label, (truth, probability) in curves.items():
        metrics.PrecisionRecallDisplay.from_predictions(truth, probability, ax=ax, name=word(label))
        ax.axhline(truth.mean(), linestyle=":", color="grey")
    ax.set(xlabel="Recall", ylabel="Precision")


def _calibration(ax: Axes, curves: Curves) -> None:
    for label, (truth, probability) in curves.items():
        CalibrationDisplay.from_predictions(
            truth,
            np.clip(probability, 0, 1),
            n_bins=10,
            strategy="quantile",
            ax=ax,
            name=word(label),
        )
    ax.set(xlabel="Predicted probability", ylabel="Share observed")


def _score_histogram(ax: Axes, judged: HeldOutAnswers, card: Card) -> None:
    assert judged.classes is not None and judged.probabilities is not None
    is_binary = len(judged.classes) == 2
    score = judged.positive_probability() if is_binary else judged.probabilities.max(axis=1)
    groups = {word(label): score[judged.truth == label] for label in judged.classes}
    _histogram(ax, groups, f"P({word(judged.positive)})" if is_binary else "highest probability")
    if is_binary:
        ax.axvline(card["threshold"], linestyle=":", color="grey")


def _scatter(ax: Axes, judged: HeldOutAnswers) -> None:
    ax.scatter(judged.truth, judged.predicted, s=8, alpha=0.5)
    ends = [judged.truth.min(), judged.truth.max()]
    ax.plot(ends, ends, ":", color="grey")
    ax.set(xlabel="true", ylabel="predicted")


def _histogram(ax: Axes, groups: Mapping[str, np.ndarray], xlabel: str) -> None:
    ax.hist(list(groups.values()), bins=25, stacked=True, label=list(groups))
    ax.set(xlabel=xlabel, ylabel="rows")
    if len(groups) > 1:
        ax.legend(title="true class")


def _costs(ax: Axes, card: Card) -> None:
    curve = card["costs"]["curve"]
    ax.plot([point["threshold"] for point in curve], [point["cost"] for point in curve])
    ax.axvline(card["threshold"], linestyle=":", color="grey")
    ax.set(xlabel="threshold", ylabel="cost per training row")


def _bars(ax: Axes, weights: Mapping[str, float], xlabel: str = "") -> None:
    largest = sorted(weights.items(), key=lambda pair: pair[1])[-20:]
    ax.barh([name for name, _ in largest], [weight for _, weight in largest])
    ax.tick_params(axis="y", labelsize=7)
    ax.set_xlabel(xlabel)


def _draw(drawing: Drawing) -> Markup:
    # The hash salt and the empty date keep the picture's bytes reproducible.
    # What is black or white takes the colours of the page, which may be dark.
    settings: Any = {
        "svg.hashsalt": "report", "svg.fonttype": "none", "font.size": 9, "legend.frameon": False,
        "axes.facecolor": "none", "figure.facecolor": "none",
    }  # fmt: skip
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(4.6, 3.6))
        drawing(figure.subplots())
        figure.tight_layout()  # once: a layout engine would draw everything twice
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    svg = out.getvalue().replace("#000000", "currentColor")
    return Markup(svg[svg.index("<svg") :])  # noqa: S704 - matplotlib escapes what it draws

"""What each score means, in a sentence or two for a reader who meets it for the first time."""

#: By the score's name.
MEANINGS = {
    "accuracy": "the share of rows whose class is predicted rightly. Where one class is frequent, "
    "always predicting it is accurate, too: compare with the baseline.",
    "roc_auc": "how often a row of the class gets a higher probability than a row of another one: "
    "0.5 is chance, 1 is perfect order. It does not depend on the threshold, nor on how frequent "
    "the class is. With several classes it is the mean of each against the rest.",
    "log_loss": "how surprised the probabilities are by the truth: 0 is perfect, and a wrong "
    "answer that was given with certainty costs most. Lower is better.",
    "brier": "the mean square of the difference between the probability and what happened: 0 is "
    "perfect. It rewards probabilities that can be taken at their word. Lower is better.",
    "r2": "the share of the target's variation that the predictions explain: 1 is perfect, and 0 "
    "is no better than always predicting the mean.",
    "mae": "the mean size of the errors, in the target's own unit. Lower is better.",
    "rmse": "the root of the mean squared error, in the target's own unit: large errors weigh more "
    "than in the MAE. Lower is better.",
    "f1": "the harmonic mean of precision (which of the rows that are predicted positive are) "
    "and recall (which of the positive rows are found), at the threshold. 1 is perfect.",
    "average_precision": "the mean precision over all thresholds, as recall grows: 1 is perfect, "
    "and chance is the share of the class. It suits a rare class better than the ROC AUC.",
    "cost": "the mean cost of a row, by the costs that the model file declares. Lower is better.",
}


def meaning(score: str) -> str:
    """Return what a score means."""
    return MEANINGS.get(score, "a scorer of scikit-learn: see its documentation.")

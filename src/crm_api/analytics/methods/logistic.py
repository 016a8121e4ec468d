"""Calibrated logistic regression of a yes-or-no outcome on the features of customers.

Ridge-penalized logistic regression (scikit-learn) on `design.matrix`; then calibrated as Platt (1999) and Cox (1958)
do: each fifth of the customers is predicted by the model of the others, and a slope and an intercept are fitted to
those honest log-odds. Folds are drawn by a hash of the customer's id, so results do not depend on the order of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from . import design
from .backtesting import Backtest, auc, brier, calibration, calibration_error, no_backtest
from .likelihood import Floats
from .states import Status

FOLDS: Final = 5
FEWEST_OF_EACH: Final = 30
"""Rows with and rows without the outcome below which nothing is fitted."""
_ROUNDS: Final = 200


@dataclass(frozen=True, slots=True)
class Model:
    """Weights per column of the design (standardized), the calibration, and the honest probabilities of the fit.

    `held_out` holds for each fitted customer the calibrated probability given by the folds she was not in, in order of
    customer_id; `happened` what came. They are what a backtest by folds judges.
    """

    encoding: design.Encoding
    weights: tuple[float, ...]
    intercept: float
    calibration_slope: float
    calibration_intercept: float
    row_count: int
    outcome_rate: float
    held_out: Floats
    happened: NDArray[np.bool_]
    status: Status
    reason: str | None


def fit(frame: pl.DataFrame, outcome: str, features: Sequence[str], penalty: float = 1.0) -> Model:
    """Fit rows of customer_id, the outcome (true or false, no nulls) and features.

    States: insufficient_data with fewer than `FEWEST_OF_EACH` of either outcome, not_converged. Errors: TypeError for a
    feature that is neither number nor word.
    """
    ordered = frame.sort("customer_id")
    happened = ordered[outcome].cast(pl.Boolean).to_numpy().astype(np.bool_)
    yes = int(happened.sum())
    if min(yes, len(happened) - yes) < FEWEST_OF_EACH:
        reason = f"{yes} of {len(happened)} have the outcome; at least {FEWEST_OF_EACH} with and without are needed."
        return _nothing(happened, "insufficient_data", reason)
    fold = folds(ordered["customer_id"])
    log_odds = np.zeros(len(happened))
    converged = True
    for number in range(FOLDS):
        inside = fold == number
        if not inside.any() or len(np.unique(happened[~inside])) < 2:
            continue
        encoding = design.learn(ordered.filter(~inside), features)
        weights, intercept, ended = _regress(
            design.matrix(ordered.filter(~inside), encoding), happened[~inside], penalty
        )
        log_odds[inside] = design.matrix(ordered.filter(inside), encoding) @ weights + intercept
        converged = converged and ended
    slope, shift, _ = _regress(log_odds[:, None], happened, 1e-6)
    encoding = design.learn(ordered, features)
    weights, intercept, ended = _regress(design.matrix(ordered, encoding), happened, penalty)
    if not (ended and converged):
        return _nothing(happened, "not_converged", f"The regression had no optimum after {_ROUNDS} rounds.")
    held_out = expit(shift + slope[0] * log_odds)
    rate = yes / len(happened)
    weighed = tuple(map(float, weights))
    return Model(
        encoding, weighed, intercept, float(slope[0]), shift, len(happened), rate, held_out, happened, "ok", None
    )


def predict(model: Model, frame: pl.DataFrame) -> Floats:
    """Predict the calibrated probability of the outcome row by row; the model must be `ok`."""
    log_odds = (design.matrix(frame, model.encoding) * np.array(model.weights)).sum(axis=1) + model.intercept
    probability: Floats = expit(model.calibration_intercept + model.calibration_slope * log_odds)
    return probability.round(9)


def judge(name: str, model: Model, outcome: str, later: pl.DataFrame | None = None) -> Backtest:
    """Judge a fit by the folds it was held out from, or on later rows of customer_id, the outcome and the features.

    Figures: customer_count, outcome_rate, AUC, Brier score beside that of the plain rate, mean calibration error. The
    table compares predicted and observed by tenths. States: that of the fit; insufficient_data when it happened to all
    or to nobody.
    """
    if model.status != "ok":
        return no_backtest(name, None, None, model.status, model.reason)
    predicted, happened = model.held_out, model.happened
    if later is not None:
        ordered = later.sort("customer_id")
        predicted = predict(model, ordered)
        happened = ordered[outcome].cast(pl.Boolean).to_numpy().astype(np.bool_)
    if happened.all() or not happened.any():
        return no_backtest(name, None, None, "insufficient_data", f"All or none {outcome}: there is nothing to rank.")
    table = calibration(predicted, happened.astype(np.float64))
    figures = {
        "customer_count": float(len(happened)),
        "outcome_rate": float(happened.mean()),
        "auc": auc(predicted, happened),
        "brier": brier(predicted, happened),
        "brier_of_the_rate": brier(np.full(len(happened), model.outcome_rate), happened),
        "calibration_error": calibration_error(table),
    }
    return Backtest(name, None, None, "ok", None, figures, table)


def contributions(model: Model, frame: pl.DataFrame) -> pl.DataFrame:
    """Say how far each column moves the log-odds of each row from the average customer's: why a score is what it is."""
    pushed = design.matrix(frame, model.encoding) * np.array(model.weights) * model.calibration_slope
    named = {name: pushed[:, place].round(6) for place, name in enumerate(design.columns(model.encoding))}
    return frame.select("customer_id").with_columns(**{name: pl.Series(values) for name, values in named.items()})


def folds(ids: pl.Series, count: int = FOLDS) -> NDArray[np.int64]:
    """Draw the fold of each customer from a hash of the id."""
    names = ids.cast(pl.String).to_list()
    return np.array([blake2b(name.encode(), digest_size=4).digest()[-1] % count for name in names], dtype=np.int64)


def _regress(matrix: Floats, happened: NDArray[np.bool_], penalty: float) -> tuple[Floats, float, bool]:
    model = LogisticRegression(C=1 / penalty, solver="newton-cholesky", max_iter=_ROUNDS, tol=1e-8)
    model.fit(matrix, happened)
    return model.coef_[0], float(model.intercept_[0]), int(model.n_iter_[0]) < _ROUNDS


def _nothing(happened: NDArray[np.bool_], status: Status, reason: str) -> Model:
    nan = float("nan")
    return Model((), (), nan, nan, nan, len(happened), nan, np.empty(0), happened, status, reason)

"""Pictures of backtests as Vega-Lite: what was predicted beside what happened, under a title that says the finding."""

from dataclasses import dataclass
from math import inf, isfinite, isnan
from typing import Any, Final

import polars as pl

from .methods.backtesting import Backtest

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.json"
_PREDICTED: Final = "predicted"
_OBSERVED: Final = "observed"
_COLORS: Final = {_OBSERVED: "#4c78a8", _PREDICTED: "#d62728"}


@dataclass(frozen=True, slots=True)
class Told:
    """A backtest in words: the finding, what is counted, and by which figure runs are compared; less loss is better.

    cases: what is foretold, one by one, if not of customers.
    """

    title: str
    measure: str
    is_rate: bool
    loss: float
    loss_name: str
    cases: str = "customers"
    predicted: str | None = "predicted"
    observed: str = "observed"
    """What the tick and the bar of each bin are; without a tick where predictions are on another scale."""
    by: str = "prediction"
    """What they were laid into bins by."""


def lifetime_value_told(backtest: Backtest) -> Told:
    """Say by how much purchases were missed, and how much better that is than going on as before."""
    figures = backtest.figures
    predicted, observed = figures["predicted_purchases"], figures["observed_purchases"]
    loss = figures["mean_absolute_error"] / figures["mean_absolute_error_of_past_rate"]
    return Told(
        f"{_missed(predicted, observed)} purchases foretold: {predicted:,.0f} instead of {observed:,.0f}",
        "Purchases per customer",
        False,
        loss,
        "mean absolute error beside that of each customer's past rate",
    )


def churn_told(backtest: Backtest) -> Told:
    """Say what became of those at greatest risk; runs are compared by how well all were ranked."""
    figures = backtest.figures
    most = backtest.table.sort("bin").tail(1).to_dicts()[0]
    found = f"Of the tenth at greatest risk {most['observed']:.0%} did not buy; {most['predicted']:.0%} were foretold"
    return Told(found, "Share who did not buy", True, 1 - figures["auc"], "1 less the area under the ROC curve")


def contract_churn_told(backtest: Backtest) -> Told:
    """Say how many contracts ended, of all and of those likeliest to; runs are compared by the score of Brier."""
    figures = backtest.figures
    most = backtest.table.sort("bin").tail(1).to_dicts()[0]
    return Told(
        f"Of the tenth likeliest to end their contract {most['observed']:.0%} did ({most['predicted']:.0%} foretold), "
        f"of all {figures['ended_rate']:.0%}",
        "Share whose contract ended",
        True,
        figures["brier"] / figures["brier_of_the_rate"],
        "Brier score beside that of one rate for all",
        "customers under contract",
    )


def price_sensitivity_told(backtest: Backtest) -> Told:
    """Say how those who were told apart bought later."""
    figures = backtest.figures
    later = (figures["full_price_buyers_later_rate"], figures["discount_buyers_later_rate"])
    full, discount = map(_share, later)
    return Told(
        f"Full-price buyers later paid list price for {full} of their lines, discount buyers for {discount}",
        "Share of lines at list price",
        True,
        figures["mean_absolute_error"] / figures["mean_absolute_error_of_one_share"],
        "mean absolute error beside that of one share for all",
    )


def taste_told(backtest: Backtest) -> Told:
    """Say whether those who were said to avoid something bought it later."""
    figures = backtest.figures
    avoiding, others = (figures[name] for name in ("avoiding_bought_rate", "others_bought_rate"))
    avoided = int(figures["avoiding_count"])
    found = f"Nobody was said to avoid anything; {others:.0%} of the subjects were bought later"
    if avoided:
        rest = "" if isnan(others) else f"; of all others {others:.0%}"
        found = f"Of {avoided:,} things said to be avoided {avoiding:.0%} were bought later{rest}"
    return Told(
        found,
        "Share who bought",
        True,
        1 - figures["area_under_curve"],
        "1 less the area under the ROC curve",
        "pairs of a customer and a subject",
    )


def growth_told(backtest: Backtest) -> Told:
    """Say who stayed heavy, and how many of those behind their peers caught up; most do not."""
    figures = backtest.figures
    stay, halved = figures["heavy_stay_heavy_rate"], figures["gap_halved_rate"]
    return Told(
        f"{_share(stay)} of heavy buyers stayed heavy; {_share(halved)} of those below their peers closed half the gap",
        "Spend per customer",
        False,
        1 - figures["auc_of_spend_for_heavy"],
        "1 less the area under the ROC curve of recent spend for who is heavy next",
        predicted="spent before",
        by="what was spent before",
        observed="spent after",
    )


def discover_told(backtest: Backtest) -> Told:
    """Say how much of what was new to customers stood on their lists, and on one list for all."""
    recall, popular = backtest.figures["recall"], backtest.figures["popularity_recall"]
    return Told(
        f"{recall:.1%} of first purchases were on the customers' own lists, {popular:.1%} on one list for all",
        "Share of listed items that were bought",
        True,
        popular / recall if recall else inf,
        "recall of one list of the items most bought, beside that of the lists",
        "listed items",
        predicted=None,
        by="appeal",
    )


def buy_again_told(backtest: Backtest) -> Told:
    """Say what came of the items with the greatest chance; runs are compared by how well all were ranked."""
    most = backtest.table.sort("bin").tail(1).to_dicts()[0]
    return Told(
        f"Of the likeliest tenth {most['observed']:.0%} were bought again, {most['predicted']:.0%} foretold",
        "Share bought in the horizon",
        True,
        1 - backtest.figures["area_under_curve"],
        "1 less the area under the ROC curve",
        "items bought before",
    )


def related_told(backtest: Backtest) -> Told:
    """Say how many pairs went on being bought by the same customers, of those listed and of any."""
    held, of_any = backtest.figures["held_rate"], backtest.figures["held_rate_of_any"]
    return Told(
        f"{held:.0%} of related pairs kept being bought by the same customers, of all pairs {of_any:.0%}",
        "Share of pairs with a lift above 1 later",
        True,
        1 - held,
        "share of pairs that did not hold",
        "pairs of items",
        predicted=None,
        by="similarity",
    )


def association_told(backtest: Backtest) -> Told:
    """Say how many rules held, and by how much their confidence was off."""
    figures = backtest.figures
    held = figures["held_rate"] * figures["judged_count"]
    return Told(
        f"{held:,.0f} of {figures['judged_count']:,.0f} rules held later; "
        f"confidence was off by {figures['calibration_error'] * 100:.1f} points",
        "Confidence",
        True,
        figures["calibration_error"],
        "mean distance of confidence before and after",
        "rules",
    )


def affinity_told(backtest: Backtest) -> Told:
    """Say how far shares were off, beside what one share for all would have missed."""
    figures = backtest.figures
    missed, of_one = figures["mean_absolute_error"], figures["mean_absolute_error_of_one_share"]
    return Told(
        f"Later shares were missed by {100 * missed:.1f} points; one share for all missed them by {100 * of_one:.1f}",
        "Share of lines in the subject",
        True,
        missed / of_one,
        "mean absolute error beside that of one share for all",
        "pairs of a customer and a subject",
    )


def season_told(backtest: Backtest) -> Told:
    """Say whether those with a season had it again."""
    figures = backtest.figures
    found = "Nobody was said to have a season"
    if figures["seasonal_count"]:
        again = (
            "no more"
            if isnan(figures["peak_index_after"])
            else f"{figures['peak_index_after'] / 100:.1f} times as often as others"
        )
        found = f"{figures['seasonal_count']:,.0f} seasonal shoppers later came {again} in their busiest month"
    return Told(
        found,
        "Share of buying days in a month",
        True,
        figures["mean_absolute_error"] / figures["mean_absolute_error_of_base"],
        "mean absolute error beside that of the months of all customers",
        "pairs of a customer and a month",
    )


def divisions_told(backtest: Backtest) -> Told:
    """Say how lasting needs and values are; runs are compared by needs, as far as chance leaves room."""
    figures = backtest.figures
    need, value = figures["need_stays_rate"], figures["actual_value_stays_rate"]
    chance = figures["need_by_chance_rate"]
    return Told(
        f"{_share(need)} kept their need, {_share(value)} their value; by chance {_share(chance)} and "
        f"{_share(figures['actual_value_by_chance_rate'])} would have",
        "Index of the need (1 is the average customer)",
        False,
        (1 - need) / (1 - chance) if chance < 1 else float("nan"),
        "share who changed their need beside that of chance",
        predicted="found before",
        observed="found after",
        by="index before",
    )


TELLING: Final = {
    "lifetime_value": lifetime_value_told,
    "churn": churn_told,
    "contract_churn": contract_churn_told,
    "price_sensitivity": price_sensitivity_told,
    "taste": taste_told,
    "affinity": affinity_told,
    "season": season_told,
    "growth": growth_told,
    "divisions": divisions_told,
    "discover": discover_told,
    "buy_again": buy_again_told,
    "related_products": related_told,
    "association": association_told,
}


def _share(rate: float) -> str:
    return "none" if isnan(rate) else f"{rate:.0%}"


def _missed(predicted: float, observed: float) -> str:
    if not observed:
        return "Only"
    bias = predicted / observed - 1
    if abs(bias) < 0.005:
        return "As many"
    return f"{abs(bias):.0%} too {'many' if bias > 0 else 'few'}"


def picture(backtest: Backtest, told: Told) -> dict[str, Any]:
    """Draw the calibration: for each bin, by prediction, a bar of what happened and a tick of what was
    predicted. Without external data, so that it can be drawn anywhere.
    """
    until = f" until {backtest.until}" if backtest.until else ""
    held_back = f"Fitted before {backtest.cut_on}, judged from then{until}; " if backtest.cut_on else ""
    count = int(backtest.table["count"].sum())
    rows = backtest.table.select("bin", "count", *(pl.col(name).round(6) for name in (_PREDICTED, _OBSERVED)))
    axis = {"title": told.measure, **({"format": ".0%"} if told.is_rate else {})}
    shown = {told.observed: _COLORS[_OBSERVED]}
    marks = [_mark({"type": "bar"}, _OBSERVED, told.observed)]
    if told.predicted is not None:
        shown[told.predicted] = _COLORS[_PREDICTED]
        marks.append(_mark({"type": "tick", "thickness": 3, "size": 34}, _PREDICTED, told.predicted))
    legend = {"domain": list(shown), "range": list(shown.values())}
    explained = {"orient": "bottom"} if len(shown) > 1 else None
    x = {"field": "bin", "type": "ordinal", "title": f"{told.cases.capitalize()} by {told.by}, lowest tenth to highest"}
    tooltip = [{"field": name, "type": "quantitative"} for name in ("count", _PREDICTED, _OBSERVED)]
    return {
        "$schema": SCHEMA,
        "title": {
            "text": told.title,
            "subtitle": f"{held_back}{count:,} {told.cases}",
            "anchor": "start",
            "fontSize": 15,
            "subtitleColor": "#555555",
        },
        "width": 560,
        "height": 300,
        "background": "white",
        "data": {"values": rows.to_dicts()},
        "layer": marks,
        "encoding": {
            "x": {**x, "axis": {"labelAngle": 0}},
            "y": {"type": "quantitative", "axis": axis},
            "color": {"type": "nominal", "scale": legend, "title": None, "legend": explained},
            "tooltip": tooltip,
        },
    }


def _mark(mark: dict[str, Any], field: str, called: str) -> dict[str, Any]:
    return {"mark": mark, "encoding": {"y": {"field": field, "type": "quantitative"}, "color": {"datum": called}}}


def finite(figures: dict[str, float]) -> dict[str, float]:
    """Leave out what is no number, which JSON cannot tell."""
    return {name: value for name, value in figures.items() if isfinite(value)}

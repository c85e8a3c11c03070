"""Redraw the papers' figures from the runs, together with the papers' points: a function per layout of a manifest.

Each function yields :class:`Drawing` values: a tidy frame, and a function that draws exactly that frame. Nothing is
read but the run folders, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis import curves, errors, figures
from analysis.figures.drawing import (
    Drawing,
    Study,
    column_title,
    file_stem,
    last_points,
    over_seeds,
    plain,
    score_scale,
    score_unit,
    seed_ranges,
    with_baseline,
)
from analysis.figures.radius import radius
from analysis.records import ResultsError, read_json
from analysis.schema import Column
from analysis.schema.constants import OVER
from analysis.scores import METRICS, per_item
from analysis.selection import selected
from analysis.tables import records

if TYPE_CHECKING:
    import pandas as pd


def drawings(study: Study) -> list[Drawing]:
    """Return the paper's figure as drawn from these runs; empty if the layout is a table or there are no runs."""
    draw = LAYOUTS.get(study.manifest.layout)
    return [] if draw is None else list(draw(study))


def sweep(study: Study) -> Iterator[Drawing]:
    """Yield scores over a setting; curves over the same values share a panel; the baseline is a level line."""
    import pandas as pd

    groups: dict[tuple[float, ...], list[str]] = {}
    of_curve: dict[str, list[float]] = {}
    for row in study.manifest.rows:
        if row.curve and row.x is not None:
            of_curve.setdefault(row.curve, []).append(row.x)
    for curve, xs in of_curve.items():
        groups.setdefault(tuple(sorted(xs)), []).append(curve)
    by_row = {row.id: row for row in study.manifest.rows}
    for column in study.manifest.columns:
        cells = study.cells[(study.cells["column"] == column.id)]
        for names in groups.values():
            label = _axis_name(names)
            row_cells = cells[[by_row[r].curve in names for r in cells["row"]]]
            x = [float(by_row[r].x or 0.0) for r in row_cells["row"]]
            placed = row_cells.assign(curve=[by_row[r].curve for r in row_cells["row"]], place=x)
            frame = with_baseline(study, seed_ranges(placed[placed["n_seeds"] > 0], label), cells, label)
            if not len(frame):
                continue
            printed = placed[placed["published"].notna()]
            published = pd.DataFrame({"row": printed["curve"], label: printed["place"], "value": printed["published"]})
            baseline_points = study.points(column, label, label)
            published = pd.concat(
                [published, baseline_points[baseline_points["row"] == study.manifest.baseline_row]], ignore_index=True
            )
            titles = {
                **(
                    {study.manifest.baseline_row: study.titles[study.manifest.baseline_row]}
                    if study.manifest.baseline_row
                    else {}
                ),
                **{name: name for name in names},
            }
            spread = max(x) / min(x) if x and min(x) > 0 else 1.0
            counts = sorted(set(x)) if all(float(value).is_integer() for value in x) and spread <= 15 else None
            draw = partial(
                figures.plot_curves,
                titles=titles,
                x=label,
                ylabel=score_unit(column),
                logx=spread > 15,
                ticks=counts,
                published=published if len(published) else None,
            )
            yield Drawing(
                f"sweep-{file_stem(column)}-{plain('-'.join(names))}",
                column_title(column),
                f"{column_title(column)} over {label}: {last_points(frame, titles)}.",
                frame,
                draw,
                below=figures.room_below(len(titles) + 1),
            )


def epochs(study: Study) -> Iterator[Drawing]:
    """Yield the score after each epoch, with the paper's."""
    for column in study.manifest.columns:
        frame = curves.epochs(study.logs, study.manifest, column)
        if not len(frame):
            continue
        published = study.points(column, "epoch", "epoch", column.metric)
        draw = partial(
            figures.plot_curves,
            titles=study.titles,
            x="epoch",
            ylabel=score_unit(column),
            published=published if len(published) else None,
        )
        yield Drawing(
            f"epochs-{file_stem(column)}",
            column_title(column),
            f"{column_title(column)} after each epoch: {last_points(frame, study.titles)}.",
            frame,
            draw,
            below=figures.room_below(len(study.titles) + 1),
        )


LOSSES = {"task": ("cross-entropy", "ce_loss"), "distillation": ("squared error", "mse_loss")}


def losses(study: Study) -> Iterator[Drawing]:
    """Yield both losses over the share of updates done; the paper counts micro-batches, the suite updates."""
    import pandas as pd

    x = "share of the updates (%)"
    titles = {part: title for part, (title, _) in LOSSES.items()}
    for column in study.manifest.columns:
        logged = curves.logged(study.logs, study.manifest, column, tuple(LOSSES))
        for row, frame in logged.groupby("row", sort=False):
            loss_curves = frame.assign(**{x: 100 * frame["step"] / frame["step"].max()}, row=frame["part"])
            parts = []
            for part, (_, quantity) in LOSSES.items():
                points = study.points(column, "micro-batch", x, quantity)
                points = points[points["row"] == row].assign(row=part)
                parts.append(points.assign(**{x: 100 * points[x].astype(float) / points[x].astype(float).max()}))
            published = pd.concat(parts, ignore_index=True)
            draw = partial(
                figures.plot_curves,
                titles=titles,
                x=x,
                ylabel="loss (nats; squared logits)",
                log=True,
                published=published if len(published) else None,
            )
            yield Drawing(
                f"losses-{file_stem(column)}",
                f"{study.titles[str(row)]}, {column.title or column.task}",
                f"Both losses of {study.titles[str(row)]} while training: {last_points(loss_curves, titles)}.",
                loss_curves[["row", x, "mean", "low", "high", "n"]],
                draw,
                below=figures.room_below(len(titles) + 1),
            )


def box(study: Study) -> Iterator[Drawing]:
    """Yield the spread over seeds, with the paper's boxes drawn hollow next to those of the runs."""
    for column in study.manifest.columns:
        frame = study.cells[study.cells["column"] == column.id]
        if not frame["n_seeds"].any():
            continue
        points = study.points(column, "statistic", "statistic")
        published = (
            points.pivot(index="row", columns="statistic", values="value").reset_index() if len(points) else None
        )
        ranges = "; ".join(
            f"{c.row_title} {min(c.scores):.1f} to {max(c.scores):.1f}" for c in records(frame) if c.scores
        )
        yield Drawing(
            f"box-{file_stem(column)}",
            column_title(column),
            f"{column_title(column)} over seeds: {ranges}.",
            frame,
            partial(figures.plot_box, published=published),
            0.55 * len(frame) + 0.9,
            left=list(frame["row_title"]),
        )


QUANTITIES: dict[str, tuple[str, str, str]] = {
    "accuracy": ("accuracy", "%", "accuracy"),
    "cross_entropy": ("cross-entropy to the votes", "nats", "kl_divergence_as_labelled"),
    "kl": ("KL divergence from the votes", "nats", ""),
}
WITH_VOTES = "with votes"


def agreement(study: Study) -> Iterator[Drawing]:
    """Yield accuracy and divergence from the votes by the annotators' agreement."""
    tasks = set()
    for column in study.manifest.columns:
        if column.task in tasks:
            continue
        tasks.add(column.task)
        frame = by_bucket(study, column)
        for quantity, (title, unit, printed) in QUANTITIES.items() if len(frame) else ():
            rows = frame[frame["quantity"] == quantity]
            published = study.points(column, "agreement", "bucket", printed) if printed else None
            draw = partial(
                figures.plot_groups,
                titles=study.titles,
                x="bucket",
                ylabel=unit,
                published=published if published is not None and len(published) else None,
            )
            name = f"{column.title or column.task}, {title}"
            yield Drawing(
                f"agreement-{plain(column.task)}-{quantity}",
                name,
                f"{name} by annotators' votes: {last_points(rows, study.titles)}.",
                rows,
                draw,
                below=figures.room_below(len(study.titles) + 1),
            )


def by_bucket(study: Study, column: Column) -> pd.DataFrame:
    """Return ``row bucket quantity mean low high n`` over seeds, per vote pattern and over all items with a majority.

    Where the files hold the votes of some items only, the items with votes are not comparable with the paper's "All".
    They are then called "with votes", and "All" is every labelled item, for accuracy only, which needs no votes.
    """
    import pandas as pd

    records: list[dict[str, Any]] = []
    for row in study.manifest.rows:
        keys = dict(study.done(row.id, column))
        try:
            outputs = errors.read_outputs(study.results, keys, column.task, column.split)
        except ResultsError:
            continue
        if outputs.votes is None:
            continue
        buckets = errors.agreement(outputs.votes)
        votes = np.maximum(outputs.votes, 1e-300)
        items = {"accuracy": 100.0 * outputs.right} | {
            name: np.stack([per_item(name, votes, run) for run in outputs.logits]) for name in ("cross_entropy", "kl")
        }
        has_majority = buckets != errors.NO_MAJORITY
        patterns = {name: buckets == name for name in sorted(set(buckets[has_majority]), reverse=True)}
        complete = bool((outputs.votes.sum(1) > 0).all())
        groups = (
            {"All": has_majority if complete else np.ones_like(has_majority)}
            | ({} if complete else {WITH_VOTES: has_majority})
            | patterns
        )
        for bucket, mask in groups.items():
            for quantity, values in items.items():
                if bucket != "All" or complete or quantity == "accuracy":
                    fields = {"row": row.id, "bucket": bucket, "quantity": quantity}
                    records.append({**fields, **over_seeds(values[:, mask].mean(1))})
    return pd.DataFrame.from_records(records, columns=["row", "bucket", "quantity", "mean", "low", "high", "n"])


def fractions(study: Study) -> Iterator[Drawing]:
    """Yield a score over the number of training examples, on a logarithmic axis; a panel per task and protocol."""
    panels: dict[tuple[str, str], list[Column]] = {}
    for column in study.manifest.columns:
        panels.setdefault((column.task, _variant(column).partition(", ")[2]), []).append(column)
    for (task, protocol), columns in panels.items():
        sizes = {c.id: float(size) for c in columns if (size := _examples(study, c)) is not None}
        name = f"{task}, {protocol}" if protocol else task
        file = f"fractions-{plain(name)}"
        yield from _over_columns(study, columns, sizes, "training examples", file, name, logx=True)


def levels(study: Study) -> Iterator[Drawing]:
    """Yield a score over the share of wrong labels, which the columns' variants name: ``20 % wrong``."""
    for task in dict.fromkeys(column.task for column in study.manifest.columns):
        columns = [column for column in study.manifest.columns if column.task == task]
        variants = {column.id: _variant(column).partition(" %") for column in columns}
        shares = {name: float(share) for name, (share, mark, _) in variants.items() if mark}
        yield from _over_columns(study, columns, shares, "wrong labels (%)", f"levels-{plain(task)}", task, logx=False)


def _variant(column: Column) -> str:
    """Return the part of a column's id that tells it from others of its task, metric and split."""
    return column.id.partition("@")[2]


def _over_columns(
    study: Study, columns: Sequence[Column], places: Mapping[str, float], x: str, stem: str, title: str, *, logx: bool
) -> Iterator[Drawing]:
    """Yield the score of each row over columns that stand at ``places``, by their ids; nothing without runs."""
    import pandas as pd

    cells = study.cells[study.cells["column"].isin(places)]
    placed = cells.assign(curve=cells["row"], place=cells["column"].map(places))
    frame = seed_ranges(placed[placed["n_seeds"] > 0], x)
    if not len(frame):
        return
    printed = placed[placed["published"].notna()]
    published = pd.DataFrame({"row": printed["row"], x: printed["place"], "value": printed["published"]})
    draw = partial(
        figures.plot_curves,
        titles=study.titles,
        x=x,
        ylabel=score_unit(columns[0]),
        logx=logx,
        ticks=sorted(places.values()),
        published=published if len(published) else None,
    )
    words = f"{title} over {x}: {last_points(frame, study.titles)}."
    yield Drawing(stem, title, words, frame, draw, below=figures.room_below(len(study.titles) + 1))


def _examples(study: Study, column: Column) -> int | None:
    """Return the number of training examples of the column's runs; None where no run is finished."""
    for row in study.manifest.rows:
        for _, key in study.done(row.id, column):
            rows = study.results.run(key).data.get("rows") or {}
            return int(rows["train"]) if "train" in rows else None
    return None


MOMENTS = {"step_divergence": "divergence between updates (nats)", "distance": "distance from theta_0 (relative)"}


def mechanism(study: Study) -> Iterator[Drawing]:
    """Yield measurements of the trained model.

    These are R_s over the radius, the divergence of successive updates, and the distance from theta_0.
    """
    for column in study.manifest.distinct():
        frame = measurements(study, column)
        for quantity, title in {"r_s": "R_s on dev (nats)", **MOMENTS}.items():
            rows = frame[frame["quantity"] == quantity].rename(columns={"at": _at(quantity)})
            if not len(rows):
                continue
            draw = partial(
                figures.plot_curves,
                titles=study.titles,
                x=_at(quantity),
                ylabel=title,
                log=True,
                logx=quantity == "r_s",
            )
            name = f"{column.task}: {title}"
            yield Drawing(
                f"mechanism-{plain(column.task)}-{quantity}",
                name,
                f"{name}: {last_points(rows, study.titles)}.",
                rows,
                draw,
                below=figures.room_below(len(study.titles) + 1),
            )


def _at(quantity: str) -> str:
    return "radius (of the embeddings' RMS)" if quantity == "r_s" else "step"


def measurements(study: Study, column: Column) -> pd.DataFrame:
    """Return ``row quantity at mean low high n`` from the runs' ``measures.json``, over seeds."""
    import pandas as pd

    values: dict[tuple[str, str, float], list[float]] = {}
    for row in study.manifest.rows:
        for _, key in study.done(row.id, column):
            content = study.results.measures(key)
            for line in content.get("smoothness") or ():
                values.setdefault((row.id, "r_s", line["radius"]), []).append(line["r_s"])
            for line in content.get("moments") or ():
                for name in MOMENTS:
                    values.setdefault((row.id, name, line["step"]), []).append(line[name])
    records = [
        {"row": r, "quantity": q, "at": position, **over_seeds(np.array(v))} for (r, q, position), v in values.items()
    ]
    return pd.DataFrame.from_records(records, columns=["row", "quantity", "at", "mean", "low", "high", "n"])


def selection(study: Study) -> Iterator[Drawing]:
    """Yield scores of the same runs at the last epoch, the best on dev, and the best on the holdout."""
    import pandas as pd

    rules = study.manifest.selections
    for column in study.manifest.columns:
        scale, records = score_scale(column), []
        for row in study.manifest.rows:
            for rule in rules:
                try:
                    scores = scale * selected(study.results, study.manifest, row.id, column, rule).scores
                except ResultsError:
                    continue
                records.append({"row": row.id, "selection": rule, **over_seeds(scores)})
        if records:
            frame = pd.DataFrame.from_records(records)
            draw = partial(figures.plot_groups, titles=study.titles, x="selection", ylabel=score_unit(column))
            yield Drawing(
                f"selection-{file_stem(column)}",
                column_title(column),
                f"{column_title(column)} by chosen epoch: {last_points(frame, study.titles)}.",
                frame,
                draw,
                below=figures.room_below(len(study.titles) + 1),
            )


def tuning(study: Study) -> Iterator[Drawing]:
    """Yield the expected best score of N trials, a line per arm."""
    import pandas as pd

    for column in study.manifest.columns:
        cells = study.cells[(study.cells["column"] == column.id) & (study.cells["n_seeds"] > 0)]
        scoring = METRICS.get(column.metric)
        better = scoring.greater_is_better if scoring else True
        parts, titles = [], {}
        for arm, trials in cells.groupby([row.rpartition("#")[0] for row in cells["row"]], sort=False):
            titles[str(arm)] = str(trials["row_title"].iloc[0]).rpartition(", trial")[0]
            parts.append(curves.expected_best(trials["mean"].tolist(), better).assign(row=str(arm)))
        if parts:
            frame = pd.concat(parts, ignore_index=True)
            draw = partial(figures.plot_expected_best, titles=titles, ylabel=score_unit(column))
            yield Drawing(
                f"expected-best-{file_stem(column)}",
                column_title(column),
                f"Expected best {column_title(column)} of N trials.",
                frame,
                draw,
                below=figures.room_below(len(titles) + 1),
            )


def boundary(study: Study) -> Iterator[Drawing]:
    """Yield the decision boundary in the plane of the first seed of each row, from ``boundary.json``."""
    path = study.results.root / "reports" / study.manifest.name / "boundary.json"
    if not path.is_file():
        return
    content = read_json(path)
    for row in study.manifest.rows:
        frame, points = plane(content, row.id)
        if len(frame):
            yield Drawing(
                f"boundary-{plain(row.id)}",
                row.title,
                f"Decision boundary in the plane, {row.title}.",
                frame,
                partial(figures.plot_boundary, points=points),
                2.75,
                below=0.55,
            )


def plane(content: Mapping[str, Any], row: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the first seed of a row: ``x y probability`` on the grid, and the training points ``x y label wrong``.

    Both frames are empty where the content lacks the row.
    """
    import pandas as pd

    network = next((candidate for candidate in content["networks"] if candidate["row"] == row), None)
    if network is None:
        return pd.DataFrame(), pd.DataFrame()
    surface = np.array(network["probability"])
    left, right, bottom, top = content["extent"]
    x, y = np.meshgrid(np.linspace(left, right, surface.shape[1]), np.linspace(bottom, top, surface.shape[0]))
    frame = pd.DataFrame({"x": x.ravel(), "y": y.ravel(), "probability": surface.ravel()})
    training = next(candidate for candidate in content["training"] if candidate["seed"] == network["seed"])
    points = pd.DataFrame(training["points"], columns=["x", "y"])
    return frame, points.assign(label=training["labels"], wrong=training["wrong"])


def sweep_and_radius(study: Study) -> Iterator[Drawing]:
    """Yield the sweeps, and those over the radius once more over the embeddings' root mean square."""
    yield from sweep(study)
    yield from radius(study)


LAYOUTS: dict[str, Callable[[Study], Iterator[Drawing]]] = {
    "sweep": sweep,
    "epochs": epochs,
    "losses": losses,
    "box": box,
    "agreement": agreement,
    "fractions": fractions,
    "levels": levels,
    "radius": radius,
    "sweep-and-radius": sweep_and_radius,
    "mechanism": mechanism,
    "selection": selection,
    "tuning": tuning,
    "boundary": boundary,
}


def _axis_name(names: Sequence[str]) -> str:
    """Return the quantity on the x axis.

    This is the option that curves of one's own are over; else the curves' common name, without readings; methods with a
    K sweep lambda.
    """
    if all(OVER in name for name in names):
        return ", ".join(dict.fromkeys(name.rpartition(OVER)[2] for name in names))
    stems = (name.partition("[")[0].partition("-eta")[0] for name in names)
    axes = list(dict.fromkeys("epsilon" if name.startswith("epsilon-") else name for name in stems))
    return "lambda" if any("[K=" in name for name in names) else ", ".join(axes)

"""Redraw the papers' figures from the runs, together with the papers' points: a function per layout of a manifest.

Each function yields :class:`Drawing` values: a tidy frame, and a function that draws exactly that frame. Nothing is
read but the run folders, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis import curves, errors, figures
from analysis.cells import seeded
from analysis.records import ResultsError, read_json
from analysis.results import Log, Results
from analysis.schema import Column, Manifest
from analysis.scores import METRICS, per_item
from analysis.selection import selected
from analysis.tables import records

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Study:
    """An experiment with its computed frame of ``compare`` and the logs of its runs."""

    results: Results
    manifest: Manifest
    cells: pd.DataFrame
    logs: Mapping[str, Log]

    @property
    def titles(self) -> dict[str, str]:
        """Title of every row, in table order."""
        return {row.id: row.title for row in self.manifest.rows}

    def done(self, row: str, column: Column) -> list[tuple[int, str]]:
        """Return seed and key of each finished run of a cell."""
        return [(s, k) for s, k in seeded(self.results, self.manifest, row, column) if self.results.is_done(k)]

    def points(self, column: Column, axis: str, x: str, quantity: str = "") -> pd.DataFrame:
        """Return the published points on an axis: ``row``, ``x``, ``value``."""
        import pandas as pd

        points = [
            {"row": p.row, x: p.x, "value": p.value}
            for p in self.manifest.points
            if (p.column, p.axis) == (column.id, axis) and quantity in ("", p.quantity)
        ]
        return pd.DataFrame(points, columns=["row", x, "value"])


@dataclass(frozen=True)
class Drawing:
    """A panel of a figure: ``draw(frame, ax)`` draws the frame.

    Attributes:
        name: name of its file.
        title: title above the panel.
        alt: description of the content, for readers who cannot see it.
        frame: the data.
        draw: function that draws the frame on axes.
        height: height of the panel, in inches.
        names_right: names right of the panel, which need room there.
        left: names left of the panel.
        below: inches for a legend.
        section: section of the report.
    """

    name: str
    title: str
    alt: str
    frame: pd.DataFrame
    draw: Callable[[pd.DataFrame, Axes], Axes]
    height: float = 2.6
    names_right: Sequence[str] = ()
    left: Sequence[str] = ()
    below: float = 0.0
    section: str = "redrawn"


def drawings(study: Study) -> list[Drawing]:
    """Return the paper's figure as drawn from these runs; empty if the layout is a table or there are no runs."""
    return list(LAYOUTS.get(study.manifest.layout, lambda _: iter(()))(study))


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
            frame = _with_baseline(study, _ranges(placed[placed["n_seeds"] > 0], label), cells, label)
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
                ylabel=_unit(column),
                logx=spread > 15,
                ticks=counts,
                published=published if len(published) else None,
            )
            yield Drawing(
                f"sweep-{_stem(column)}-{plain('-'.join(names))}",
                _title(column),
                f"{_title(column)} over {label}: {_ends(frame, titles)}.",
                frame,
                draw,
                names_right=list(titles.values()),
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
            ylabel=_unit(column),
            published=published if len(published) else None,
        )
        yield Drawing(
            f"epochs-{_stem(column)}",
            _title(column),
            f"{_title(column)} after each epoch: {_ends(frame, study.titles)}.",
            frame,
            draw,
            names_right=list(study.titles.values()),
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
                f"losses-{_stem(column)}",
                f"{study.titles[str(row)]}, {column.title or column.task}",
                f"Both losses of {study.titles[str(row)]} while training: {_ends(loss_curves, titles)}.",
                loss_curves[["row", x, "mean", "low", "high", "n"]],
                draw,
                names_right=list(titles.values()),
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
            f"box-{_stem(column)}",
            _title(column),
            f"{_title(column)} over seeds: {ranges}.",
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
                f"{name} by annotators' votes: {_ends(rows, study.titles)}.",
                rows,
                draw,
                2.9,
                below=0.4,
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
                    records.append({**fields, **_over(values[:, mask].mean(1))})
    return pd.DataFrame.from_records(records, columns=["row", "bucket", "quantity", "mean", "low", "high", "n"])


def fractions(study: Study) -> Iterator[Drawing]:
    """Yield a score over the number of training examples, on a logarithmic axis."""
    import pandas as pd

    x = "training examples"
    for task in dict.fromkeys(column.task for column in study.manifest.columns):
        columns = [column for column in study.manifest.columns if column.task == task]
        sizes = {c.id: size for c in columns if (size := _examples(study, c)) is not None}
        cells = study.cells[study.cells["column"].isin(sizes)]
        placed = cells.assign(curve=cells["row"], place=cells["column"].map(sizes))
        frame = _ranges(placed[placed["n_seeds"] > 0], x)
        if not len(frame):
            continue
        printed = placed[placed["published"].notna()]
        published = pd.DataFrame({"row": printed["row"], x: printed["place"], "value": printed["published"]})
        draw = partial(
            figures.plot_curves,
            titles=study.titles,
            x=x,
            ylabel=_unit(columns[0]),
            logx=True,
            ticks=sorted(sizes.values()),
            published=published if len(published) else None,
        )
        yield Drawing(
            f"fractions-{plain(task)}",
            task,
            f"{task} over training examples: {_ends(frame, study.titles)}.",
            frame,
            draw,
            names_right=list(study.titles.values()),
        )


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
                f"{name}: {_ends(rows, study.titles)}.",
                rows,
                draw,
                names_right=list(study.titles.values()),
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
        {"row": r, "quantity": q, "at": position, **_over(np.array(v))} for (r, q, position), v in values.items()
    ]
    return pd.DataFrame.from_records(records, columns=["row", "quantity", "at", "mean", "low", "high", "n"])


def selection(study: Study) -> Iterator[Drawing]:
    """Yield scores of the same runs at the last epoch, the best on dev, and the best on the holdout."""
    import pandas as pd

    rules = study.manifest.selections
    for column in study.manifest.columns:
        scale, records = _scale(column), []
        for row in study.manifest.rows:
            for rule in rules:
                try:
                    scores = scale * selected(study.results, study.manifest, row.id, column, rule).scores
                except ResultsError:
                    continue
                records.append({"row": row.id, "selection": rule, **_over(scores)})
        if records:
            frame = pd.DataFrame.from_records(records)
            draw = partial(figures.plot_groups, titles=study.titles, x="selection", ylabel=_unit(column))
            yield Drawing(
                f"selection-{_stem(column)}",
                _title(column),
                f"{_title(column)} by chosen epoch: {_ends(frame, study.titles)}.",
                frame,
                draw,
                2.9,
                below=0.4,
            )


def tuning(study: Study) -> Iterator[Drawing]:
    """Yield the expected best score of N trials, a line per arm."""
    import pandas as pd

    for column in study.manifest.columns:
        cells = study.cells[(study.cells["column"] == column.id) & (study.cells["n_seeds"] > 0)]
        scoring = METRICS.get(column.metric)
        better = scoring.greater_is_better if scoring else True
        parts, titles = [], {}
        for arm, trials in cells.groupby(cells["row"].str.rpartition("#")[0], sort=False):
            titles[str(arm)] = str(trials["row_title"].iloc[0]).rpartition(", trial")[0]
            parts.append(curves.expected_best(trials["mean"].tolist(), better).assign(row=str(arm)))
        if parts:
            frame = pd.concat(parts, ignore_index=True)
            draw = partial(figures.plot_expected_best, titles=titles, ylabel=_unit(column))
            yield Drawing(
                f"expected-best-{_stem(column)}",
                _title(column),
                f"Expected best {_title(column)} of N trials.",
                frame,
                draw,
                names_right=list(titles.values()),
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
                3.3,
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


LAYOUTS: dict[str, Callable[[Study], Iterator[Drawing]]] = {
    "sweep": sweep,
    "epochs": epochs,
    "losses": losses,
    "box": box,
    "agreement": agreement,
    "fractions": fractions,
    "mechanism": mechanism,
    "selection": selection,
    "tuning": tuning,
    "boundary": boundary,
}


def _ranges(cells: pd.DataFrame, x: str) -> pd.DataFrame:
    """Return mean and range over seeds of cells with the columns ``curve`` and ``place``."""
    import pandas as pd

    ranges = [{"row": c.curve, x: c.place, **_over(np.array(c.scores))} for c in records(cells)]
    frame = pd.DataFrame.from_records(ranges, columns=["row", x, "mean", "low", "high", "n"])
    order = list(dict.fromkeys(frame["row"]))
    in_order = sorted(range(len(frame)), key=lambda n: (order.index(frame["row"].iloc[n]), frame[x].iloc[n]))
    return frame.iloc[in_order].reset_index(drop=True)


def _with_baseline(study: Study, frame: pd.DataFrame, cells: pd.DataFrame, x: str) -> pd.DataFrame:
    """Return the frame with the baseline added as a level curve over the whole axis."""
    import pandas as pd

    base = cells[(cells["row"] == study.manifest.baseline_row) & (cells["n_seeds"] > 0)]
    if not len(base) or not len(frame):
        return frame
    level = _over(np.array(base["scores"].iloc[0]))
    ends = [{"row": study.manifest.baseline_row, x: end, **level} for end in (frame[x].min(), frame[x].max())]
    return pd.concat([pd.DataFrame(ends), frame], ignore_index=True)


def _over(values: np.ndarray) -> dict[str, float]:
    return {"mean": float(values.mean()), "low": float(values.min()), "high": float(values.max()), "n": len(values)}


def _axis_name(names: Sequence[str]) -> str:
    """Return the quantity on the x axis: the curves' common name, without readings; methods with a K sweep lambda."""
    plain = list(dict.fromkeys(name.partition("[")[0].partition("-eta")[0] for name in names))
    return "lambda" if any("[K=" in name for name in names) else ", ".join(plain)


def _ends(frame: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """Return the last point of each curve in words."""
    last = frame.groupby("row", sort=False).last()
    return "; ".join(f"{titles.get(str(row), row)} ends at {value:.3g}" for row, value in last["mean"].items())


def _scale(column: Column) -> float:
    scoring = METRICS.get(column.metric)
    return scoring.scale if scoring else 100.0


def _unit(column: Column) -> str:
    known = METRICS.get(column.metric)
    return "%" if known is None or known.unit == "points" else known.unit


def _title(column: Column) -> str:
    scoring = METRICS.get(column.metric)
    metric = scoring.title if scoring else column.metric
    return f"{column.title or column.task}, {metric}" + (f" ({column.split})" if column.split != "dev" else "")


def _stem(column: Column) -> str:
    return plain(column.id)


def plain(name: str) -> str:
    """Return a name that every file system accepts."""
    return "".join(character if character.isalnum() else "-" for character in name).strip("-")

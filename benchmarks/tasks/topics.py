"""Text classification (SDA Tables 1 to 4): IMDb and the sets of Zhang et al. 2015. None has a dev split."""

from __future__ import annotations

from benchmarks.tasks.base import Classification, Hub, Task
from benchmarks.tasks.readers.parquet import Parquet
from benchmarks.tasks.readers.reviews import ReviewArchive, ReviewFolder
from benchmarks.tasks.readers.zhang_csv import ZhangCsv
from benchmarks.tasks.registry import register

SPLITS = {"train": "train", "test": "test"}
TEXT = ("text",)
CSV = {"train": "train.csv", "test": "test.csv"}
PAPER = "SDA Tables 1 to 3"

imdb = Hub("stanfordnlp/imdb", "plain_text", splits=SPLITS, labels=("neg", "pos"))
register(
    Task(
        "imdb",
        title="IMDb",
        head=Classification(("neg", "pos")),
        text=TEXT,
        metrics=("error_rate",),
        sizes={"train": 25_000, "test": 25_000},
        hub=imdb,
        folders=("IMDb", "aclImdb", "aclImdb_v1"),
        layouts=(ReviewFolder(), ReviewArchive(), Parquet(imdb, TEXT)),
        max_length=512,
        paper="SDA Tables 1 to 4, Figures 3, 5, 6",
        licence="none stated; the authors ask for a citation (Maas et al. 2011)",
    )
)


def zhang_task(
    name: str,
    title: str,
    *,
    labels: tuple[str, ...],
    sizes: tuple[int, int],
    repo: str,
    config: str,
    columns: dict[str, str] | None = None,
    folders: tuple[str, ...],
    licence: str,
    fields: int = 1,
    breaks: bool = False,
    paper: str = PAPER,
) -> Task:
    """Register a set of Zhang et al.: classes are numbered from 1 in the files, from 0 on the hub."""
    hub = Hub(repo, config, splits=SPLITS, columns=columns or {}, labels=labels, breaks=breaks)
    return register(
        Task(
            name,
            title=title,
            head=Classification(labels),
            text=TEXT,
            metrics=("error_rate",),
            sizes=dict(zip(SPLITS, sizes, strict=True)),
            hub=hub,
            folders=folders,
            layouts=(ZhangCsv(CSV, fields=fields, breaks=breaks), Parquet(hub, TEXT)),
            spelling={str(i): label for i, label in enumerate(labels, start=1)},
            max_length=512,
            paper=paper,
            licence=licence,
        )
    )


zhang_task(
    "ag-news",
    "AG's News",
    labels=("World", "Sports", "Business", "Sci/Tech"),
    sizes=(120_000, 7_600),
    repo="fancyzhx/ag_news",
    config="default",
    folders=("AGNews", "ag_news_csv"),
    licence="research and other non-commercial use (AG's corpus)",
    fields=2,
    paper="SDA Tables 1 to 4",
)

zhang_task(
    "dbpedia",
    "DBPedia",
    labels=(
        "Company",
        "EducationalInstitution",
        "Artist",
        "Athlete",
        "OfficeHolder",
        "MeanOfTransportation",
        "Building",
        "NaturalPlace",
        "Village",
        "Animal",
        "Plant",
        "Album",
        "Film",
        "WrittenWork",
    ),
    sizes=(560_000, 70_000),
    repo="fancyzhx/dbpedia_14",
    config="dbpedia_14",
    columns={"text": "title+content"},
    folders=("DBPedia", "dbpedia_csv", "dbpedia_14"),
    licence="CC BY-SA 3.0 and GFDL",
    fields=2,
)

YELP = "Yelp Dataset Challenge terms (academic, non-commercial)"
zhang_task(
    "yelp-polarity",
    "Yelp P.",
    labels=("negative", "positive"),
    sizes=(560_000, 38_000),
    repo="fancyzhx/yelp_polarity",
    config="plain_text",
    folders=("YelpPolarity", "yelp_review_polarity_csv", "yelp_review_polarity"),
    licence=YELP,
    breaks=True,
)
zhang_task(
    "yelp-full",
    "Yelp F.",
    labels=("1 star", "2 star", "3 stars", "4 stars", "5 stars"),
    sizes=(650_000, 50_000),
    repo="Yelp/yelp_review_full",
    config="yelp_review_full",
    folders=("YelpFull", "yelp_review_full_csv", "yelp_review_full"),
    licence=YELP,
    breaks=True,
)

"""Reading a task from the Hugging Face hub through ``datasets``, with the commit it resolved to."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from benchmarks.errors import DataError, MissingData
from benchmarks.tasks.base import Hub, Split, Task
from benchmarks.tasks.readers.parquet import hub_columns, hub_record
from benchmarks.tasks.records import from_records

PROBE_SECONDS = 3.0  # without this probe `datasets` retries for 23 s before it reports that there is no network
OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
COMMIT = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])")
BATCH = 10_000


def load_from_hub(task: Task, split: str, revision: str | None = None) -> Split:
    """Load one split of a task from the hub, or from the local cache of earlier downloads if the hub is unreachable.

    Raises: MissingData: if neither has it. DataError: if the hub's columns or labels are not the expected.
    """
    hub = task.hub
    if hub is None or split not in hub.splits:
        raise MissingData(
            f"{task.name}: its {split} split is not on the hub; use --data-dir or --data-file {task.name}:{split}=PATH"
        )
    table = _download(task, hub, split, revision)
    origin = f"{hub.repo}{f'/{hub.config}' if hub.config else ''}@{commit_of(table, hub)}"
    required = [*hub_columns(hub, task.text), hub.label]
    missing = [name for name in required if name not in table.column_names]
    if missing:
        present = ", ".join(table.column_names)
        raise DataError(f"{origin}: no column {', '.join(missing)}, found {present}; has the data set changed?")
    names = tuple(getattr(table.features[hub.label], "names", None) or hub.labels)
    columns = list(dict.fromkeys(name for name in (*required, hub.id, hub.votes) if name in table.column_names))
    batches = table.select_columns(columns).with_format("arrow").iter(batch_size=BATCH)
    rows = (
        hub_record(row, number, hub, task.text, names, origin)
        for number, row in enumerate((row for batch in batches for row in batch.to_pylist()), start=1)
    )
    return from_records(task, rows, split, origin)


def _download(task: Task, hub: Hub, split: str, revision: str | None) -> Any:
    try:
        import datasets
    except ImportError:
        raise MissingData("--source hub needs the package datasets: pip install 'smart-repro[suite]'") from None
    with offline_unless_reachable() as problem:
        try:
            return datasets.load_dataset(hub.repo, hub.config, split=hub.splits[split], revision=revision)
        except (OSError, ValueError) as error:  # datasets' own errors derive from these
            reason = problem or f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
            raise MissingData(
                f"{task.name}: cannot load {hub.repo}{f' ({hub.config})' if hub.config else ''} from the hub: "
                f"{reason}; connect to the network once, or use --data-dir FOLDER with local files"
            ) from None


@contextmanager
def offline_unless_reachable() -> Iterator[str]:
    """Yield the reason why the hub is unreachable ("" if it is not), and make `datasets` use its cache only then."""
    import datasets
    import huggingface_hub.constants as constants

    problem = unreachable(constants.ENDPOINT)
    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    if problem:
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        yield problem
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before


@cache
def unreachable(endpoint: str) -> str:
    """Return the reason why no connection to the hub (or its proxy) can be opened; "" if one can."""
    if any(os.environ.get(name, "0").upper() in ("1", "TRUE", "YES", "ON") for name in OFFLINE):
        return "HF_HUB_OFFLINE is set and the data set is not in the cache"
    proxy = os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY")
    address = urlsplit(proxy if proxy else endpoint)
    port = address.port or (443 if address.scheme == "https" else 80)
    outcome = ["no answer"]

    def connect() -> None:
        try:
            socket.create_connection((address.hostname or "", port), timeout=PROBE_SECONDS).close()
            outcome[0] = ""
        except OSError as error:
            outcome[0] = str(error.strerror or error)

    probe = threading.Thread(target=connect, daemon=True)  # the look-up of a host name has no time limit
    probe.start()
    probe.join(PROBE_SECONDS)
    return f"no connection to {address.hostname}:{port} ({outcome[0]}) and no copy in the cache" if outcome[0] else ""


def commit_of(table: Any, hub: Hub) -> str:
    """Return the commit of the rows, as the download recorded it."""
    for url in table.info.download_checksums or {}:
        match = COMMIT.search(url.partition(f"{hub.repo}@")[2])
        if match:
            return match[0]
    for file in table.cache_files:  # .../<name>/<config>/0.0.0/<commit>/<file>.arrow
        match = COMMIT.search(str(file.get("filename", "")))
        if match:
            return match[0]
    return "unknown"

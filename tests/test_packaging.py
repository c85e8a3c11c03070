"""The package as others get it: what is in it, the core alone, the suite, and names of ours lying about elsewhere."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("smart_repro", "benchmarks", "analysis")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and the source archive of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


def test_the_wheel_has_the_three_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == set(PACKAGES)
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()):
        name = path.relative_to(ROOT).as_posix()
        is_left_out = "__pycache__" in name or name.startswith("benchmarks/speed/")
        assert (name in names) != is_left_out
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert "benchmarks/tiny/model.safetensors" in names


def test_the_source_archive_builds_the_same_wheel(built: Path, wheel: Path, tmp_path: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    for wanted in ("README.md", "LICENSE", "CHANGELOG.md", "tox.ini", "docs/index.md", "examples/trainer.py"):
        assert (source / wanted).is_file(), wanted
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "again")],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (again,) = (tmp_path / "again").iterdir()
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


def test_twine_takes_both(built: Path) -> None:
    pytest.importorskip("twine", reason="the extra release is not installed")
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


@pytest.mark.parametrize(
    ("git", "expected"),
    [
        ((), r"0\.1\.0\.dev0"),
        (("init -q", "add pyproject.toml", "commit -qm one"), r"0\.1(\.0)?\.dev1\+g\w+"),
        (("init -q", "add pyproject.toml", "commit -qm one", "tag findings-2"), r"0\.1(\.0)?\.dev1\+g\w+"),
        (("init -q", "add pyproject.toml", "commit -qm one", "tag v1.2.3", "tag findings-2"), r"1\.2\.3"),
    ],
    ids=["without git", "without tags", "at a tag of something else", "at a tag"],
)
def test_the_version_is_gits_newest_tag(git: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    settings = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    for words in git:
        subprocess.run(["git", *settings, *words.split()], cwd=tmp_path, check=True, capture_output=True)
    command = [sys.executable, "-m", "hatchling", "version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert re.fullmatch(expected, done.stdout.strip()), done.stdout


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_newer_pythons_are_admitted_and_compile_every_module(version: str, wheel: Path, tmp_path: Path) -> None:
    """Compile only: whether torch has a wheel for that Python is not this package's matter."""
    environment = {**os.environ, "PYENV_VERSION": version}  # pyenv's commands exist for versions that are not active
    command = [f"python{version}", "-W", "error::SyntaxWarning", "-m", "compileall", "-q", str(tmp_path)]
    try:
        subprocess.run([command[0], "--version"], env=environment, check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip(f"no Python {version} on this machine")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    (bound,) = re.findall(r"^Requires-Python: (.*)$", text, flags=re.M)
    assert version in SpecifierSet(bound)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_describes_the_project_is_in_step() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    codemeta = json.loads((ROOT / ".ci" / "codemeta.json").read_text())
    released = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    assert citation["version"] == codemeta["version"] == next(iter(released), "0.1.0")
    assert codemeta["license"].endswith(f"/{project['license']}")
    assert citation["license"] == project["license"]
    (author,) = project["authors"]
    assert (
        [entry["name"] for entry in citation["authors"]]
        == [entry["name"] for entry in codemeta["author"]]
        == [author["name"]]
    )
    assert (codemeta["name"], codemeta["description"]) == (project["name"], project["description"])
    assert codemeta["keywords"] == project["keywords"]
    assert codemeta["programmingLanguage"]["version"] == project["requires-python"]
    papers = [(paper["title"], paper["url"]) for paper in citation["references"]]
    assert [(paper["name"], paper["url"]) for paper in codemeta["referencePublication"]] == papers


def test_the_image_copies_what_there_is() -> None:
    text = (ROOT / ".ci" / "Dockerfile").read_text()
    copied = {word for line in re.findall(r"^COPY (.*)$", text, flags=re.M) for word in line.split()[:-1]}
    assert set(PACKAGES) < copied
    assert all((ROOT / name).exists() for name in copied), copied
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extras,) = re.findall(r"/src\[([\w,]+)\]", text)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_what_the_core_imports_is_among_its_dependencies(wheel: Path) -> None:
    """At the top of its files, where an import is no choice."""
    needs = {Requirement(line).name for line in requirements(wheel)}
    found = {
        name.split(".")[0]
        for path in (ROOT / "smart_repro").rglob("*.py")
        for node in ast.parse(path.read_text()).body
        for name in imported(node)
    }
    assert found - set(sys.stdlib_module_names) - {"smart_repro"} <= needs


def imported(node: ast.stmt) -> Iterable[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def requirements(wheel: Path, extra: str = "") -> list[str]:
    """Return what installing the wheel would install, at the first level."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(name).decode()
    lines = [line.removeprefix("Requires-Dist: ") for line in text.splitlines() if line.startswith("Requires-Dist: ")]
    return [line for line in lines if wanted(Requirement(line), {extra, ""})]


def wanted(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


def closure(lines: Iterable[str]) -> Iterator[importlib.metadata.Distribution]:
    """Return the installed distributions of these requirements, and all that those need."""
    waiting, seen = [Requirement(line) for line in lines], set[str]()
    while waiting:
        requirement = waiting.pop()
        name = requirement.name.lower().replace("_", "-")
        if name in seen and not requirement.extras:
            continue
        seen.add(name)
        try:
            found = importlib.metadata.distribution(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform
        yield found
        waiting += [
            each for line in found.requires or [] if wanted(each := Requirement(line), {"", *requirement.extras})
        ]


def environment(folder: Path, wheel: Path, extra: str = "") -> Path:
    """Make a new environment with the wheel and its requirements, linked without a download, and return its Python."""
    venv.create(folder, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    for distribution in closure(requirements(wheel, extra)):
        for top in {file.parts[0] for file in distribution.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            here = Path(str(distribution.locate_file(top)))
            if here.exists() and not (site / top).exists():
                (site / top).symlink_to(here)
    zipfile.ZipFile(wheel).extractall(site)
    return folder / "bin" / "python"


def run(python: Path, code: str, *words: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """As the installed script would run: its own folder and not the present one comes first on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    settings = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", **more}
    return subprocess.run(
        [str(python), "-P", "-c", code, *words],
        cwd=folder,
        env={**kept, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


COMMAND = "import sys; sys.argv[0] = 'smart-repro'; from smart_repro._command import main; sys.exit(main())"


@pytest.mark.slow
def test_the_core_alone_trains_and_the_command_says_what_it_lacks(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "env", wheel)
    code = (ROOT / "examples" / "trainer.py").read_text(encoding="utf-8")
    done = run(python, code, "--output", "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "eval_accuracy" in done.stdout
    assert "ModuleNotFoundError" in run(python, "import pandas", folder=tmp_path).stderr
    done = run(python, COMMAND, "--help", folder=tmp_path)
    assert done.returncode == 2
    assert "pip install 'smart-repro[suite]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_suite_works_in_a_folder_full_of_decoys(wheel: Path, tmp_path: Path) -> None:
    """The command and its workers: nothing there may be imported in place of ours or of the standard library's."""
    python = environment(tmp_path / "env", wheel, "suite")
    here = tmp_path / "here"
    for name in ("benchmarks/__init__.py", "analysis/__init__.py", "smart_repro/__init__.py", "random.py", "torch.py"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(f"raise SystemExit('the decoy {name} was imported')\n")
    words = ["run", "compare", "--tasks", "demo-rte", "--methods", "vanilla", "--seeds", "1", "--set", "max_steps=2"]
    done = run(python, COMMAND, *words, folder=here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 runs done" in done.stdout
    done = run(python, COMMAND, "report", "compare", folder=here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (here / "results" / "reports" / "compare" / "report.html").is_file()
    (spec,) = (here / "results" / "runs").glob("*/environment.json")
    assert json.loads(spec.read_text())["commit"] == ""  # an installed package is no checkout


def test_a_decoy_on_the_path_is_named(tmp_path: Path) -> None:
    """``PYTHONPATH=.`` puts the folder first: then the command says who hides what."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").write_text("raise SystemExit('the decoy was imported')\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = run(Path(sys.executable), COMMAND, "list", "tasks", folder=tmp_path, PYTHONPATH=path)
    assert done.returncode == 2
    assert f"hidden by {tmp_path / 'benchmarks'}" in done.stderr

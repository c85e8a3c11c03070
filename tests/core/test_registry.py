"""Names, and what installed packages add to them by entry points."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from smart_repro.registry import PluginError, Registry, UnknownNameError, did_you_mean, plugins

GROUP = "tests.colours"
SOURCE = """
from dataclasses import dataclass
from smart_repro.methods import Method, register
from smart_repro.methods.vanilla import VanillaConfig

@register("doubled-loss")
class DoubledLoss(Method):
    '''Twice the task loss.'''
    Config = VanillaConfig
    def task_loss(self, logits, passes):
        return 2 * super().task_loss(logits, passes)
"""


def install(folder: Path, name: str, source: str, entry_points: str) -> None:
    """Put a module and its distribution's metadata into ``folder``, as an installer does."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder on the path for packages of the test; their modules are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield tmp_path / "site"
    for name in set(sys.modules) - before:
        del sys.modules[name]


def colours() -> Registry[object]:
    registry: Registry[object] = Registry("colour", entry_points=GROUP)
    registry.add("red", "built in")
    return registry


def test_an_entry_point_is_imported_when_its_name_is_asked_for(site: Path) -> None:
    install(site, "shade_lazy", "blue = object()", f"[{GROUP}]\nblue = shade_lazy:blue\n")
    registry = colours()
    assert list(registry) == ["red", "blue"]
    assert len(registry) == 2
    assert "blue" in registry
    assert "green" not in registry
    assert "shade_lazy" not in sys.modules
    assert list(registry.registered) == ["red"]
    assert registry["blue"] is sys.modules["shade_lazy"].blue
    assert list(registry) == ["red", "blue"]
    assert plugins(GROUP)["blue"].value == "shade_lazy:blue"


def test_a_built_in_name_imports_and_scans_nothing(site: Path) -> None:
    install(site, "shade_broken", "1 / 0", f"[{GROUP}]\nred = shade_broken:red\n")
    assert colours()["red"] == "built in"


def test_a_module_registers_its_entry_itself(site: Path) -> None:
    registry = colours()
    sys.modules["shade_registry"] = type(sys)("shade_registry")
    sys.modules["shade_registry"].registry = registry  # type: ignore[attr-defined]
    source = "from shade_registry import registry\nblue = registry.add('blue', object())"
    install(site, "shade_module", source, f"[{GROUP}]\nblue = shade_module\n")
    assert registry["blue"] is sys.modules["shade_module"].blue


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("1 / 0", "blue = shade_bad:blue", "shade_bad 1.2 offers the colour 'blue', but .* fails .ZeroDivisionError"),
        ("", "blue = shade_bad:blue", "shade_bad 1.2 .* fails .AttributeError: .*blue.*repair or uninstall"),
        ("", "blue = shade_bad", "shade_bad 1.2 .* registers nothing instead"),
        ("raise RuntimeError('two\\nlines')", "blue = shade_bad", "RuntimeError: two lines"),
    ],
)
def test_a_broken_package_is_named_in_one_line(site: Path, source: str, line: str, message: str) -> None:
    install(site, "shade_bad", source, f"[{GROUP}]\n{line}\n")
    registry = colours()
    for _ in range(2):  # asked again it says the same
        with pytest.raises(PluginError, match=message) as caught:
            registry["blue"]
        assert "\n" not in str(caught.value)


def test_the_name_of_another_entry_is_refused(site: Path) -> None:
    install(site, "shade_copy", "red = object()", f"[{GROUP}]\nred = shade_copy:red\n")
    with pytest.raises(PluginError, match=r"shade_copy 1\.2 offers the colour 'red', which exists already"):
        list(colours())
    with pytest.raises(PluginError, match="which exists already"):
        colours()["gren"]


def test_an_entry_imported_by_other_means_is_no_collision(site: Path) -> None:
    install(site, "shade_same", "blue = object()", f"[{GROUP}]\nblue = shade_same:blue\n")
    import shade_same  # type: ignore[import-not-found]

    registry = colours()
    registry.add("blue", shade_same.blue)
    assert list(registry) == ["red", "blue"]


def test_an_entry_that_bears_another_name_is_refused(site: Path) -> None:
    registry = colours()
    sys.modules["shade_registry"] = type(sys)("shade_registry")
    sys.modules["shade_registry"].registry = registry  # type: ignore[attr-defined]
    source = "from shade_registry import registry\nblue = registry.add('azure', object())"
    install(site, "shade_other", source, f"[{GROUP}]\nblue = shade_other:blue\n")
    with pytest.raises(PluginError, match="registers 'azure' instead"):
        registry["blue"]


def test_two_packages_with_one_name_are_refused(site: Path) -> None:
    install(site, "shade_one", "blue = object()", f"[{GROUP}]\nblue = shade_one:blue\n")
    install(site, "shade_two", "blue = object()", f"[{GROUP}]\nblue = shade_two:blue\n")
    with pytest.raises(PluginError, match=r"packages shade_(one|two) 1\.2 and shade_(two|one) 1\.2 both offer 'blue'"):
        list(colours())


def test_unknown_names_are_compared_with_offered_ones_too(site: Path) -> None:
    install(site, "shade_near", "blue = object()", f"[{GROUP}]\nblue = shade_near:blue\n")
    with pytest.raises(UnknownNameError, match="no colour named 'bleu'; did you mean 'blue'"):
        colours()["bleu"]
    assert did_you_mean("rde", ["red"]) == "; did you mean 'red'?"
    assert did_you_mean("xyz", ["red"]) == ""


def test_a_wheel_adds_a_method(tmp_path: Path) -> None:
    """Installed by pip, in another process: listed, built, trained one step, and no module of it is imported before."""
    entry_points = "[smart_repro.methods]\ndoubled-loss = doubled_loss:DoubledLoss\n"
    install(tmp_path / "build", "doubled_loss", SOURCE, entry_points)
    info = tmp_path / "build" / "doubled_loss-1.2.dist-info"
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    (info / "RECORD").write_text("")
    wheel = tmp_path / "doubled_loss-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in sorted((tmp_path / "build").rglob("*")):
            archive.write(path, path.relative_to(tmp_path / "build"))
    site = tmp_path / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    script = f"""
import sys
sys.path.append({str(site)!r})
from smart_repro.methods import METHODS, build
from smart_repro.card import card
assert "doubled-loss" in METHODS and list(METHODS)[-1] == "doubled-loss" and "doubled_loss" not in sys.modules
method = build("doubled-loss", label_smoothing=0.0)
assert METHODS["doubled-loss"] is type(method) and card("doubled-loss").title == "Twice the task loss."
print(method.name)
"""
    result = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "doubled-loss\n"), result.stderr

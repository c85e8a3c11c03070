"""smart_repro: SMART, self-ensemble and self-distillation fine-tuning for any Hugging Face text classifier."""


def __getattr__(name: str) -> str:
    """Return ``__version__`` of the installed distribution, which has it from git's tags at the time of its build.

    Of a checkout, installed as editable or not at all, it is ``0+checkout``: its commit says more, and runs record it.
    """
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, distribution
    from pathlib import Path

    try:
        installed = distribution("smart-repro")
    except PackageNotFoundError:
        return "0+checkout"
    package = Path(str(installed.locate_file("smart_repro")))
    return installed.version if package.resolve() == Path(__file__).resolve().parent else "0+checkout"

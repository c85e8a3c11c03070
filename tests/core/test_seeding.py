"""Every random number is a function of its seed and place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from smart_repro.encoding import Encoded
from smart_repro.methods import build
from smart_repro.methods.base import Passes
from smart_repro.seeding import Streams, box_muller, derive, scramble, seeded

CPU = torch.device("cpu")


def masks(streams: Streams, name: str) -> Tensor:
    with streams.masks(name, CPU):
        return torch.rand(8)


def test_seeds_differ_with_every_part() -> None:
    seeds = [
        derive(0, "dropout", 1),
        derive(1, "dropout", 0),
        derive(0, "noise", 1),
        derive(0, "dropout", 11),
        derive(0),
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive(3, "order", 2) == derive(3, "order", 2)


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded(1, CPU):
        torch.rand(10)
    assert torch.equal(torch.rand(3), expected)


def test_masks_belong_to_the_name_and_the_place() -> None:
    first = masks(Streams(dropout=1, step=3, micro=2), "clean")
    assert torch.equal(first, masks(Streams(dropout=1, step=3, micro=2), "clean"))
    others = [
        masks(Streams(dropout=1, step=3, micro=2), "adversarial"),
        masks(Streams(dropout=2, step=3, micro=2), "clean"),
        masks(Streams(dropout=1, step=4, micro=2), "clean"),
        masks(Streams(dropout=1, step=3, micro=1), "clean"),
    ]
    assert not any(torch.equal(first, other) for other in others)


def test_two_passes_of_one_name_drop_the_same_units(
    tiny: Callable[..., nn.Module], batch: Callable[..., dict[str, Tensor]]
) -> None:
    passes = Passes(tiny(dropout=0.3), batch(), Streams(), "fp32")
    clean = passes("clean")
    torch.rand(100)  # what others draw in between does not matter
    assert torch.equal(clean, passes("clean"))
    assert torch.equal(clean, passes.embedded("clean", "block")[0])
    assert not torch.equal(clean, passes("other"))
    assert not torch.equal(clean, passes("clean", dropout=False))


def test_an_unperturbed_pass_is_the_clean_pass_bit_for_bit(
    tiny: Callable[..., nn.Module], batch: Callable[..., dict[str, Tensor]]
) -> None:
    passes = Passes(tiny(dropout=0.3), batch(), Streams(), "fp32")
    for site in ("block", "word"):
        logits, embeddings = passes.embedded("clean", site)
        assert torch.equal(logits, passes.perturbed("clean", torch.zeros_like(embeddings), site))


def test_noise_does_not_depend_on_padding_or_on_the_rest_of_the_batch(toy: Callable[..., Encoded]) -> None:
    data = toy(12)
    streams = Streams(noise=4, step=7)

    def noise(rows: list[int]) -> dict[int, Tensor]:
        part = data.batch(np.array(rows))
        drawn = streams.normal(part["attention_mask"], 16, part["example_id"], torch.float32)
        assert drawn[part["attention_mask"] == 0].abs().sum() == 0
        return {row: drawn[i][part["attention_mask"][i] == 1] for i, row in enumerate(rows)}

    lengths = data.lengths
    short, long = int(lengths.argmin()), int(lengths.argmax())
    together, alone = noise([short, long]), noise([short])
    assert lengths[short] < lengths[long]
    assert torch.equal(together[short], alone[short])
    reordered = noise([long, short])
    assert torch.equal(together[long], reordered[long])


def test_left_padding_gives_an_example_the_same_noise() -> None:
    right, left = torch.tensor([[1, 1, 1, 0, 0]]), torch.tensor([[0, 0, 1, 1, 1]])
    ids = torch.tensor([3])
    a = Streams().normal(right, 4, ids, torch.float32)
    b = Streams().normal(left, 4, ids, torch.float32)
    assert torch.equal(a[0, :3], b[0, 2:])


def test_noise_is_standard_normal_and_new_at_each_update() -> None:
    mask, ids = torch.ones(64, 32, dtype=torch.long), torch.arange(64)
    first, second = (Streams(step=step).normal(mask, 16, ids, torch.float64) for step in (0, 1))
    assert first.mean().abs() < 4 / first.numel() ** 0.5
    assert first.var().item() == pytest.approx(1, abs=4 * (2 / first.numel()) ** 0.5)
    assert abs(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]) < 4 / first.numel() ** 0.5


def test_without_example_numbers_the_row_and_the_micro_batch_count() -> None:
    mask = torch.ones(2, 3, dtype=torch.long)
    one, two = (Streams(micro=micro).normal(mask, 4, None, torch.float32) for micro in (0, 1))
    assert not torch.equal(one, two)
    assert not torch.equal(one[0], one[1])


def test_a_method_nobody_tells_the_place_counts_batches_itself(
    tiny: Callable[..., nn.Module], batch: Callable[..., dict[str, Tensor]]
) -> None:
    model, method = tiny(dropout=0.3), build("vanilla")
    method.setup(model, 2)
    first, second = (method.loss(model, batch()).total.item() for _ in range(2))
    assert first != second
    method.after_step(model, 1)
    third = method.loss(model, batch()).total.item()
    assert third not in (first, second)


def test_a_method_told_the_place_repeats_itself(
    tiny: Callable[..., nn.Module], batch: Callable[..., dict[str, Tensor]]
) -> None:
    model, method = tiny(dropout=0.3), build("smart")
    method.setup(model, 2)
    totals = []
    for _ in range(2):
        method.begin(0, 0, 0)
        totals.append(method.loss(model, batch()).total.item())
    method.begin(1, 0, 0)
    totals.append(method.loss(model, batch()).total.item())
    assert totals[0] == totals[1] != totals[2]


# -- the noise's generator ---------------------------------------------------------------------------------------------


def test_the_generator_is_splitmix64() -> None:
    """The first five numbers from seed 1234567, as published test vectors have them."""
    counters = torch.arange(1, 6) * (0x9E3779B97F4A7C15 - 2**64)
    assert [number % 2**64 for number in scramble(1234567 + counters).tolist()] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_box_muller_by_hand() -> None:
    """Radius from the upper half, angle from the lower: the ends, and a quarter turn at radius sqrt(2 ln 2)."""
    quarter = (2**31 << 32) | 2**30
    signed = torch.tensor([0, quarter - 2**64, -1])
    numbers = box_muller(signed, torch.float64)
    largest = (2 * 33 * np.log(2)) ** 0.5
    expected = [largest, 0, 0, 0, (2 * np.log(2)) ** 0.5, 0]
    np.testing.assert_allclose(numbers.numpy(), expected, atol=2e-5)
    assert torch.isfinite(box_muller(signed, torch.float32)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_noise_is_standard_normal_all_over(dtype: torch.dtype) -> None:
    """Kolmogorov-Smirnov on 2 million numbers, moments, and the tail beyond 4 deviations."""
    mask, ids = torch.ones(64, 80, dtype=torch.long), torch.arange(64)
    values = Streams(noise=3).normal(mask, 384, ids, dtype).double().flatten().numpy()
    assert stats.kstest(values, "norm").pvalue > 1e-3
    assert abs(stats.skew(values)) < 4 * (6 / len(values)) ** 0.5
    assert abs(stats.kurtosis(values)) < 4 * (24 / len(values)) ** 0.5
    beyond, expected = (np.abs(values) > 4).sum(), 2 * stats.norm.sf(4) * len(values)
    assert abs(beyond - expected) < 4 * expected**0.5


def test_neighbours_in_every_direction_are_uncorrelated() -> None:
    """Width, tokens, the two halves of Box-Muller, examples, updates, seeds: also of squares; 4 standard errors."""
    mask, ids = torch.ones(32, 40, dtype=torch.long), torch.arange(32)

    def noise(seed: int = 0, step: int = 0) -> Tensor:
        return Streams(noise=seed, step=step).normal(mask, 64, ids, torch.float64)

    base = noise()
    pairs = {
        "width": (base[..., 1:], base[..., :-1]),
        "halves": (base[..., :32], base[..., 32:]),
        "tokens": (base[:, 1:], base[:, :-1]),
        "examples": (base[1:], base[:-1]),
        "updates": (base, noise(step=1)),
        "seeds": (base, noise(seed=1)),
    }
    for name, (a, b) in pairs.items():
        for power in (1, 2):
            x, y = a.flatten() ** power, b.flatten() ** power
            correlation = torch.corrcoef(torch.stack([x, y]))[0, 1].item()
            assert abs(correlation) < 4 / x.numel() ** 0.5, (name, power)


def test_noise_is_the_same_however_the_batch_is_cut(toy: Callable[..., Encoded]) -> None:
    data, streams = toy(16), Streams(noise=2, step=5)

    def noise(rows: np.ndarray) -> list[Tensor]:
        part = data.batch(rows)
        drawn = streams.normal(part["attention_mask"], 7, part["example_id"], torch.float32)
        return [numbers[real.bool()] for numbers, real in zip(drawn, part["attention_mask"], strict=True)]

    whole = noise(np.arange(16))
    cut = [numbers for rows in (np.arange(3), np.arange(3, 4), np.arange(4, 16)) for numbers in noise(rows)]
    assert all(torch.equal(a, b) for a, b in zip(whole, cut, strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_noise_is_the_same_on_a_gpu() -> None:
    mask, ids = torch.ones(4, 9, dtype=torch.long), torch.arange(4)
    a = Streams(noise=1).normal(mask, 33, ids, torch.float32)
    b = Streams(noise=1).normal(mask.cuda(), 33, ids.cuda(), torch.float32).cpu()
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_seeding_draws_what_manual_seed_draws() -> None:
    """Only the way there is shorter: the numbers of a seed stay those of ``torch.manual_seed``."""
    torch.manual_seed(77)
    expected = torch.rand(4)
    with seeded(77, CPU):
        assert torch.equal(torch.rand(4), expected)


def test_the_generator_is_restored_after_an_error() -> None:
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), seeded(1, CPU):
        torch.rand(1 // 0)
    assert torch.equal(torch.get_rng_state(), before)

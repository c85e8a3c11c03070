"""SMART in a plain PyTorch loop: any Hugging Face text classifier, any loader of batches with ``labels``.

``python examples/plain_torch.py`` runs it on a toy model and random sentences, without any download.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from smart_repro.divergence import symmetric_kl
from smart_repro.methods import Method, Smart
from smart_repro.models import embedding_site
from smart_repro.perturbation import ascend, observed, shifted

Batch = dict[str, Tensor]


def fine_tune(
    model: nn.Module, loader: Sequence[Batch], method: Method, epochs: int = 3, lr: float = 2e-5
) -> nn.Module:
    """Run the whole loop. Every method works: put ``build("sda", K=3)`` or ``build("freelb")`` in SMART's place."""
    method.setup(model, total_steps=epochs * len(loader))
    optimizer = torch.optim.AdamW(method.param_groups(model, lr, weight_decay=0.01))
    for step, batch in enumerate(list(loader) * epochs, start=1):
        method.backward(model, batch, torch.Tensor.backward)  # the loss, its parts and the gradient
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(model, step)  # the teacher follows
    return method.eval_model(model)


def smoothness(model: nn.Module, batch: Batch, epsilon: float = 1e-5, sigma: float = 1e-5, eta: float = 1e-3) -> Tensor:
    """R_s from the pure functions, without a method object: for a loop that is all your own.

    Call it with ``model.eval()``, or with the same dropout masks in each pass (``torch.random.fork_rng`` and one seed):
    otherwise it measures dropout, see docs/why-r-drop.md.
    """
    site = embedding_site(model, "block")
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    with observed(site) as seen:
        clean = model(**inputs).logits

    def moved(delta: Tensor, reference: Tensor) -> Tensor:
        with shifted(site, delta):
            return symmetric_kl(model(**inputs).logits, reference)

    noise = sigma * torch.randn_like(seen[0])
    found = ascend(
        lambda delta: moved(delta, clean.detach()), noise, radius=epsilon, step_size=eta, mask=batch["attention_mask"]
    )
    return moved(found.delta, clean)


def toy_model() -> nn.Module:
    """Yours would be ``AutoModelForSequenceClassification.from_pretrained(...)``."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48)
    return BertForSequenceClassification(config).train()


def toy_loader(batches: int = 8) -> list[Batch]:
    """Yours would be a ``DataLoader`` with ``DataCollatorWithPadding``. Here each of two classes has its own words."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (batches, 8), generator=generator)
    ids = torch.randint(5, 30, (batches, 8, 10), generator=generator) + 30 * labels.unsqueeze(-1)
    return [
        {"input_ids": rows, "attention_mask": torch.ones_like(rows), "labels": truth}
        for rows, truth in zip(ids, labels, strict=True)
    ]


if __name__ == "__main__":
    loader = toy_loader()
    model = fine_tune(toy_model(), loader, Smart(lambda_s=1.0, mu=1.0), epochs=10, lr=1e-3).eval()
    right = sum(int((model(batch["input_ids"]).logits.argmax(-1) == batch["labels"]).sum()) for batch in loader)
    print(f"accuracy on its training set: {right} of {8 * len(loader)}")
    print(f"R_s of the last batch: {smoothness(model, loader[-1]).item():.2e}")

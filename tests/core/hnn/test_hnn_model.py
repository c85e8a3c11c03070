"""HNN as a model: rows of sequences, what each of them may see, and every method on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import BertForMaskedLM, BertTokenizer

from smart_repro.encoding import Encoded
from smart_repro.evaluation import predict
from smart_repro.hnn.lm_head import LmHead
from smart_repro.hnn.mention import Mention
from smart_repro.hnn.model import CANDIDATE, NO_TARGET, PRONOUN, Hnn, best_of_class
from smart_repro.hnn.options import FILE, HNN_HEADS, SUBFOLDER
from smart_repro.mentions import encode_mentions
from smart_repro.methods import build
from smart_repro.models import head_parameters, inputs, load

Little = Callable[..., Hnn]
ROWS = np.arange(4)


def sequences(batch: dict[str, Tensor], row: int) -> list[dict[str, Tensor]]:
    """Return the sequences of one example as single rows."""
    own = batch["sequence"][row]
    return [
        {name: values[row][own == number] for name, values in batch.items() if values.dim() == 2}
        for number in range(int(own.max()) + 1)
    ]


def test_a_row_holds_the_sequences_of_all_candidates(examples: Encoded, words: BertTokenizer) -> None:
    first = sequences(examples.batch(ROWS), 0)
    texts = [" ".join(words.convert_ids_to_tokens(each["input_ids"].tolist())) for each in first]
    assert texts == [
        "[CLS] the bee landed on the flower because [MASK] [MASK] had pollen [SEP]",
        "[CLS] the bee landed on the flower because it had pollen [SEP] the bee [SEP]",
        "[CLS] the bee landed on the flower because [MASK] [MASK] [MASK] had pollen [SEP]",
        "[CLS] the bee landed on the flower because it had pollen [SEP] the red flower [SEP]",
    ]
    targets = [each["lm_target"][each["lm_target"] != NO_TARGET].tolist() for each in first]
    assert [words.convert_ids_to_tokens(each) for each in targets] == [["the", "bee"], [], ["the", "red", "flower"], []]
    pronoun, candidate = (first[3]["input_ids"][first[3]["role"] == role].tolist() for role in (PRONOUN, CANDIDATE))
    assert words.convert_ids_to_tokens(pronoun) == ["it"]
    assert words.convert_ids_to_tokens(candidate) == ["the", "red", "flower"]
    for each in first:
        assert each["position_ids"].tolist() == list(range(len(each["input_ids"])))
    assert [set(each["candidate_class"].tolist()) for each in first] == [{0}, {0}, {1}, {1}]


def test_a_long_sentence_keeps_what_stands_around_the_pronoun(words: BertTokenizer) -> None:
    long = Mention("the cat " * 20, "it", " was big" * 20, (("the bee",), ("a house",)))
    encoded = encode_mentions(words, [long], np.array([0]), 16)
    batch = encoded.batch(np.arange(1))
    for each in sequences(batch, 0):
        assert len(each["input_ids"]) <= 16
    paired = sequences(batch, 0)[1]
    place = int((paired["role"] == PRONOUN).nonzero())
    assert words.convert_ids_to_tokens(paired["input_ids"].tolist())[place - 1 : place + 2] == ["cat", "it", "was"]


def test_a_candidate_without_room_is_refused(words: BertTokenizer) -> None:
    mention = Mention("the cat ", "it", " was", (("the red old house",), ("a house",)))
    with pytest.raises(ValueError, match="raise max_length"):
        encode_mentions(words, [mention], np.array([0]), 10)


@pytest.mark.parametrize("head", HNN_HEADS)
@torch.no_grad()
def test_scores_equal_those_of_every_sequence_computed_alone(head: str, little: Little, examples: Encoded) -> None:
    """By hand: the encoder on single sequences, the definitions of both scores, the best of each class."""
    model = little(head).eval().double()
    batch = examples.batch(ROWS)
    output = model(**inputs(model, batch))
    for row in range(4):
        by_class: dict[int, list[tuple[float, float]]] = {0: [], 1: []}
        found = sequences(batch, row)
        for masked, paired in zip(found[0::2], found[1::2], strict=True):
            states = _states(model, masked)
            places = masked["lm_target"] != NO_TARGET
            logits = states[places] @ model.get_input_embeddings().weight.t()  # the identity, bias 0
            chosen = logits.log_softmax(-1).gather(1, masked["lm_target"][places].unsqueeze(1))
            states = _states(model, paired)
            candidate = states[paired["role"] == CANDIDATE]
            weights = (candidate @ model.query(states[0]) / 32**0.5).softmax(0)
            pooled, pronoun = weights @ candidate, states[paired["role"] == PRONOUN][0]
            if model.bilinear is None:
                raw = torch.cosine_similarity(pooled, pronoun, dim=0)
            else:
                raw = model.bilinear(pooled) @ pronoun
            by_class[int(paired["candidate_class"][0])].append((float(chosen.mean()), float(raw)))
        for number, scores in by_class.items():
            assert float(output.log_lm[row, number]) == pytest.approx(max(lm for lm, _ in scores), abs=1e-9)
            assert float(output.raw[row, number]) == pytest.approx(max(raw for _, raw in scores), abs=1e-9)
    gamma = model.options.rank.gamma
    torch.testing.assert_close(output.logits, gamma * output.mean)


def _states(model: Hnn, sequence: dict[str, Tensor]) -> Tensor:
    ids, types = sequence["input_ids"].unsqueeze(0), sequence["token_type_ids"].unsqueeze(0)
    return model.encoder(input_ids=ids, token_type_ids=types).last_hidden_state[0]


def test_predictions_do_not_depend_on_the_batch(little: Little, examples: Encoded) -> None:
    model = little().eval()
    together = predict(model, examples)
    alone = predict(model, examples, tokens=1)
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_best_candidate_of_a_class_counts() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.4], [0.2, 0.3, 0.8]])
    classes = torch.tensor([[0, 0, 1], [0, 1, 0]])
    present = torch.tensor([[True, True, True], [True, True, False]])
    torch.testing.assert_close(best_of_class(scores, classes, present), torch.tensor([[0.9, 0.4], [0.2, 0.3]]))


def test_plain_fine_tuning_minimises_the_models_own_loss(little: Little, examples: Encoded) -> None:
    model = little(dropout=0.0)
    batch = examples.batch(ROWS)
    method = build("vanilla")
    method.setup(model, 1)
    loss = method.loss(model, batch)
    expected = model(**inputs(model, batch)).task_loss(batch["labels"])
    torch.testing.assert_close(loss.total, expected)


def test_label_smoothing_is_refused_where_the_model_has_a_loss_of_its_own(little: Little, examples: Encoded) -> None:
    model, method = little(), build("vanilla", label_smoothing=0.1)
    method.setup(model, 1)
    with pytest.raises(ValueError, match="label_smoothing applies to cross-entropy only"):
        method.loss(model, examples.batch(ROWS))


def test_the_perturbation_covers_all_sequences_of_an_example_and_stays_in_its_ball(
    little: Little, examples: Encoded
) -> None:
    """R_s of SMART: positive at a radius that is felt, 0 without a perturbation; one l-inf norm per example."""
    model, batch = little(dropout=0.0), examples.batch(ROWS)
    values = {}
    for direction in ("ascent", "random", "none"):
        method = build("smoothness", epsilon=1e-2, sigma=1e-2, eta=1.0, direction=direction)
        method.setup(model, 1)
        loss = method.loss(model, batch)
        values[direction] = float(loss.parts["smoothness"])
        assert loss.info["max_abs_delta"] <= 1e-2
    assert values["none"] == 0
    assert values["ascent"] > values["random"] > 0


def test_the_bregman_term_is_zero_at_the_teacher(little: Little, examples: Encoded) -> None:
    model, method = little(dropout=0.0), build("bregman")
    method.setup(model, 10)
    assert float(method.loss(model, examples.batch(ROWS)).parts["bregman"]) == 0


def test_exact_ascent_serves_two_classes_of_candidates(little: Little, examples: Encoded) -> None:
    model = little(dropout=0.0)
    method = build("smoothness", epsilon=1e-3, ascent="exact")
    method.setup(model, 1)
    assert float(method.loss(model, examples.batch(ROWS)).parts["smoothness"]) > 0


def test_every_parameter_gets_a_gradient(little: Little, examples: Encoded) -> None:
    for head in HNN_HEADS:
        model = little(head)
        model(**inputs(model, examples.batch(ROWS))).task_loss(torch.tensor([0, 1, 0, 1])).backward()
        assert all(p.grad is not None for p in model.parameters())


# -- loading -----------------------------------------------------------------------------------------------------------
def test_a_model_without_a_language_model_head_gets_the_identity(folder: Path) -> None:
    model = load(folder, num_labels=2, head="hnn")
    assert isinstance(model, Hnn)
    assert isinstance(model.lm_head.norm, nn.Identity)
    states = torch.randn(3, 32)
    embeddings = model.get_input_embeddings().weight
    torch.testing.assert_close(model.lm_head(states, embeddings), states @ embeddings.t())
    inside = {id(parameter) for parameter in head_parameters(model)}
    assert inside == {id(p) for p in (*model.lm_head.parameters(), *model.query.parameters())}


def test_a_masked_language_model_keeps_its_own_head(little: Little, words: BertTokenizer, tmp_path: Path) -> None:
    torch.manual_seed(5)
    whole = BertForMaskedLM(little().config).eval()
    with torch.no_grad():
        whole.cls.predictions.bias.normal_()
    whole.save_pretrained(tmp_path)
    model = load(tmp_path, num_labels=2, head="hnn").eval()
    assert isinstance(model, Hnn)
    assert isinstance(model.lm_head.norm, nn.LayerNorm)
    ids = torch.tensor([[2, 5, 6, 4, 3]])
    states = model.encoder(input_ids=ids).last_hidden_state[0]
    torch.testing.assert_close(model.lm_head(states, model.get_input_embeddings().weight), whole(ids).logits[0])


def test_a_head_that_lies_apart_is_read(folder: Path) -> None:
    torch.manual_seed(6)
    head = LmHead(32, load(folder, num_labels=2, head="hnn").config.vocab_size, "gelu")
    (folder / SUBFOLDER).mkdir()
    save_file({name: value.contiguous() for name, value in head.state_dict().items()}, folder / SUBFOLDER / FILE)
    model = load(folder, num_labels=2, head="hnn-released")
    assert isinstance(model, Hnn)
    assert isinstance(model.lm_head.norm, nn.LayerNorm)
    stored = load_file(folder / SUBFOLDER / FILE)
    assert all(torch.equal(value, stored[name]) for name, value in model.lm_head.state_dict().items())


def test_the_seed_decides_the_new_weights(folder: Path) -> None:
    one, same, other = (load(folder, num_labels=2, head="hnn", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.query.weight, same.query.weight)
    assert not torch.equal(one.query.weight, other.query.weight)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"num_labels": 3}, "two classes of candidates"), ({"num_labels": 2, "head_dropout": 0.1}, "no dropout")],
)
def test_what_it_cannot_be_is_refused(options: dict[str, object], complaint: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=complaint):
        load(folder, head="hnn", **options)  # type: ignore[arg-type]

"""The nine forms of text: each function turns a true label into one or two sentences."""

from __future__ import annotations

from benchmarks.tasks.generated.lexicon import BLANK, COLD, KIND, MARKERS, PLAIN, WARM
from benchmarks.tasks.generated.scenes import Scenes
from benchmarks.tasks.generated.sentences import choice, coin, draw_event

Texts = tuple[str, ...]


def texts(*sentences: str) -> Texts:
    """Return the sentences with their full stops, and the particle before the last."""
    *before, last = sentences
    return *(f"{sentence} ." for sentence in before), f"{BLANK} {last} ."


def sentiment(scenes: Scenes, label: int) -> Texts:
    """Make a text that is positive (1) if the event's value is warm."""
    return texts(scenes.event_text(WARM if label else COLD))


def agreement(scenes: Scenes, label: int) -> Texts:
    """Make a text that is acceptable (1) if the marker behind the verb suits the event's value."""
    value = scenes.side()
    marker = choice(scenes.rng, MARKERS[value if label else -value])
    return texts(scenes.event(value).text(marker))


def equivalence(scenes: Scenes, label: int) -> Texts:
    """Make two texts that are equivalent (1) if both events have the same value."""
    value = scenes.side()
    return texts(scenes.event_text(value), scenes.event_text(value if label else -value))


def duplicate(scenes: Scenes, label: int) -> Texts:
    """Make the texts of :func:`equivalence` as questions."""
    first, second = equivalence(scenes, label)
    return first.replace(".", "?"), second.replace(".", "?")


def similarity(scenes: Scenes, label: int) -> Texts:
    """Make two texts of score 5, 3 or 1: their events' values, out of three, are 0, 1 or 2 apart."""
    value = scenes.side()
    second_value = (value, PLAIN, -value)[label]
    first, second = (value, second_value) if coin(scenes.rng) else (second_value, value)
    return texts(scenes.event(first).text(), scenes.event(second).text())


def entailment(scenes: Scenes, label: int) -> Texts:
    """Make a pair: entailed (0) if the remark has the event's value, not entailed (1) if the opposite one."""
    value = scenes.side()
    return texts(scenes.event(value).text(), scenes.remark(-value if label else value).text())


def inference(scenes: Scenes, label: int) -> Texts:
    """Make a pair as in :func:`entailment`: contradiction is 2, and neutral (1) an agent of the plain kind."""
    value = scenes.side()
    event = scenes.event((value, PLAIN, -value)[label])
    return texts(event.text(), scenes.remark(value).text())


def answer(scenes: Scenes, label: int) -> Texts:
    """Make a question and a sentence: entailed (0) if the event has the value that the question names."""
    value = scenes.side()
    question, sentence = texts(scenes.remark(value).text("what"), scenes.event_text(-value if label else value))
    return question.replace(".", "?"), sentence


def reference(scenes: Scenes, label: int) -> Texts:
    """Make a pair that is right (1) if the second sentence names what the first one's "it" refers to."""
    value = scenes.side()
    agent = scenes.agent(value)
    event = draw_event(scenes.rng, agent, scenes.patient(agent, kinds=(-value,)), negated=False)
    named = event.agent if coin(scenes.rng) else event.patient
    remark = scenes.remark(KIND[named] if label else -KIND[named])
    return texts(f"{event.text()} because {remark.text()}", f"it is the {named}")

"""The nine shapes: how a task turns a true label into one or two sentences. One function a shape."""

from __future__ import annotations

from benchmarks.tasks.generated.lexicon import BLANK, COLD, KIND, MARKERS, PLAIN, WARM
from benchmarks.tasks.generated.scenes import Scenes
from benchmarks.tasks.generated.sentences import choice, coin, draw_event

Texts = tuple[str, ...]


def texts(*sentences: str) -> Texts:
    """The sentences with their full stops, and the particle before the last."""
    *before, last = sentences
    return *(f"{sentence} ." for sentence in before), f"{BLANK} {last} ."


def sentiment(scenes: Scenes, label: int) -> Texts:
    """Positive (1) if the event's value is warm."""
    return texts(scenes.told(WARM if label else COLD))


def agreement(scenes: Scenes, label: int) -> Texts:
    """Acceptable (1) if the marker behind the verb suits the event's value."""
    value = scenes.side()
    marker = choice(scenes.rng, MARKERS[value if label else -value])
    return texts(scenes.event(value).text(marker))


def equivalence(scenes: Scenes, label: int) -> Texts:
    """Equivalent (1) if two events have the same value."""
    value = scenes.side()
    return texts(scenes.told(value), scenes.told(value if label else -value))


def duplicate(scenes: Scenes, label: int) -> Texts:
    """As :func:`equivalence`, asked as questions."""
    first, second = equivalence(scenes, label)
    return first.replace(".", "?"), second.replace(".", "?")


def similarity(scenes: Scenes, label: int) -> Texts:
    """5, 3 or 1 for two events whose values, out of three, are 0, 1 or 2 apart (label 0: similar, 2: opposite)."""
    value = scenes.side()
    other = (value, PLAIN, -value)[label]
    first, second = (value, other) if coin(scenes.rng) else (other, value)
    return texts(scenes.event(first).text(), scenes.event(second).text())


def entailment(scenes: Scenes, label: int) -> Texts:
    """Entailed (0) if the remark has the event's value, not entailed (1) if it has the opposite one."""
    value = scenes.side()
    return texts(scenes.event(value).text(), scenes.remark(-value if label else value).text())


def inference(scenes: Scenes, label: int) -> Texts:
    """As :func:`entailment`, with contradiction as 2, and neutral (1) if the agent is of the plain kind."""
    value = scenes.side()
    event = scenes.event((value, PLAIN, -value)[label])
    return texts(event.text(), scenes.remark(value).text())


def answer(scenes: Scenes, label: int) -> Texts:
    """Question and sentence: entailed (0) if the event has the value asked for."""
    value = scenes.side()
    question, sentence = texts(scenes.remark(value).text("what"), scenes.told(-value if label else value))
    return question.replace(".", "?"), sentence


def reference(scenes: Scenes, label: int) -> Texts:
    """Right (1) if the one named in the second sentence, agent or patient, is what the first says "it" is."""
    value = scenes.side()
    agent = scenes.agent(value)
    event = draw_event(scenes.rng, agent, scenes.patient(agent, kinds=(-value,)), negated=False)
    named = event.agent if coin(scenes.rng) else event.patient
    remark = scenes.remark(KIND[named] if label else -KIND[named])
    return texts(f"{event.text()} because {remark.text()}", f"it is the {named}")

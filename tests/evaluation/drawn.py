"""Runs drawn at random, as what a run keeps."""

import numpy as np
import pandas as pd

from clnorm.evaluation.matrix import accuracy_matrix
from clnorm.evaluation.metrics import RunData


def draw_run(generator: np.random.Generator) -> RunData:
    """A finished run of 2 to 6 experiences of 1 to 3 classes in a random order, with all that metrics may need."""
    sizes = generator.integers(1, 4, size=generator.integers(2, 7))
    order = generator.permutation(sizes.sum())
    experiences = [part.tolist() for part in np.split(order, np.cumsum(sizes)[:-1])]
    labels = np.repeat(np.arange(len(order)), generator.integers(1, 6, size=len(order)))
    owner = {label: index for index, part in enumerate(experiences) for label in part}
    of_clip = np.array([owner[label] for label in labels])
    parts = []
    for after in range(len(experiences)):
        clips = np.flatnonzero(of_clip <= after)
        drawn = {"after": after, "clip": clips, "label": labels[clips], "rank": 0}
        for column in ("predicted", "nme", "ncm"):
            guesses = generator.integers(0, len(order), size=len(clips))
            drawn[column] = np.where(generator.random(len(clips)) < 0.5, labels[clips], guesses)
        parts.append(pd.DataFrame({**drawn, "confidence": generator.random(len(clips), dtype=np.float32)}))
    predictions = pd.concat(parts, ignore_index=True)
    places = [(during, tested) for during in range(len(sizes)) for tested in range(during + 1) for _ in range(2)]
    steps = pd.DataFrame(places, columns=["experience", "tested"])
    steps = steps.assign(step=range(len(steps)), accuracy=generator.random(len(steps)), clips=5)
    pairs = [(after, tested) for after in range(len(sizes)) for tested in range(after + 1)]
    probes = pd.DataFrame(pairs, columns=["after", "tested"])
    probes = probes.assign(probe_accuracy=generator.random(len(pairs)), cka=generator.random(len(pairs)))
    frames = {"predictions": predictions.sample(frac=1, random_state=0), "steps": steps, "probes": probes}
    return RunData(
        matrix=accuracy_matrix(
            predictions, experience_of_class=[owner[label] for label in range(len(owner))], num_experiences=len(sizes)
        ),
        test_clips=np.bincount(of_clip, minlength=len(sizes)).tolist(),
        experiences=experiences,
        train_clips=generator.integers(1, 30, size=len(order)).tolist(),
        untrained=generator.random(len(sizes)),
        joint=[generator.uniform(0.2, 1, size=len(sizes)).tolist()],
        frames=frames,
    )

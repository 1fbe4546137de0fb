"""Labels that a flip exchanges, in the batches of a run: memory, mixing, joint training, and losses that count."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import clnorm
from clnorm.catalogue import AUGMENTATIONS
from clnorm.data.augment.presets import create_augmentation
from clnorm.errors import ClnormError
from clnorm.execution.inputs import pixels_to_input
from clnorm.strategies.baselines import joint, naive
from clnorm.strategies.replay import replay

OPTIONS = "flip=1,min_scale=1,stretch=1,contrast=0,saturation=0,brightness=0"
NAMES = ("a", "b", "c", "d")


def paired(build_setup, outputs, **changes):
    """A setup that always flips, and exchanges the classes of two outputs."""
    setup = build_setup(**changes)
    one, other = (NAMES[setup.stream.order[output]] for output in outputs)
    spec = AUGMENTATIONS.parse(f"light:{OPTIONS},mirrored={one}/{other}")
    return replace(setup, augment=create_augmentation(spec, NAMES))


def unpack(strategy, index):
    """The ids and pixels of the first batch of an experience, which is unpacked."""
    strategy.experience = SimpleNamespace(current_experience=index)
    strategy.make_train_dataloader()
    ids, pixels = strategy.mbatch = next(iter(strategy.dataloader))
    strategy._unpack_minibatch()
    return torch.as_tensor(ids), pixels_to_input(pixels)


def test_a_pair_of_one_experience_is_exchanged_in_every_batch_and_in_mixed_targets(build_setup):
    setup = paired(build_setup, (0, 1), data__mix="mixup:alpha=2")
    strategy = naive(setup)
    ids, _ = unpack(strategy, 0)
    before = torch.as_tensor(setup.stream.targets)[ids]
    assert torch.equal(strategy.mb_y, 1 - before)
    assert set(strategy.batch.partners.tolist()) == {0, 1}
    assert set(strategy.mb_task_id.tolist()) == {0}


def test_a_pair_of_two_experiences_is_exchanged_from_the_second_on_and_in_the_memory(build_setup):
    setup = paired(build_setup, (1, 2), train__batch_size=8)
    strategy = replay(setup, per_class=2, share=0.5)
    targets = torch.as_tensor(setup.stream.targets)
    ids, clips = unpack(strategy, 0)
    assert torch.equal(strategy.mb_y, targets[ids])
    turned = targets[ids] != 1
    assert torch.equal(strategy.mb_x, torch.where(turned[:, None, None, None, None], clips.flip(-1), clips))
    strategy.memory = setup.stream.experiences[0].train_ids
    ids, clips = unpack(strategy, 1)
    assert torch.equal(strategy.mb_y, torch.tensor([0, 2, 1, 3])[targets[ids]])
    assert torch.equal(strategy.mb_x, clips.flip(-1))
    assert torch.equal(strategy.mb_task_id, (targets[ids] >= 2).long()), "a clip comes from where it came from"
    assert strategy.batch.recalled.sum() == 4


def test_joint_training_has_seen_every_class(build_setup):
    setup = paired(build_setup, (1, 2), train__batch_size=16)
    strategy = joint(setup)
    ids, _ = unpack(strategy, 0)
    assert torch.equal(strategy.mb_y, torch.tensor([0, 2, 1, 3])[torch.as_tensor(setup.stream.targets)[ids]])


@pytest.mark.parametrize(
    ("index", "shown", "clips"), [(0, [4, 4, 0, 0], [4, 4, 0, 0]), (1, [0, 1, 3, 4], [0, 4, 4, 4])]
)
def test_losses_that_count_clips_count_them_as_they_look(build_setup, index, shown, clips):
    setup = paired(build_setup, (1, 2))
    spec = AUGMENTATIONS.parse(
        f"light:flip=0.25,mirrored={NAMES[setup.stream.order[1]]}/{NAMES[setup.stream.order[2]]}"
    )
    strategy = naive(replace(setup, augment=create_augmentation(spec, NAMES)))
    strategy.experience = SimpleNamespace(current_experience=index)
    strategy.make_train_dataloader()
    assert strategy.balancing.shown.tolist() == shown
    assert strategy.balancing.clips.tolist() == clips


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda clips, labels: clips, "it returned a Tensor; legal"),
        (lambda clips, labels: (clips, labels.tolist()), "it returned a tuple; legal"),
        (lambda clips, labels: (clips, 1 - labels), "no method exchange_counts"),
    ],
)
def test_what_an_augmentation_of_ones_own_returns_is_checked(build_setup, returned, message):
    def change(clips, labels, *, seen, generator):
        return returned(clips, labels)

    with pytest.raises(ClnormError, match=message):
        unpack(naive(replace(build_setup(), augment=change)), 0)


@pytest.mark.slow
def test_a_run_with_pairs_is_repeated_to_the_bit_and_keeps_them_in_its_record(tiny, tmp_path):
    first = clnorm.run(tiny(data__augment="light"))
    names = sorted(first.classes)
    pairs = f"light:mirrored={names[0]}/{names[1]}/{names[2]}/{names[3]}"
    runs = [
        clnorm.run(tiny(data__augment=pairs, strategy="replay:per_class=2", out=str(tmp_path / out))) for out in "ab"
    ]
    assert runs[0].run == runs[1].run
    assert runs[0].matrix == runs[1].matrix
    assert f"mirrored={'/'.join(names)}" in runs[0].config["data"]["augment"]

"""What norms must be told of a batch, and what running statistics promise."""

import pytest
import torch

from clnorm.errors import ClnormError, UserError
from clnorm.norms import RunningNorm, Statistics, build_norm, take_auxiliary_loss
from tests.norms import oracles
from tests.norms.oracles import FIRST, ORACLES, oracle_of
from tests.norms.steps import (
    STEPS,
    C,
    Step,
    assert_kept,
    assert_same,
    buffers,
    build,
    draw,
    name_of,
    tell,
    train,
)

RUNNING = [spec for name, spec in FIRST.items() if isinstance(build_norm(spec, C), RunningNorm)]


NEEDS = {
    FIRST["bn_cma"]: "experience",
    FIRST["bn_frozen"]: "experience",
    FIRST["bn_task"]: "tasks",
    FIRST["brn"]: "progress",
    FIRST["tbbn"]: "tasks, experience",
    FIRST["adab2n"]: "tasks, experience",
    FIRST["prepbn"]: "progress",
}


@pytest.mark.parametrize("spec", ORACLES)
def test_what_training_must_be_told_and_evaluation_need_not(spec):
    norm, x = build(spec), draw(4, 5, C)
    needs = NEEDS.get(spec, NEEDS.get(name_of(spec) == "adab2n" and FIRST["adab2n"], ""))
    assert ", ".join(norm.needs) == needs
    if needs:
        with pytest.raises(ClnormError, match=f"{type(norm).__name__} needs {needs} of the batch.*provide_context"):
            norm(x)
    else:
        assert norm(x).isfinite().all()
    if not getattr(norm, "oracle", False):
        assert norm.eval()(x).isfinite().all()


@pytest.mark.parametrize("name", ["bn_task", "tbbn", "adab2n"])
def test_the_context_of_another_batch_is_refused(name):
    norm = build(FIRST[name])
    tell(norm, Step((2, 2, 2, 0, 0, 0), 2, 0.0))
    with pytest.raises(ClnormError, match="8 samples with a context of 6 clips"):
        norm(draw(8, 5, C))


@pytest.mark.parametrize("spec", RUNNING)
def test_batch_statistics_need_more_than_one_value(spec):
    norm, step = build(spec), Step((0,), 0, 0.0)
    tell(norm, step)
    assert norm(draw(1, 5, C)).isfinite().all()
    before = buffers(norm)
    with pytest.raises(UserError, match="one value per channel"):
        norm(draw(1, 1, C))
    assert_kept(norm, before)
    assert norm.eval()(draw(1, 1, C)).isfinite().all()


@pytest.mark.parametrize("spec", RUNNING)
def test_only_the_clips_that_count_go_to_the_running_statistics(spec):
    """The output is of all clips; the statistics are those of a norm that saw no others."""
    step, x = Step((0, 1, 0, 0, 1, 1), 0, 0.4), draw(12, 5, C, mean=3.0)
    clips = [0, 2, 3]
    norm, plain, small = (build(spec) for _ in range(3))
    norm.statistics = Statistics(update="current_only")
    tell(norm, step)
    tell(plain, step)
    torch.testing.assert_close(norm(x), plain(x))
    tell(small, step.take(clips))
    small(x.view(6, 2, 5, C)[clips].flatten(0, 1))
    assert_same(buffers(norm), buffers(small))


@pytest.mark.parametrize("spec", RUNNING)
def test_a_batch_that_is_not_tracked_leaves_no_trace(spec):
    norm = train(build(spec))
    before = buffers(norm)
    norm.statistics = Statistics(update="none")
    tell(norm, STEPS[3])
    norm(draw(6, 5, C, mean=5.0))
    assert_kept(norm, before)


@pytest.mark.parametrize("spec", RUNNING)
def test_frozen_training_is_by_the_running_statistics_and_leaves_them(spec):
    norm, x = train(build(spec)), draw(6, 5, C, mean=2.0)
    before = buffers(norm)
    tell(norm, STEPS[3])
    before = before | {name: buffer for name, buffer in buffers(norm).items() if not name.startswith("running")}
    expected = norm.eval()(x)
    norm.train().frozen = True
    if name_of(spec) != "prepbn":  # which mixes them with LN
        torch.testing.assert_close(norm(x), expected)
    norm(x)
    assert take_auxiliary_loss(norm) is None
    assert_kept(norm, before)


@pytest.mark.parametrize("spec", RUNNING)
def test_transductive_evaluation_is_by_the_batch_and_leaves_the_running_statistics(spec):
    """As training is; without what norms do in training alone: correct, balance, weigh or mix."""
    norm, x = train(build(spec)).eval(), draw(6, 5, C, mean=2.0)
    tell(norm, STEPS[2])
    before, by_running = buffers(norm), norm(x)
    norm.transductive = True
    found = norm(x)
    assert_kept(norm, before)
    assert not torch.allclose(found, by_running, atol=1e-2)
    if name_of(spec) in ("cn", "sn", "bn_task"):
        expected = oracle_of(spec, norm).results(x, STEPS[2], training=True)["y"]
    else:
        expected = oracles.batch_norm(x, norm.weight, norm.bias, training=True, eps=norm.eps)
        expected = expected + norm.eta * x if name_of(spec) == "prepbn" else expected
    torch.testing.assert_close(found, expected.float())

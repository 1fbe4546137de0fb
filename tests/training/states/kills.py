"""Runs that are killed at a known place."""

import pytest

import clnorm
from clnorm.training.trainer import ClipStrategy


def run_killed(config, patch, *, after=None, before=None):
    """Run until training step `after` has been trained, its state not kept yet; or until step `before` begins."""
    train = ClipStrategy.train_experience

    def killed(self, index):
        if index == before:
            raise KeyboardInterrupt
        train(self, index)
        if index == after:
            raise KeyboardInterrupt

    with patch.context() as inner:
        inner.setattr(ClipStrategy, "train_experience", killed)
        with pytest.raises(KeyboardInterrupt):
            clnorm.run(config)

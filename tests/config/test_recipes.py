"""Defaults that a protocol changes, and values that it rules out."""

from dataclasses import replace

import pytest

from clnorm.config.config import Config
from clnorm.config.load import merge_config
from clnorm.errors import ClnormError, UserError


def test_an_online_stream_is_passed_once_in_small_batches():
    config = Config(protocol="online:experiences=2")
    assert (config.train.epochs, config.train.batch_size) == (1, 10)
    assert Config(protocol="online", train={"batch_size": 4}).train.batch_size == 4
    assert Config(protocol="online", train={"epochs": 1}) == Config(protocol="online")
    assert (Config().train.epochs, Config().train.batch_size) == (10, 16)


def test_with_pretrained_weights_it_is_passed_once_too():
    config = Config(protocol="online", model={"pretrained": True})
    assert (config.train.epochs, config.train.batch_size, config.train.ema) == (1, 10, 0.995)


@pytest.mark.parametrize("epochs", [2, 10])
def test_another_number_of_epochs_is_refused(epochs):
    word = rf"train.epochs: {epochs} does not fit protocol online: an online stream passes once; legal: 1"
    with pytest.raises(UserError, match=word):
        Config(protocol="online", train={"epochs": epochs})
    with pytest.raises(UserError, match="online stream passes once"):
        merge_config({"train": {"epochs": epochs}}, {"protocol": "online"})


def test_what_is_replaced_leaves_nothing_open():
    with pytest.raises(UserError, match="online stream passes once"):
        replace(Config(), protocol="online")
    config = replace(Config(protocol="online"), norm="cn")
    assert config.train.epochs == 1


def test_a_wrong_section_is_told_as_it_is():
    with pytest.raises(ClnormError, match="epochs"):
        Config(protocol="online", train={"epochs": "many"})
    with pytest.raises(ClnormError, match="is not a mapping"):
        Config(protocol="online", train=3)


def test_a_written_online_configuration_reads_back_equal():
    import yaml

    config = Config(protocol="online:experiences=3")
    assert merge_config(yaml.safe_load(config.to_yaml()), {}) == config

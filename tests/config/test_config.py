"""Configurations: one merge, one validation, and an identity made of what changes the result."""

import copy
import pickle
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm import Config, load_config
from clnorm.catalogue import BACKBONES
from clnorm.catalogue.registry import Spec
from clnorm.config.fields import Section, list_sections
from clnorm.config.identity import run_id, setting_id
from clnorm.config.load import merge_config
from clnorm.config.sections import TrainConfig
from clnorm.errors import SeveralMistakesError, UserError


def test_yaml_and_overrides_are_merged_and_overrides_win(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("norm: bn\ntrain: {epochs: 3, lr: 1e-3}\n")
    config = load_config(file, ["train.epochs=5", "data.skip_bad=yes"])
    assert config.norm.name == "bn"
    assert (config.train.epochs, config.train.lr, config.data.skip_bad) == (5, 1e-3, True)


@pytest.mark.slow
@given(
    norm=st.sampled_from(["ln", "bn", "gn:groups=3", "cn:axis=clip,eps=0.001"]),
    seed=st.integers(0, 2**31 - 1),
    epochs=st.integers(1, 1000),
    lr=st.floats(0, 10),
    skip=st.booleans(),
)
def test_a_written_configuration_reads_back_equal(norm, seed, epochs, lr, skip, tmp_path_factory):
    config = merge_config({"norm": norm}, {"seed": seed, "train.epochs": epochs, "train.lr": lr, "data.skip_bad": skip})
    file = tmp_path_factory.mktemp("config") / "run.yaml"
    file.write_text(config.to_yaml())
    assert load_config(file, allow_plugins=["my_balance:Mine"]) == config
    assert run_id(load_config(file)) == run_id(config)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("nrm=cn", ["unknown key 'nrm'", "did you mean 'norm'?"]),
        ("train.ephocs=3", ["unknown key 'train.ephocs'", "did you mean 'train.epochs'?"]),
        ("epochs=3", ["did you mean 'train.epochs'?"]),
        ("train.epochs=0", ["train.epochs", "an int >= 1"]),
        ("train.epochs=two", ["train.epochs", "'two' is not legal"]),
        ("train=3", ["train", "not a mapping"]),
        ("seed.x=1", ["seed"]),
        ("norm=cm", ["did you mean 'cn'?"]),
        ("train.loss=sen", ["did you mean 'seen'?"]),
        ("noequals", ["not of the form key=value"]),
    ],
)
def test_bad_overrides_are_refused_by_name(override, words):
    with pytest.raises(UserError) as caught:
        load_config(None, [override])
    for word in words:
        assert word in str(caught.value)


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(
        "out: here\nnrm: cn\nnorm: cn:groups=x,axsi=token\ndata: {frames: 0.5, jitter: true}\nmodel: {wieghts: w}\n"
        "train: {ephocs: 3, los: all, lr: fast, batch_size: 4, stats_update: balanced}\n"
    )
    starts = [
        "out.x: 'out' holds",
        "unknown key 'nrm'; did you mean 'norm'?",
        "unknown key 'model.wieghts'; did you mean 'model.weights'?",
        "norm: 'cn' has no option 'axsi'; did you mean 'axis'?",
        "norm: option 'groups' of 'cn': 'x' is not legal",
        "seed: 'two' is not legal",
        "train.stats_update is an option of the norm now",
        "data.frames: 0.5 is not legal",
        "unknown keys 'train.ephocs' (did you mean 'train.epochs'?), 'train.los' (did you mean 'train.loss'?); all ",
        "train.lr: 'slow' is not legal; legal: a number >= 0",
    ]
    with pytest.raises(SeveralMistakesError) as caught:
        load_config(file, ["seed=two", "train.lr=slow", "out.x=1"])
    said = list(map(str, caught.value.errors))
    for start in starts:
        assert [text for text in said if text.startswith(start)], (start, said)
    assert len(said) == len(starts), said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("datta: {}", "unknown key 'datta'; did you mean 'data'?; all keys: clnorm list config"),
        ("data: {fraems: 8}", "unknown key 'data.fraems'; did you mean 'data.frames'?; all keys: clnorm list config"),
        ("data.frames: 8", "unknown key 'data.frames'; write it nested, as section: {key: value}; all keys: clnorm "),
        ("eval: {zzz: 1}", "unknown key 'eval.zzz'; legal: eval.batch_size, eval.cka, eval.every, eval."),
    ],
)
def test_the_keys_are_listed_only_where_none_is_near(tmp_path, text, said):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_config(file)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("text", ["daxa.decoder=cpu", "data.decodr=cpu", "dta.decoder=cpu"])
def test_a_misspelt_section_is_answered_by_the_whole_key(text):
    with pytest.raises(UserError, match=r"unknown key '[a-z.]+'; .*did you mean 'data\.decoder'\?"):
        load_config(None, [text])


def test_of_a_key_near_none_the_keys_beside_it_are_listed(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("zzzzzz: 1")
    with pytest.raises(UserError, match="unknown key 'zzzzzz'; legal: backbone, begin, data, ") as caught:
        load_config(file)
    assert "data.frames" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["data: {kep: 2T, jitter: true}", "model: {wieghts: w}\ndata: {jitter: true}", "data: {jitter: 1, seed: 1}"]
)
def test_what_contradicts_another_value_is_not_said_while_a_key_is_wrong(tmp_path, text):
    file = tmp_path / "bad.yaml"
    file.write_text(text)  # with the key as it was meant there is something to draw from, perhaps
    with pytest.raises(UserError) as caught:
        load_config(file)
    assert "nothing to draw from" not in str(caught.value)


def test_of_many_wrong_keys_the_first_are_named(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("".join(f"k{index}: 1\n" for index in range(300)))
    with pytest.raises(UserError, match=r"'k0', .*'k19' and 280 more; legal: backbone, ") as caught:
        load_config(file)
    assert "'k20'" not in str(caught.value)


@pytest.mark.parametrize("texts", [["seed.x=1", "seed=3"], ["seed=3", "seed.x=1"], ["train=", "train.lr=1"]])
def test_a_value_and_a_key_inside_of_it_are_two_values(texts):
    with pytest.raises(UserError, match=r"is given a value, and '.*' too; give one of them"):
        load_config(None, texts)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("- a\n- b\n", "not keys with values"),
        ("a: 1\nb: [", "line 2"),
        ("norm: !!python/object/apply:os.system ['true']", "is not YAML"),
        ("train: 3", "not a mapping"),
        ("train: {epochs: true}", "train.epochs"),
        ("out: 3", "out"),
    ],
)
def test_bad_files_are_refused(tmp_path, text, word):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=word):
        load_config(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml: cannot be read"):
        load_config(tmp_path / "nowhere.yaml")


def test_an_option_that_came_later_leaves_the_ids_of_runs_without_it():
    # As they were before there was the option.
    ids = {"light": ("5e34eb20", "bf59c5ee"), "strong:unflipped=a/b": ("a7a47ccf", "63a6cfba")}
    for augment, expected in ids.items():
        config = merge_config({}, {"data.augment": augment})
        assert (run_id(config), setting_id(config)) == expected
        paired = merge_config({}, {"data.augment": f"{augment}{',' if ':' in augment else ':'}mirrored=c/d"})
        assert run_id(paired) != run_id(config)
        assert setting_id(paired) != setting_id(config)


def test_identity_ignores_where_and_how_fast_but_not_what():
    base = Config()
    for same in (
        {"out": "elsewhere"},
        {"data.root": "/x"},
        {"data.workers": 7},
        {"train.device": "cpu"},
        {"data.cache": "none"},
    ):
        assert run_id(merge_config({}, same)) == run_id(base)
    different = [{"norm": "bn"}, {"seed": 1}, {"train.lr": 0.5}, {"norm": "ln:eps=0.1"}, {"data.frames": 8}]
    assert len({run_id(merge_config({}, change)) for change in different} | {run_id(base)}) == len(different) + 1
    assert run_id(base, data="a") != run_id(base, data="b")


def test_runs_of_one_table_share_a_setting():
    base = setting_id(Config())
    assert setting_id(Config(norm="cn", strategy="replay", seed=3)) == base
    assert setting_id(merge_config({}, {"train.epochs": 3})) != base
    assert setting_id(Config(backbone="lsvit_tiny")) != base


def test_a_configuration_is_frozen_and_closed():
    with pytest.raises(AttributeError):
        Config().seed = 3
    with pytest.raises(TypeError, match="unexpected keyword"):
        Config(sed=3)


def test_pretrained_runs_have_defaults_of_their_own_wherever_the_configuration_comes_from(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("model: {pretrained: true}\ntrain: {epochs: 3}\n")
    loaded = load_config(file, {"data.frames": 4})
    built = Config(model={"pretrained": True}, train={"epochs": 3}, data={"frames": 4})
    assert loaded == built
    plain = Config()
    assert (loaded.train.epochs, loaded.data.frames) == (3, 4), "what is given wins"
    assert loaded.train.lr < plain.train.lr
    assert (loaded.data.image_size, loaded.data.augment.short, plain.data.augment.short) == (112, "light", "none")
    assert load_config(overrides={"model.weights": "w.safetensors"}).train.layer_decay == 0.75
    best = "lsvit_signed_tiny:smif=frames"
    assert (loaded.backbone.short, plain.backbone.short) == (best, "lsvit_nano")
    assert replace(loaded, seed=1).backbone == loaded.backbone
    for name in ("lsvit_nano", "vit_tiny", plain.backbone):
        named = Config(model={"pretrained": True}, backbone=str(name)).backbone
        assert named == BACKBONES.parse(str(name)), "one that is named wins, the plain default too"
    # Written out and read back, nothing is left open; a section that was built is complete.
    file.write_text(loaded.to_yaml())
    assert load_config(file) == loaded
    assert Config(model={"pretrained": True}, train=TrainConfig()).train.lr == plain.train.lr


@pytest.mark.parametrize("given", ["lsvit_nano", BACKBONES.parse("lsvit_nano"), Config().backbone])
def test_what_is_given_stays_even_where_it_is_the_default(given, tmp_path):
    assert Config(backbone=given, model={"weights": "w.safetensors"}).backbone.short == "lsvit_nano"
    plain = {name: getattr(Config().train, name) for name in ("lr", "epochs", "ema")}
    built = Config(backbone=given, model={"pretrained": True}, train=plain)
    file = tmp_path / "c.yaml"
    file.write_text(f"backbone: {given}\nmodel: {{pretrained: true}}\ntrain: {plain}\n")
    texts = [f"backbone={given}", "model.pretrained=true", *(f"train.{key}={value}" for key, value in plain.items())]
    assert built == load_config(file) == load_config(None, texts)
    assert {name: getattr(built.train, name) for name in plain} == plain
    assert built.train.layer_decay == 0.75, "what was left open is that of pretrained runs"


def test_what_is_replaced_is_all_that_changes():
    plain, pretrained = Config(), Config(model={"pretrained": True})
    assert replace(plain) == plain
    started = replace(plain, model={"pretrained": True})
    assert (started.backbone, started.train, started.data) == (plain.backbone, plain.train, plain.data)
    stopped = replace(pretrained, model={"pretrained": False})
    assert (stopped.backbone, stopped.train, stopped.data) == (pretrained.backbone, pretrained.train, pretrained.data)
    assert replace(pretrained, backbone="lsvit_nano").backbone == plain.backbone
    changed = replace(pretrained, data=replace(pretrained.data, frames=4))
    assert (changed.data.frames, changed.data.image_size) == (4, 112)
    with pytest.raises(UserError, match=r"^norm: unknown norm 'cm'"):
        replace(plain, norm="cm")


@pytest.mark.parametrize("config", [Config(), Config(model={"pretrained": True}, norm="cn:groups=8"), TrainConfig()])
def test_a_built_configuration_is_complete_and_a_value(config):
    for section in (config, *(getattr(config, name) for name in list_sections(type(config)))):
        for item in fields(section):
            kinds = (Spec, Section, bool, int, float, str, type(None))
            assert isinstance(getattr(section, item.name), kinds), item.name
    for again in (copy.deepcopy(config), pickle.loads(pickle.dumps(config)), replace(config)):
        assert (again, hash(again)) == (config, hash(config))


def test_an_error_names_the_section_of_its_key():
    with pytest.raises(UserError) as caught:
        Config(train={"epochs": 0})
    assert (caught.value.where, caught.value.what) == ("train.epochs", "0 is not legal")
    with pytest.raises(UserError, match=r"^epochs: 0 is not legal"):
        TrainConfig(epochs=0)
    with pytest.raises(UserError, match=r"^train\.imbalance: no\.such:Thing: there is no module 'no\.such'"):
        load_config(None, ["train.imbalance=no.such:Thing"])


@pytest.mark.parametrize(
    ("key", "value", "one_table"),
    [
        ("norm", "ln:eps=0.1", True),
        ("train.imbalance", "focal", False),
        ("train.imbalance", "focal:gamma=1", False),
        ("eval.unseen", True, False),
        ("eval.plasticity", True, True),
        ("eval.views", 2, False),
        ("eval.nearest", "both", True),
        ("eval.every", 5, True),
        ("eval.probe", True, True),
        ("eval.cka", True, True),
    ],
)
def test_what_is_part_of_a_runs_identity_and_of_its_table(key, value, one_table):
    base, changed = Config(), merge_config({}, {key: value})
    assert run_id(changed) != run_id(base)
    assert (setting_id(changed) == setting_id(base)) == one_table


def test_jitter_needs_more_frames_than_are_shown():
    with pytest.raises(UserError, match=r"data\.jitter: of T kept frames .* nothing to draw from; use --set data.keep"):
        load_config(None, ["data.jitter=true"])
    assert load_config(None, ["data.jitter=true", "data.keep=2T"]).data.jitter


def test_without_a_store_none_goes_to_the_device():
    with pytest.raises(
        UserError, match=r"data.device_cache: with data.cache=none there is no store to keep; legal: auto"
    ):
        load_config(None, ["data.cache=none", "data.device_cache=true"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("focal,ldam", "unknown imbalance method 'focal,ldam'"),
        ("focal:gamma=2,tau=1", "'focal' has no option 'tau'"),
        ("smote", "cross-fade.*write feature_smote"),
        ("pixel_smote", "cross-fade.*write feature_smote"),
        ("balanced_softmax", "write logit_adjustment"),
    ],
)
def test_one_method_for_unequal_classes_and_no_pixel_smote(given, message):
    with pytest.raises(UserError, match=rf"train\.imbalance: .*{message}"):
        load_config(None, [f"train.imbalance={given}"])


def test_a_name_inside_of_a_section_is_read_back_and_its_plug_ins_source_counts(tmp_path, monkeypatch):
    plugin, file = tmp_path / "my_balance.py", tmp_path / "c.yaml"
    monkeypatch.syspath_prepend(tmp_path)
    plugin.write_text("class Mine:\n    def __init__(self, setup, *, rate: float = 0.5):\n        pass\n")
    config = load_config(None, ["train.imbalance=my_balance:Mine:rate=0.25"])
    file.write_text(config.to_yaml())
    assert load_config(file, allow_plugins=["my_balance:Mine"]) == config
    assert config.to_dict()["train"]["imbalance"] == "my_balance:Mine:rate=0.25"
    before = run_id(config)
    plugin.write_text(plugin.read_text() + "# edited\n")
    assert run_id(config) != before

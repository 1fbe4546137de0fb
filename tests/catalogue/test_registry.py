"""Names, options and plug-ins: the grammar, its errors, and what comes out of it."""

import copy
import pickle
import textwrap
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Entry, Registry, Spec, format_spec
from clnorm.errors import UserError, nearest

ENTRY = Entry(
    "cn",
    "math:sqrt",
    "a norm",
    {
        "groups": Option("auto", kind=int, words=("auto",), low=1),
        "axis": Option("frame", words=("token", "frame", "clip")),
        "eps": Option(1e-5, low=0.0),
        "affine": Option(True),
    },
)


@pytest.fixture
def registry():
    axis = {"axis": Option("frame", words=("token", "frame"))}
    made = Registry("norm", plural="norms", complete=lambda entry: replace(entry, options={**entry.options, **axis}))
    made.add(ENTRY)
    return made


@given(
    groups=st.one_of(st.just("auto"), st.integers(1, 10**6)),
    axis=st.sampled_from(["token", "frame", "clip"]),
    eps=st.floats(0, 1e6),
    affine=st.booleans(),
)
def test_any_legal_spec_survives_writing_and_reading(groups, axis, eps, affine):
    registry = Registry("norm", plural="norms")
    registry.add(ENTRY)
    options = {"affine": affine, "axis": axis, "eps": eps, "groups": groups}
    spec = registry.parse(format_spec("cn", options))
    assert spec.kwargs == options
    assert registry.parse(str(spec)) == spec
    assert registry.parse(spec.short) == spec


@pytest.mark.slow
@given(st.text(max_size=40))
def test_any_text_parses_or_is_a_users_error(text):
    registry = Registry("norm", plural="norms")
    registry.add(ENTRY)
    try:
        spec = registry.parse(text)
    except UserError:
        return
    assert registry.parse(str(spec)) == spec


def test_defaults_are_decided_and_left_out_of_the_short_form(registry):
    spec = registry.parse("cn:groups=8")
    assert spec.kwargs == {"groups": 8, "axis": "frame", "eps": 1e-5, "affine": True}
    assert spec.short == "cn:groups=8"
    assert registry.parse("cn:axis=frame,groups=8") == spec


def test_a_decided_spec_is_returned_as_it_is(registry, monkeypatch):
    spec = registry.parse("cn:groups=8")
    monkeypatch.setattr(registry, "_split", None)  # nothing is taken apart again
    assert registry.parse(spec) is spec
    assert (spec.kind, spec.entry.name) == ("norm", "cn")


def test_a_spec_of_another_kind_is_no_name_here(registry):
    other = Registry("backbone", plural="backbones")
    other.add(Entry("vit", "math:sqrt", "a backbone"))
    with pytest.raises(UserError, match="unknown norm 'vit'"):
        registry.parse(other.parse("vit"))
    other.add(ENTRY)
    taken = registry.parse(other.parse("cn:groups=8"))
    assert (taken.kind, taken.kwargs["groups"]) == ("norm", 8), "a name that both have is taken by its text"
    assert taken != other.parse("cn:groups=8"), "what it is of counts"


def test_a_spec_builds_what_it_names_from_what_is_given_and_its_options():
    registry = Registry("protocol", plural="protocols", given=("seed",))

    @registry.register("made")
    def make(num_classes, *, seed, scale: float = 1.0, shift: bool = False):
        return num_classes, seed, scale, shift

    spec = registry.parse("made:scale=0.5")
    assert spec.build(8, seed=3) == spec.bind()(8, seed=3) == (8, 3, 0.5, False)
    assert registry.parse("made:shift=true").build(8, seed=3) == (8, 3, 1.0, True)


def test_a_member_of_a_family_is_built_from_its_word():
    registry = Registry("norm", plural="norms")
    registry.add(Entry("word", "builtins:sorted", options={"reverse": Option(False)}, takes="WORD"))
    assert registry.parse("word:cab:reverse=true").build() == ["c", "b", "a"]


def test_a_spec_is_hashed_copied_and_sent_to_another_process(registry):
    spec = registry.parse("cn:groups=8")
    for again in (copy.deepcopy(spec), pickle.loads(pickle.dumps(spec))):
        assert isinstance(again, Spec)
        assert (again, hash(again), again.short) == (spec, hash(spec), "cn:groups=8")
        assert registry.parse(again) is again
        assert again.entry.load() is spec.entry.load()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cm", ["unknown norm 'cm'", "did you mean 'cn'?", "clnorm list norms"]),
        ("cn:group=3", ["no option 'group'", "did you mean 'groups'?"]),
        ("cn:groups=0", ["'groups' of 'cn'", "'0' is not legal", "an int >= 1, or auto"]),
        ("cn:groups=2.5", ["'2.5' is not legal"]),
        ("cn:axis=fram", ["did you mean 'frame'?", "clip, frame, token"]),
        ("cn:eps=nan", ["'nan' is not legal"]),
        ("cn:eps=-1", ["a number >= 0"]),
        ("cn:affine=perhaps", ["true|false"]),
        ("cn:groups", ["'groups' is not option=value"]),
        ("cn:groups=1,groups=2", ["given twice"]),
        ("", ["is not a name"]),
        ("no.such.module:Norm", ["--norm: no.such.module:Norm: there is no module 'no.such.module'", "PYTHONPATH"]),
        ("math:sqr", ["'math' has no 'sqr'", "did you mean 'sqrt'?"]),
        ("math:pi", ["--norm: 'math:pi' is no class or function"]),
        ("math.pi", ["'math:pi' is no class or function"]),
        ("math.sqr", ["'math' has no 'sqr'", "did you mean 'sqrt'?"]),
        ("no.such.module.Norm", ["unknown norm 'no.such.module.Norm', and there is no module 'no.such.module'", "cn"]),
        ("no.such.module.Norm", ["clnorm list norms", "PYTHONPATH"]),
        ("cn.x", ["unknown norm 'cn.x'", "did you mean 'cn'?", "clnorm list norms"]),
        ("operator.truediv:a=1,b=2", ["'operator:truediv' has no option 'a'"]),
    ],
)
def test_bad_specs_name_the_fault_and_the_nearest_match(registry, text, words):
    with pytest.raises(UserError) as caught:
        registry.parse(text, where="--norm")
    for word in words:
        assert word in str(caught.value)


def test_an_option_that_an_entry_lacks_for_a_reason_says_it_and_who_has_it(registry):
    registry.add(Entry("plain", "math:sqrt", options={"eps": Option(1e-5)}, lacks={"groups": "it has no groups"}))
    said = r"'plain' has no option 'groups': it has no groups; legal: eps; these have it: cn$"
    with pytest.raises(UserError, match=said):
        registry.parse("plain:groups=3")
    with pytest.raises(UserError, match=r"'plain' has no option 'group'; legal: eps$"):
        registry.parse("plain:group=3")


def test_options_of_many_norms_are_listed_once():
    from clnorm.catalogue import NORMS, STATISTICS
    from clnorm.cli.listing import list_names

    lines = list_names("norms").splitlines()
    for key, option in STATISTICS.items():
        assert sum(line.startswith(f"    {key:<16}{option.doc} ({option.legal}") for line in lines) == 1
    having = [line for line in lines if line == f"    {', '.join(STATISTICS)}: see the end"]
    assert len(having) == sum(STATISTICS.keys() <= NORMS.get(name).options.keys() for name in NORMS.names()) == 8


def test_a_large_int_is_not_rounded(registry):
    assert registry.parse("cn:groups=9007199254740993").kwargs["groups"] == 9007199254740993
    assert registry.parse("cn:groups=5.0").kwargs["groups"] == 5


def test_a_name_is_taken_once(registry):
    with pytest.raises(UserError, match="registered already"):
        registry.add(ENTRY)


def test_decorator_reads_the_options_from_the_signature(registry):
    @registry.register("mine")
    class Mine:
        """My own norm."""

        def __init__(self, num_channels: int, *, power: float, eps: float = 1e-3, dtype: object = None) -> None:
            pass

    assert registry.get("mine").load() is Mine
    assert registry.get("mine").summary == "My own norm."
    spec = registry.parse("mine:power=2")
    assert spec.kwargs == {"power": 2.0, "eps": 1e-3, "axis": "frame"}
    with pytest.raises(UserError, match="needs a value for its option 'power'"):
        registry.parse("mine")


def test_a_plugin_is_named_by_its_module_from_the_current_folder(registry, tmp_path, monkeypatch):
    source = """
        class Norm:
            def __init__(self, num_channels, *, eps=1e-5):
                self.eps = eps
        """
    (tmp_path / "a_plugin_norm.py").write_text(textwrap.dedent(source))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    spec = registry.parse("a_plugin_norm:Norm:eps=0.5,axis=token")
    assert spec.name == "a_plugin_norm:Norm"
    assert spec.kwargs == {"eps": 0.5, "axis": "token"}
    assert registry.get(spec.name).load()(8, eps=0.5).eps == 0.5


def test_a_dot_before_the_name_means_the_same_as_a_colon(registry, tmp_path, monkeypatch):
    (tmp_path / "a_dotted_norm.py").write_text("def Norm(num_channels, *, eps=1e-5): return eps\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    dotted = registry.parse("a_dotted_norm.Norm:eps=0.5")
    assert dotted == registry.parse("a_dotted_norm:Norm:eps=0.5")
    assert dotted.short == "a_dotted_norm:Norm:eps=0.5"
    assert registry.get(dotted.name).load()(8) == 1e-5


def test_a_registered_name_with_a_dot_is_no_module(registry):
    registry.add(Entry("a.b", "operator:truediv", "dotted"))
    assert registry.parse("a.b").name == "a.b"


@pytest.mark.parametrize("name", ["textwrap:dedent", "textwrap.dedent:text=1"])
def test_an_unfit_object_is_refused_wherever_it_is_taken_from(name):
    registry = Registry("norm", plural="norms", unfit={"textwrap:dedent": "it takes text; use cn"})
    with pytest.raises(UserError, match="norm: 'textwrap:dedent' cannot be taken: it takes text; use cn"):
        registry.parse(name)
    assert registry.parse("textwrap:indent:prefix=x").name == "textwrap:indent"


def test_a_name_that_is_refused_says_why_and_is_not_listed():
    registry = Registry("method", plural="methods", refused={"pixels": "they are many; write features"})
    registry.add(Entry("features", "textwrap:dedent"))
    with pytest.raises(UserError, match="train: there is no method 'pixels': they are many; write features"):
        registry.parse("pixels:k=3", where="train")
    assert registry.names() == ["features"]


def test_a_plugin_that_fails_to_import_keeps_its_own_error(registry, tmp_path, monkeypatch):
    (tmp_path / "a_broken_norm.py").write_text("import a_module_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
        registry.parse("a_broken_norm:Norm")


def test_nearest_needs_some_likeness():
    assert nearest("Batch", ["batch_size", "lr"]) == "batch_size"
    assert nearest("bm", ["bn_cma", "bn", "ln"]) == "bn"
    assert nearest("xyz", ["lr", "norm"]) is None


def test_the_beginning_of_a_name_is_nearest_to_it():
    assert nearest("recal", ["eval", "recalibrate", "update"]) == "recalibrate"
    assert nearest("cn", ["cnn_large", "bn"]) == "bn"  # too short to be a beginning

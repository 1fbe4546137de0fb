"""Errors: their parts, the message made of them, and the same error seen from further out."""

import copy
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.errors import ClnormError, Mistakes, SeveralMistakesError, UserError

TEXTS = st.text(max_size=12)
MAYBE = st.none() | TEXTS
ERRORS = st.builds(
    lambda cls, what, **parts: cls(what, **parts),
    st.sampled_from([ClnormError, UserError]),
    TEXTS,
    where=MAYBE,
    legal=MAYBE | st.lists(TEXTS, max_size=4),
    given=MAYBE,
    hint=MAYBE,
)


class OtherArgumentsError(ClnormError):
    """As an error of clnorm's own or of a plug-in may be: its constructor takes something else."""

    def __init__(self, path: Path, *, tries: int) -> None:
        super().__init__(f"{tries} tries", where=str(path))
        self.tries = tries


def parts_of(error):
    return error.what, error.where, error.legal, error.given, error.hint


def test_the_message_is_made_of_the_parts_that_there_are():
    full = UserError("'bm' is no norm", where="--norm", legal=["ln", "bn", "cn"], given="bm", hint="see: clnorm list")
    assert parts_of(full) == ("'bm' is no norm", "--norm", ("bn", "cn", "ln"), "bm", "see: clnorm list")
    assert str(full) == "--norm: 'bm' is no norm; did you mean 'bn'?; legal: bn, cn, ln; see: clnorm list"
    assert str(ClnormError("it broke")) == "it broke"
    assert str(UserError("'3x' is not legal", where="seed", legal="an int >= 0", given="an in")) == (
        "seed: '3x' is not legal; legal: an int >= 0"
    ), "words that describe values are no names to match"
    assert str(UserError("unknown", legal=iter(["b", "a"]), given="xyz")) == "unknown; legal: a, b"


def test_a_part_that_changes_changes_the_message():
    error = UserError("13 is no multiple of 8", where="data.image_size", legal="8, 16, ...")
    error.where = "--image-size"
    assert str(error) == "--image-size: 13 is no multiple of 8; legal: 8, 16, ..."


@pytest.mark.slow
@given(error=ERRORS, where=TEXTS, joint=st.sampled_from([": ", "."]))
def test_an_error_within_a_place_is_the_same_error_there(error, where, joint):
    before, message = parts_of(error), str(error)
    seen = error.within(where, joint=joint)
    assert (type(seen), seen.exit_code) == (type(error), error.exit_code)
    assert (seen.what, seen.legal, seen.given, seen.hint) == (error.what, error.legal, error.given, error.hint)
    assert str(seen) == (f"{where}: {message}" if error.where is None else f"{where}{joint}{message}")
    assert (parts_of(error), str(error)) == (before, message), "the error itself is as it was"


@given(error=ERRORS)
def test_an_error_is_copied_and_reaches_another_process_whole(error):
    error.add_note("a note")
    for again in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert type(again) is type(error)
        assert (parts_of(again), str(again), again.args) == (parts_of(error), str(error), error.args)
        assert again.__notes__ == ["a note"]


def test_an_error_whose_constructor_takes_something_else_is_copied_and_placed_too():
    error = OtherArgumentsError(Path("a.avi"), tries=3)
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error)), error.within("clip 7")):
        assert isinstance(again, OtherArgumentsError)
        assert (again.tries, again.what) == (3, "3 tries")
    assert str(error.within("clip 7")) == "clip 7: a.avi: 3 tries"


def test_raised_from_the_error_itself_the_first_cause_is_still_told():
    def fail():
        try:
            raise OSError("the disk")
        except OSError as cause:
            raise ClnormError("cannot be read", where="a.avi") from cause

    def place():
        try:
            fail()
        except ClnormError as error:
            raise error.within("the store") from error

    with pytest.raises(ClnormError, match=r"^the store: a\.avi: cannot be read$") as caught:
        place()
    inner = caught.value.__cause__
    assert str(inner) == "a.avi: cannot be read"
    assert isinstance(inner.__cause__, OSError)
    names = [entry.name for entry in caught.traceback]
    assert names[-1] == "place", "the new error begins where it was placed"
    assert inner.__traceback__.tb_next.tb_frame.f_code.co_name == "fail"


def test_mistakes_are_collected_each_once_and_one_alone_stays_what_it_is():
    mistakes = Mistakes()
    mistakes.refuse()
    assert not mistakes
    first = UserError("a", where="x")
    for error in (first, UserError("a", where="x")):
        with mistakes.collected():
            raise error
    with pytest.raises(UserError) as caught:
        mistakes.refuse()
    assert caught.value is first
    mistakes.add(SeveralMistakesError([UserError("b"), first, UserError("c", hint="d")]))
    with pytest.raises(SeveralMistakesError) as several:
        mistakes.refuse()
    assert str(several.value) == "3 mistakes:\nx: a\nb\nc; d"
    inside = pickle.loads(pickle.dumps(several.value.within("train", joint=".")))
    assert (str(inside), inside.exit_code) == (
        "3 mistakes:\ntrain.x: a\ntrain.b\ntrain.c; d".replace(".b", ": b").replace(".c", ": c"),
        2,
    )
    with pytest.raises(ClnormError), mistakes.collected():
        raise ClnormError("a failure is none")


def test_of_many_mistakes_the_first_ones_are_named_and_the_rest_counted():
    mistakes = Mistakes()
    for index in range(50):
        mistakes.add(UserError(f"mistake {index}"))
    with pytest.raises(SeveralMistakesError, match="mistake 19\n30 more mistakes") as caught:
        mistakes.refuse()
    assert len(caught.value.errors) == 21

"""Records with any value anywhere are reports, never tracebacks; and what is computed anew gives them away."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clnorm.files import UNSEALED, seal
from clnorm.submission.check import check_submission
from clnorm.submission.findings import State

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**12) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
COMPUTED = ("matrix", "metrics", "names", "seed", "setting", "run", "experiences", "config.train.epochs", "label")
"""What no value but its own passes for; `metrics` are those that are not none."""


def places(value, place=()):
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*place, key))


def put(value, place, new):
    if not place:
        return new
    copied = value.copy()
    copied[place[0]] = put(value[place[0]], place[1:], new)
    return copied


def at(value, place):
    for key in place:
        value = value[key]
    return value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_a_value_changed_anywhere(runs, data):
    (run, *_) = sorted(runs.iterdir())
    file = run / "record.json"
    whole = file.read_text()
    record = json.loads(whole)
    place = data.draw(st.sampled_from([each for each in places(record) if each and each != ("checksum",)]))
    new = data.draw(VALUES)
    changed = put(record, place, new)
    file.write_bytes(seal(json.dumps({**changed, "checksum": UNSEALED}, ensure_ascii=True).encode()))
    (report, *_) = check_submission(runs).runs
    dotted = ".".join(map(str, place))
    told = dotted.startswith(COMPUTED) and not dotted.startswith("metrics") and at(record, place) != new
    if told:
        assert report.state is State.WRONG, dotted
    file.write_text(whole)

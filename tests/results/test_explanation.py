"""The file of `clnorm explain`: read back as it was written, and refused where it is not."""

import json
from dataclasses import replace

import pytest

from clnorm.errors import ClnormError
from clnorm.files import UNSEALED, seal
from clnorm.results.explanation import EXPLANATION_FILE, read_explanation, write_explanation
from tests.results.kept import EXPLANATION


def test_what_is_written_is_read(tmp_path):
    assert read_explanation(tmp_path) is None
    write_explanation(tmp_path, EXPLANATION)
    assert read_explanation(tmp_path) == EXPLANATION
    assert [path.name for path in tmp_path.iterdir()] == [EXPLANATION_FILE]


def test_totals_and_the_other_order_by_hand():
    expected = {"forgetting": 0.65, "statistics": 0.1, "head": 0.375, "features": 0.175}
    assert EXPLANATION.totals() == pytest.approx(expected)
    assert EXPLANATION.statistics_after_head == pytest.approx([0.1, 0.0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 2}, "newer than 1"),
        ({"schema": "1"}, "cannot be read"),
        ({"best": [0.9]}, "several lengths"),
        ({"best": "0.9"}, "best is"),
        ({"head": [0.1, None]}, "head is"),
        ({"sites": 1.5}, "sites is"),
        ({"converged": "yes"}, "converged is"),
        ({"more": 1}, "more"),
        ({"run": ...}, "run"),
    ],
)
def test_what_is_no_explanation_is_refused(tmp_path, changes, words):
    content = {**vars(EXPLANATION), "checksum": UNSEALED, **changes}
    text = json.dumps({key: value for key, value in content.items() if value is not ...})
    (tmp_path / EXPLANATION_FILE).write_bytes(seal(text.encode()))
    with pytest.raises(ClnormError, match=words):
        read_explanation(tmp_path)


def test_damage_is_noticed(tmp_path):
    write_explanation(tmp_path, replace(EXPLANATION, seconds=2.0))
    file = tmp_path / EXPLANATION_FILE
    whole = file.read_text()
    for damaged in (
        whole.replace('"sites": 13', '"sites": 12'),
        whole[:40],
        "",
        "[]",
        whole.replace("clnorm-sha", "x"),
    ):
        file.write_text(damaged)
        with pytest.raises(ClnormError, match=r"explain\.json: cannot be read .*delete it to compute it anew"):
            read_explanation(tmp_path)

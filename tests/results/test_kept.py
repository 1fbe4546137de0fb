"""What a caption says of the megabytes that strategies keep."""

import pytest

from clnorm import make_table
from tests.tables.frames import SMALL


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ({"naive": 0.0, "replay:per_class=5": 1.5}, "Kept beside the model, in MB: naive 0, replay:per_class=5 1.5."),
        ({"naive": 0.0, "replay:per_class=5": "unknown"}, ""),
    ],
)
def test_a_caption_says_what_is_kept_where_all_records_tell(kept, said):
    table = make_table(SMALL.assign(kept=SMALL["strategy"].map(kept)), format="rich")
    assert said in " ".join(table.split())
    assert ("Kept beside" in table) == bool(said)


def test_what_differs_between_norms_is_a_range():
    frame = SMALL.assign(kept=[0.25 + 0.5 * (norm == "bn") for norm in SMALL["norm"]])
    assert "naive 0.25 to 0.75" in " ".join(make_table(frame, format="rich").split())

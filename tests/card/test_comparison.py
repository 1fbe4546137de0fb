"""Paired comparisons and means over sites, against cases worked by hand."""

import math

import pandas as pd
import pytest

from clnorm.card.comparison import compare_runs, summarize_sites
from clnorm.card.contents import describe_comparisons, describe_sites
from clnorm.errors import ClnormError, UserError
from clnorm.evaluation.stats import holm, paired_difference


@pytest.fixture
def records(make_record):
    """Three seeds of two norms under two strategies; the first norm is better by 1, 2 and 3 points with replay."""
    own = {"naive": (0.2, 0.3, 0.4), "replay": (0.51, 0.62, 0.73)}
    other = {"naive": (0.2, 0.3, 0.4), "replay": (0.50, 0.60, 0.70)}
    return [
        make_record(norm, strategy, seed, values[strategy][seed], 0.1 * (seed + 1))
        for norm, values in (("my:Norm", own), ("bn", other))
        for strategy in own
        for seed in range(3)
    ]


def test_differences_are_of_one_seed_and_corrected_over_the_card(records):
    found = {(each.strategy, each.metric): each for each in compare_runs(records)}
    assert set(found) == {(s, m) for s in ("naive", "replay") for m in ("accuracy", "forgetting")}
    replay = found["replay", "accuracy"]
    assert list(replay.intervals) == ["my:Norm", "bn"]
    assert replay.intervals["my:Norm"].mean == pytest.approx(0.62)
    difference = replay.differences["bn"]
    # 0.01, 0.02 and 0.03: mean 0.02, standard deviation 0.01, t of 2 degrees of freedom 4.302653.
    assert (difference.mean, difference.n) == (pytest.approx(0.02), 3)
    assert difference.half_width == pytest.approx(4.302653 * 0.01 / math.sqrt(3), rel=1e-6)
    assert difference.p == pytest.approx(0.0741799, rel=1e-5)
    # Three of four differences cannot be tested, and count all the same.
    assert replay.p_holm["bn"] == pytest.approx(4 * difference.p)
    assert math.isnan(found["naive", "accuracy"].p_holm["bn"])


def test_every_reference_is_compared_and_counted(records, make_record):
    more = [make_record("ln", s, seed, 0.4 + 0.1 * seed**2, 0.3) for s in ("naive", "replay") for seed in range(3)]
    found = compare_runs([*records, *more])
    tests = [each.differences[other].p for each in found for other in ("bn", "ln")]
    corrected = [each.p_holm[other] for each in found for other in ("bn", "ln")]
    assert corrected == pytest.approx(holm(tests).tolist(), nan_ok=True)
    assert found[0].differences["ln"] == paired_difference(found[0].values["my:Norm"], found[0].values["ln"])


def test_a_missing_seed_or_value_is_an_error(records, make_record):
    with pytest.raises(UserError, match="seeds 2 have no partner"):
        compare_runs(records[:-1])
    with pytest.raises(ClnormError, match="bn-replay-2: has no forgetting"):
        compare_runs([*records[:-1], make_record("bn", "replay", 2, 0.7, None)])


def test_the_table_has_n_intervals_and_p_from_three_seeds_on(records):
    part = describe_comparisons(compare_runs(records), made="12 runs")
    replay = part.tables[1]
    assert "mean over 3 seeds ± half the 95 % Student-t interval" in replay.caption
    assert replay.rows[0] == ("ACC", "my:Norm", "62.0 ± 27.3", "--", "--")
    assert replay.rows[1] == ("ACC", "bn", "60.0 ± 24.8", "+2.0 ± 2.5", "0.297")
    assert any("Holm-corrected over 4 differences" in text for text in part.text)
    two = describe_comparisons(compare_runs([each for each in records if each.seed < 2]), made="")
    assert all(row[-1] == "--" for table in two.tables for row in table.rows)
    assert any("nothing is tested" in text for text in two.text)


@pytest.fixture
def sites():
    """Two sites after two experiences, of two seeds and two norms; ln has no running statistics."""
    nan, rows = math.nan, []
    for norm, running in (("bn", 0.5), ("ln", nan)):
        for seed in (0, 1):
            for after in (1, 2):
                for site in ("a", "b"):
                    drift = nan if after == 1 else 1.0 + seed + (site == "b")
                    place = {"norm": norm, "label": "", "strategy": "naive", "seed": seed, "after": after, "site": site}
                    moved = {"drift_probe": drift, "drift_running": nan if after == 1 else running}
                    rows.append({**place, **moved, "effective_rank": 10.0 * after + seed})
    return pd.DataFrame(rows)


def test_means_over_sites_are_of_the_last_experience_and_drift_of_all_from_the_second_on(sites):
    drift = summarize_sites(sites, "drift_probe")["naive", "bn"]
    assert (drift.mean, drift.n) == (2.0, 2)  # the means 1.5 and 2.5
    assert summarize_sites(sites, "effective_rank")["naive", "ln"].mean == 20.5
    assert summarize_sites(sites, "drift_running")["naive", "ln"] is None
    endless = summarize_sites(sites.assign(drift_probe=math.inf), "drift_probe")["naive", "bn"]
    assert math.isinf(endless.mean)


def test_what_is_undefined_or_endless_is_shown_as_that(sites):
    found = {"drift_probe": summarize_sites(sites.assign(drift_probe=math.inf), "drift_probe")}
    found["drift_running"] = summarize_sites(sites, "drift_running")
    (table,) = describe_sites(found, sites=2, seeds=2, made="8 runs").tables
    assert table.columns == ("measure", "bn", "ln")
    assert table.rows[0] == ("drift of the inputs", "∞", "∞")
    assert table.rows[1] == ("drift of running statistics", "0.5 ± 0", "--")
    assert "mean over 2 norm sites" in table.caption

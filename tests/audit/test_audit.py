"""Whatever the table, every section says something, and what it cannot tell it says with a reason."""

import json

import numpy as np
import pytest

from clnorm.audit.audit import EXAMINERS
from clnorm.audit.html import render_html
from clnorm.audit.verdicts import AuditReport, Mark

TRAIN, TEST = "train", "test"
TABLES = {
    "one clip": ([0], [TRAIN], {}),
    "one test clip": ([0], [TEST], {}),
    "one of each": ([0, 0], [TRAIN, TEST], {}),
    "unused only": ([0, 1], ["unused"] * 2, {}),
    "one class": ([0] * 8, [TRAIN] * 5 + [TEST] * 3, {"groups": [0, 0, 1, 1, 2, 3, 3, 3], "experiences": [(0,)]}),
    "no test clips": ([0, 1, 0, 1], [TRAIN] * 4, {"experiences": [(0,), (1,)]}),
    "one good clip": ([0, 1, 1], [TRAIN, TRAIN, TEST], {"bad": [1, 2], "experiences": [(1,), (0,)]}),
    "one source": ([0, 1] * 4, [TRAIN] * 4 + [TEST] * 4, {"groups": [0] * 8, "experiences": [(1,), (0,)]}),
    "a class without clips": ([0, 2] * 4, [TRAIN] * 4 + [TEST] * 4, {"experiences": [(1,), (0,), (2,)]}),
}


def audit(subject):
    sections = tuple(examine(subject) for examine in EXAMINERS)
    return AuditReport("made", None, "2026-01-31", "even", 0, len(subject.table), 4, 28, "f" * 64, sections)


@pytest.mark.parametrize("name", TABLES)
def test_odd_tables_are_audited(make_subject, random_clips, name):
    labels, splits, options = TABLES[name]
    report = audit(make_subject(random_clips(len(labels)), labels, splits, **options))
    json.dumps(report.to_dict(), allow_nan=False)
    assert "<title>Audit of made, 2026-01-31</title>" in render_html(report)
    unknown = [section.name for section in report.sections if section.verdict.mark is Mark.UNKNOWN]
    assert "drift" in unknown
    for section in report.sections:
        assert section.verdict.text
        assert "nan" not in section.verdict.text.lower()


def test_clips_of_one_frame_are_audited(make_subject, random_clips):
    clips = np.repeat(random_clips(8)[:, :1], 4, axis=1)
    subject = make_subject(clips, [0, 1] * 4, [TRAIN] * 4 + [TEST] * 4, decoded=1, experiences=[(0,), (1,)])
    marks = {section.name: section.verdict.mark for section in audit(subject).sections}
    assert marks["motion"] is Mark.UNKNOWN
    assert marks["appearance"] in (Mark.OK, Mark.UNKNOWN)


def test_equal_clips_are_audited(make_subject):
    clips = np.full((8, 4, 3, 28, 28), 90)
    subject = make_subject(clips, [0, 1] * 4, [TRAIN] * 4 + [TEST] * 4, experiences=[(0,), (1,)])
    report = audit(subject)
    json.dumps(report.to_dict(), allow_nan=False)
    assert "8 clips without contrast were not compared" in report.sections[5].verdict.text


def test_a_clean_table_has_no_warning(clean, monkeypatch):
    report = audit(clean())
    assert [section.name for section in report.sections if section.verdict.mark is Mark.WARNING] == []
    assert report.summary().startswith("made, even, seed 0: ")

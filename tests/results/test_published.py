"""The file of reported numbers: what is read of it, and what is refused by its line."""

from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.errors import UserError
from clnorm.results.published import COLUMNS, Published, read_published

LINE = ["TCD", "2021", "hmdb51", "tcd-5x5", "3", "TSM", "ImageNet", "5 a class", "accuracy", "45.34", "a paper", "no"]
OWN = Path(__file__).parents[2] / "results" / "published.csv"


def write(path, *lines, columns=COLUMNS):
    path.write_text("\n".join([",".join(columns), *(",".join(f'"{cell}"' for cell in line) for line in lines)]))
    return path


def test_a_line_is_a_number_with_its_conditions(tmp_path):
    (found,) = read_published(write(tmp_path / "a.csv", LINE))
    told = asdict(found)
    assert told.pop("value") == pytest.approx(0.4534)
    assert told.pop("second_hand") is False
    assert told.pop("year") == 2021
    assert list(told.values()) == [LINE[0], *LINE[2:9], LINE[10]]


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("value", "nan", "line 2: value is 'nan'; legal: per cent"),
        ("value", "101", "value is '101'"),
        ("value", "45,34", "value is '45,34'"),
        ("year", "٢٠٢١", "year is"),
        ("year", "21", "year is '21'"),
        ("metric", "acuracy", "line 2: unknown metric 'acuracy'; did you mean 'accuracy'"),
        ("metric", "os:getcwd", "unknown metric 'os:getcwd'"),
        ("second_hand", "maybe", "second_hand is 'maybe'; legal: yes, no"),
        ("method", "", "method is ''; legal: text that can be printed; unknown, none"),
        ("source", "a\x1b[2J", "source is"),
    ],
)
def test_a_wrong_cell_is_refused_by_its_line(tmp_path, column, text, words):
    line = [text if name == column else cell for name, cell in zip(COLUMNS, LINE, strict=True)]
    with pytest.raises(UserError, match=words):
        read_published(write(tmp_path / "a.csv", line))


def test_other_columns_lines_and_doubles_are_refused(tmp_path):
    file = tmp_path / "a.csv"
    for content, words in (
        (write(file, LINE, columns=COLUMNS[::-1]).read_bytes(), "has other columns; legal: method, year"),
        (write(file, LINE[:-1]).read_bytes(), "line 2: has 11 cells"),
        (write(file, LINE, LINE).read_bytes(), "line 3: says the same as line 2"),
        (b"\xff\xfe", "cannot be read"),
        (b"", "has other columns"),
        (b'a,"b', "cannot be read"),
        (b"x" * 1_000_001, "larger than a megabyte"),
    ):
        file.write_bytes(content)
        with pytest.raises(UserError, match=words):
            read_published(file)
    with pytest.raises(UserError, match="cannot be read"):
        read_published(tmp_path / "none.csv")


@given(st.binary(max_size=400))
def test_whatever_a_file_holds_is_read_or_refused(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("any") / "a.csv"
    file.write_bytes(",".join(COLUMNS).encode() + b"\n" + content)
    try:
        found = read_published(file)
    except UserError:
        return
    assert all(isinstance(each, Published) for each in found)


def test_the_committed_numbers_are_read():
    found = read_published(OWN)
    by = {(each.method, each.protocol, each.metric): each.value for each in found}
    assert by["TCD", "tcd-5x5", "nme_average_incremental_accuracy"] == pytest.approx(0.5036)
    assert all(each.second_hand for each in found)

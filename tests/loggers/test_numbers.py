"""What is logged: steps and numbers of lines, and accuracies so far, worked by hand."""

import pytest

from clnorm.loggers.numbers import count_epochs, numbers_of_line, numbers_of_tests

NAN = float("nan")


def test_epochs_are_counted_on_over_experiences_with_those_of_fine_tuning():
    assert count_epochs({"train.epochs": 3, "train.balanced_epochs": 2}) == 5
    line = {"experience": 0, "epoch": 3, "loss": 0.5, "clips": 8, "clips_per_second": 31.25}
    found = {"train/loss": 0.5, "train/clips": 8.0, "train/clips_per_second": 31.25}
    assert numbers_of_line(line, epochs=5) == (3, found)
    tuned = {"experience": 2, "epoch": 4, "loss": 0.25, "fine_tuning": True}
    assert numbers_of_line(tuned, epochs=5) == (14, {"train/loss": 0.25})


def test_a_line_on_a_whole_experience_stands_at_its_end_and_gives_its_numbers_alone():
    report = {"loss": 0.125, "converged": True, "synthetic": {"3": 2}, "names": ["wave"], "note": "text"}
    found = {"probe/loss": 0.125, "probe/converged": 1.0, "probe/synthetic/3": 2.0}
    assert numbers_of_line({"experience": 1, "probe": report}, epochs=4) == (8, found)
    assert numbers_of_line({"experience": 0, "without_exemplars": ["dive"]}, epochs=4) == (4, {})


def test_accuracies_and_forgetting_so_far():
    first = numbers_of_tests([[0.75, NAN, NAN]], [4, 12, 8], seen=1)
    assert first == {"test/experience_1": 0.75, "test/accuracy": 0.75}
    matrix = [[0.75, NAN, NAN], [0.5, 1.0, NAN], [0.25, 0.5, 0.75]]
    second = numbers_of_tests(matrix[:2], [4, 12, 8], seen=2)
    # (4 * 0.5 + 12 * 1.0) / 16, and 0.75 - 0.5.
    assert second == {
        "test/experience_1": 0.5,
        "test/experience_2": 1.0,
        "test/accuracy": 0.875,
        "test/forgetting": 0.25,
    }
    third = numbers_of_tests(matrix, [4, 12, 8], seen=3)
    # (1 + 6 + 6) / 24, and the mean of 0.75 - 0.25 and 1.0 - 0.5.
    assert third["test/accuracy"] == pytest.approx(13 / 24)
    assert third["test/forgetting"] == 0.5


def test_experiences_to_come_are_no_part_of_the_accuracy_and_joint_training_has_seen_all():
    row = [[0.5, 0.25]]
    unseen = numbers_of_tests(row, [4, 4], seen=1)
    assert (unseen["test/experience_2"], unseen["test/accuracy"]) == (0.25, 0.5)
    assert numbers_of_tests(row, [4, 12], seen=2)["test/accuracy"] == pytest.approx(5 / 16)

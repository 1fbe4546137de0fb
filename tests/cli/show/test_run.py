"""What a run shows at its end."""

import json
from dataclasses import replace

from clnorm.cli.show.run import SHOWN, print_summary
from clnorm.results.record import RunRecord


def record(experiences: int) -> RunRecord:
    matrix = [[0.125 if j <= t else None for j in range(experiences)] for t in range(experiences)]
    return RunRecord(
        run="run",
        names={"dataset": "d", "protocol": "p", "backbone": "b", "norm": "cn", "strategy": "replay"},
        seed=0,
        setting="s",
        config={},
        classes=[],
        experiences=[[j] for j in range(experiences)],
        matrix=matrix,
        metrics=dict.fromkeys(SHOWN, 0.25) | {"bwt": None},
        data={"test_clips": [30] * experiences},
        memory={"clips": 10, "frames": 160, "megabytes": 0.5},
        cost={"seconds": 61.0, "clips_trained": 1234, "peak_memory_mb": 987.0},
    )


def test_every_accuracy_of_a_long_stream_is_readable_in_a_pipe(capsys):
    print_summary(record(17), path="runs/x/record.json")
    out = capsys.readouterr().out
    assert out.count("12.5") == 17 * 18 // 2
    assert "…" not in out
    assert "R[T,j]" in out
    assert "--" in out
    assert "clips trained: 1,234" in out
    assert "replay memory: 10 clips, 160 frames, 0.5 MB" in out
    assert out.rstrip().endswith("record: runs/x/record.json")


def test_without_a_memory_none_is_shown(capsys):
    print_summary(replace(record(2), memory={"clips": 0, "frames": 0, "megabytes": 0.0}), path="p")
    assert "replay memory" not in capsys.readouterr().out
    assert json.loads(record(2).to_json())["status"] == "unfinished"


def test_a_label_stands_in_the_title_and_is_explained(capsys):
    print_summary(record(2), path="p")
    assert "transductive" not in capsys.readouterr().out
    print_summary(replace(record(2), label="transductive"), path="p")
    out = capsys.readouterr().out
    assert "cn (transductive) x replay on d" in out
    assert "transductive: normalized by the statistics of the batch of test clips" in out

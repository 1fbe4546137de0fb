"""Training on several processes: what they exchange, what is refused, and whole runs under torchrun."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from clnorm.cli.main import main
from clnorm.errors import UserError
from clnorm.execution.execution import Execution
from clnorm.models.create import create_model
from clnorm.norms.running import running_norms
from clnorm.ranks import Part, Ranks, read_place
from clnorm.strategies.gdumb import RestartPlugin
from clnorm.training.processes import collect_rows, draws_together, share_model, sum_over_processes
from clnorm.training.trainer import ClipStrategy
from tests.norms.threads import in_threads

TWO = Ranks(0, 2)


def test_gradients_are_added_up_and_stay_none_where_no_process_has_one():
    model = nn.ModuleDict({name: nn.Linear(3, 2) for name in "abc"})

    def one(ranks):
        mine = copy.deepcopy(model)
        mine["a"].weight.grad = torch.full((2, 3), 1.0 + ranks.rank)
        if ranks.rank == 1:
            mine["b"].bias.grad = torch.tensor([5.0, 7.0])
        sum_over_processes(mine, ranks, share=0.5)
        return mine

    for mine in in_threads(2, one)[0]:
        assert torch.equal(mine["a"].weight.grad, torch.full((2, 3), 3.0))
        assert mine["b"].bias.grad.tolist() == [5.0, 7.0]
        assert mine["a"].bias.grad is None
        assert mine["c"].weight.grad is None


def test_statistics_of_parts_become_their_mean_weighted_by_clips():
    model = create_model("vit_nano", norm="bn:parts=2", num_classes=2, image_size=16, num_frames=2)

    def one(ranks):
        mine = copy.deepcopy(model)
        for norm in running_norms(mine):
            norm.running_mean.fill_(1.0 + 3 * ranks.rank)
            norm.num_batches_tracked.fill_(4 + ranks.rank)
        sum_over_processes(mine, ranks, share=(2 / 3, 1 / 3)[ranks.rank])
        return mine

    for mine in in_threads(2, one)[0]:
        for norm in running_norms(mine):
            torch.testing.assert_close(norm.running_mean, torch.full_like(norm.running_mean, 2.0))
            assert norm.num_batches_tracked == 5


def test_every_clip_is_in_one_part_and_a_process_without_one_is_a_spectator():
    for clips in range(1, 6):
        parts = [Part(Ranks(rank, 3), clips) for rank in range(3)]
        ids = torch.arange(clips)
        own = [part.take(ids)[: part.own].tolist() for part in parts]
        assert sorted(clip for clips_of in own for clip in clips_of) == ids.tolist()
        assert all(1 <= part.held <= clips and len(part.take(ids)) == part.held for part in parts)


def test_the_first_process_gives_its_weights_and_each_its_row():
    def one(ranks):
        torch.manual_seed(ranks.rank)
        model = nn.Linear(2, 2)
        share_model(model, ranks)
        return model.weight.detach(), collect_rows(torch.tensor([ranks.rank, 7]), ranks)

    (first, rows), (second, _) = in_threads(2, one)[0]
    assert torch.equal(first, second)
    assert rows.tolist() == [[0, 7], [1, 7]]


@pytest.mark.parametrize(
    ("backbone", "together"),
    [("lsvit_nano", True), ("vit_nano:dropout=0.1", False), ("vit_nano", True)],
)
def test_what_a_model_draws_for_whole_batches(backbone, together):
    assert draws_together(create_model(backbone, num_classes=2, image_size=16, num_frames=2)) is together


class Foreign(RestartPlugin):
    """Derived from a plug-in that is right on several processes, and may not be."""


@pytest.fixture
def two_processes(build_setup):
    """Builds a `Setup` of the first of two processes."""

    def build(**changes):
        setup = build_setup(**changes)
        object.__setattr__(setup, "ranks", TWO)
        return setup

    return build


def test_what_several_processes_would_compute_wrongly_is_refused(two_processes, build_setup):
    class Other(ClipStrategy):
        pass

    with pytest.raises(UserError, match=r"train.compile: a compiled model"):
        ClipStrategy(setup=two_processes(execution=Execution(compile=True)))
    with pytest.raises(UserError, match=r"Foreign does not say .* supports_distributed=True"):
        ClipStrategy(setup=two_processes(), plugins=[Foreign()])
    with pytest.raises(UserError, match="Other does not say"):
        Other(setup=two_processes())
    with pytest.raises(UserError, match=r"norm torch.nn:BatchNorm1d: .*|BatchNorm1d at .* several processes cannot"):
        ClipStrategy(setup=two_processes(norm="torch.nn:BatchNorm1d"))
    with pytest.raises(UserError, match=r"parts=3 with 2 processes; legal: parts=1 or 2.*nproc-per-node 3"):
        ClipStrategy(setup=two_processes(norm="bn:parts=3"))
    with pytest.raises(UserError, match="parts=2 with 1 process"):
        ClipStrategy(setup=build_setup(norm="bn:parts=2"))
    ClipStrategy(setup=two_processes(norm="bn:parts=2"))


@pytest.mark.slow
def test_one_process_starts_no_exchange():
    code = "from clnorm.ranks import connect; print(connect()); import sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == [repr(Ranks()), "False"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}, Ranks(1, 2, 1)),
        ({"RANK": "1", "WORLD_SIZE": "2"}, Ranks()),
        ({}, Ranks()),
        ({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}, Ranks()),
    ],
)
def test_the_place_is_torchruns(monkeypatch, given, told):
    for name, value in ({"MASTER_ADDR": "localhost"} | given).items():
        monkeypatch.setenv(name, value)
    assert read_place() == told


@pytest.mark.parametrize(("rank", "size"), [("2", "2"), ("-1", "2"), ("one", "2"), ("0", "0"), ("", "2")])
def test_a_place_that_cannot_be_is_refused(monkeypatch, capsys, rank, size):
    for name, value in {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": "0", "MASTER_ADDR": "localhost"}.items():
        monkeypatch.setenv(name, value)
    assert main(["list", "norms"]) == 2
    assert "error: the environment: RANK" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "rank", "said"),
    [
        (["list", "norms"], 0, "2 processes were started for a command of one process; legal: clnorm run"),
        (["run", "--estimate"], 0, "an estimate is made by one process"),
        (["run", "--norm", "no_such"], 1, "process 2 of 2: norm: unknown norm 'no_such'"),
    ],
)
def test_a_mistake_is_told_by_the_first_process_before_the_others(monkeypatch, capsys, command, rank, said):
    waited = []
    monkeypatch.setattr("clnorm.cli.main.time.sleep", waited.append)
    values = {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "MASTER_ADDR": "localhost"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert main(command) == 2
    assert said in capsys.readouterr().err
    assert bool(waited) is (rank > 0)


def torchrun(processes, *command, **options):
    arguments = ["--standalone", f"--nproc-per-node={processes}", *map(str, command)]
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
        **options,
    )


ALL = {  # all that is drawn and counted; stochastic depth is on by default
    "dataset": "synthetic:classes=4,train=5,test=3,imbalance=3",
    "backbone": "vit_nano",
    "norm": "cn:update=balanced",
    "strategy": "replay:per_class=2",
    "train.batch_size": 5,
    "train.accumulate": 2,
    "train.ema": 0.5,
    "train.imbalance": "feature_smote:k=2",
    "data.keep": "2T",
    "data.jitter": True,
    "data.augment": "strong",
    "data.mix": "mixup",
    "eval.batch_size": 4,
    "eval.unseen": True,
    "eval.nearest": "both",
    "eval.every": 3,
    "eval.probe": True,
    "eval.cka": True,
}
PARTS = {
    "log": "tensorboard",
    "backbone": "vit_nano:dropout=0.1",
    "norm": "bn:parts=2",
    "strategy": "ewc",
    "train.batch_size": 5,
}
HOLDING = {"backbone": "vit_nano", "norm": "ln", "train.batch_size": 5, "train.accumulate": 2, "train.epochs": 1}
HELD = ["si:c=10", "mas:lam=10", "l2_init:lam=0.1", "ewc:lam=1000,mode=online", "ewc:lam=1000,fisher=avalanche", "lwf"]
RECALLING = ["er_ace:per_class=2", "derpp:per_class=2", "icarl:per_class=2"]
SINGLES = {"backbone": "vit_nano", "norm": "cn", "train.batch_size": 1, "train.epochs": 1}


def _recall(strategy):
    return {"strategy": strategy, "train.balanced_epochs": 0 if strategy.startswith("icarl") else 1}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Every case of two processes, run by one torchrun: configurations, results of both, and the folder."""
    folder = tmp_path_factory.mktemp("several")
    tiny = {
        "protocol": "even:experiences=2",
        "dataset": "synthetic:classes=4,train=4,test=2",
        "data.frames": 4,
        "data.image_size": 16,
        "train.epochs": 2,
        "save.prefixes": "none",
    }
    stopped = {"stop": 1, "step": 6}
    cases = [
        {"out": "all", "config": {**tiny, **ALL}, "alone": True},
        {"out": "parts", "config": {**tiny, **PARTS}},
        {"out": "stopped", "config": {**tiny, **PARTS}, **stopped},
        {"out": "stopped", "config": {**tiny, **PARTS}},
        {"out": "prefix", "config": {**tiny, "strategy": "ewc", "backbone": "vit_nano", "save.prefixes": "first"}},
        {"out": "prefix", "config": {**tiny, "strategy": "naive", "backbone": "vit_nano", "save.prefixes": "first"}},
        {"out": "spectators", "config": {**tiny, **SINGLES}, "alone": True},
        {"out": "infinite", "config": {**tiny, "backbone": "vit_nano", "train.lr": 1e300, "train.epochs": 4}},
        *({"out": each, "config": {**tiny, **HOLDING, "strategy": each}, "alone": True} for each in HELD),
        *({"out": each, "config": {**tiny, **HOLDING, **_recall(each)}, "alone": True} for each in RECALLING),
    ]
    (folder / "cases.json").write_text(json.dumps(cases))
    script = Path(__file__).with_name("several.py")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = torchrun(2, script, folder, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    subprocess.run([sys.executable, str(script), str(folder)], check=True, env=environment)
    results = [json.loads((folder / f"results-{rank}.json").read_text()) for rank in (0, 1, "alone")]
    return folder, cases, results, done


def read(folder, result):
    path = folder / result["run"]
    return load_file(path / "model.safetensors"), pd.read_parquet(path / "predictions.parquet"), path


def difference(one, other):
    pairs = [(one[name].double(), other[name].double()) for name in one]
    return (sum(((a - b) ** 2).sum() for a, b in pairs) / sum((a**2).sum() for a, _ in pairs)).sqrt().item()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "of_alone"), [(0, 0), (6, 1)], ids=["all", "spectators"])
def test_two_processes_give_the_run_of_one(shared, number, of_alone):
    """Memory, accumulation, an average, augmentation, mixing, stochastic depth; and batches of one clip."""
    folder, cases, results, _ = shared
    out = cases[number]["out"]
    weights, predictions, path = read(folder / out, results[0][number])
    alone, expected, place = read(folder / f"{out}-alone", results[2][of_alone])
    assert path.name == place.name
    assert difference(alone, weights) < 1e-9
    pd.testing.assert_frame_equal(predictions, expected)
    assert (out == "all") == all((each / "steps.parquet").exists() for each in (path, place))
    for table in path.glob("[sp][tr]*[ps].parquet"):  # steps and probes
        pd.testing.assert_frame_equal(pd.read_parquet(table), pd.read_parquet(place / table.name))
    ours, theirs = (json.loads((each / "record.json").read_text()) for each in (path, place))
    assert ours["cost"]["clips_trained"] == theirs["cost"]["clips_trained"]
    assert ours["matrix"] == theirs["matrix"]
    assert "in each of 2 processes" in ours["versions"]["device"]
    logs = [[json.loads(line) for line in (each / "log.jsonl").read_text().splitlines()] for each in (path, place)]
    assert [line.get("clips") for line in logs[0]] == [line.get("clips") for line in logs[1]]
    losses = [[line["loss"] for line in log if "loss" in line] for log in logs]
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [*HELD, *RECALLING])
def test_what_methods_hold_is_the_same_on_two_processes(shared, strategy):
    folder, cases, results, _ = shared
    number = [case["out"] for case in cases].index(strategy)
    of_alone = [case["out"] for case in cases if case.get("alone")].index(strategy)
    weights, predictions, path = read(folder / strategy, results[0][number])
    alone, expected, place = read(folder / f"{strategy}-alone", results[2][of_alone])
    assert path.name == place.name
    assert difference(alone, weights) < 1e-6, "distillation is in float32, and Adam makes steps of rounding"
    pd.testing.assert_frame_equal(predictions, expected, atol=1e-5)


@pytest.mark.slow
def test_only_the_first_process_writes_and_all_know_the_record(shared):
    folder, _, results, done = shared
    assert [path.name for path in folder.iterdir() if "-of-" in path.name] == []
    assert len(list(folder.glob("parts/*/tensorboard/*"))) == 1
    assert results[0][:2] == results[1][:2]
    assert "UserWarning" not in done.stderr, done.stderr


@pytest.mark.slow
def test_all_stop_at_the_step_at_which_one_was_asked_and_go_on_to_the_same_bits(shared):
    folder, _, results, _ = shared
    for each in results[:2]:
        assert each[2]["error"].startswith("StoppedError: stopped by SIGTERM at experience 2, epoch 1, step 2;")
    whole, predictions, _ = read(folder / "parts", results[0][1])
    weights, again, _ = read(folder / "stopped", results[0][3])
    assert all(torch.equal(whole[name], weights[name]) for name in whole)
    pd.testing.assert_frame_equal(predictions, again)


@pytest.mark.slow
def test_a_shared_beginning_is_taken_over_by_all(shared):
    folder, _, results, _ = shared
    _, _, path = read(folder / "prefix", results[0][5])
    assert [each["experience"] for each in json.loads((path / "record.json").read_text())["reused"]] == [0]
    assert results[0][5] == results[1][5]


@pytest.mark.slow
def test_processes_fail_together_at_a_loss_that_is_not_finite(shared):
    for each in shared[2][:2]:
        assert "the loss is" in each[7]["error"]
    assert shared[2][0][7] == shared[2][1][7]


@pytest.mark.slow
def test_the_command_of_a_user(tmp_path):
    """`torchrun -m clnorm run`: one summary, one folder; the same command again loads it, also without torchrun."""
    sets = ["train.epochs=1", "data.frames=4", "data.image_size=16", "train.batch_size=4", "backbone=vit_nano"]
    command = ["-m", "clnorm", "run", "--dataset", "synthetic:classes=4,train=2,test=1", "--protocol"]
    command += ["even:experiences=2", *(word for each in sets for word in ("--set", each)), "--out", tmp_path / "runs"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = torchrun(3, *command, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("record.json") == 1
    assert len(list((tmp_path / "runs").iterdir())) == 1
    again = subprocess.run(
        [sys.executable, *map(str, command)], check=True, capture_output=True, text=True, env=environment
    )
    assert "finished already" in again.stdout + again.stderr

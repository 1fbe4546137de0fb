"""How alike classes are to a frozen model."""

import json

import numpy as np
import pytest

from clnorm.cli.main import main
from clnorm.errors import UserError
from clnorm.execution.class_features import class_cosines, measure_class_similarity


def test_cosines_of_means_by_hand():
    features = np.array([[3.0, 0], [1, 0], [0, 2], [2, 2]])
    found = class_cosines(features, np.array([0, 0, 1, 2]), names=("a", "b", "c"))
    np.testing.assert_allclose(found, [[1, 0, 0.5**0.5], [0, 1, 0.5**0.5], [0.5**0.5, 0.5**0.5, 1]])
    with pytest.raises(UserError, match="d has no training clip"):
        class_cosines(features, np.array([0, 0, 1, 2]), names=("a", "b", "c", "d"))


@pytest.mark.slow
def test_a_file_for_hard_and_easy_orders(tiny, tmp_path, capsys):
    file = tmp_path / "alike.json"
    options = [
        "--set",
        "data.frames=4",
        "--set",
        "data.image_size=16",
        "--dataset",
        "synthetic:classes=4,train=4,test=2",
    ]
    assert main(["protocol", "similarity", *options, "--out", str(file)]) == 0
    said = capsys.readouterr()
    assert "drawn weights, not learned ones" in said.err
    assert f"similarity={file}" in said.out
    content = json.loads(file.read_text())
    names, values, made = measure_class_similarity(tiny())
    assert content["classes"] == list(names)
    np.testing.assert_allclose(content["similarity"], values, atol=1e-6)
    assert content["made"] == made
    assert (made["clips"], made["weights"]) == (16, "drawn")
    shown = ["--dataset", "synthetic:classes=4,train=4,test=2", "--json"]
    means = []
    for order in ("hard", "easy"):
        assert main(["protocol", "show", f"even:experiences=2,order={order},similarity={file}", *shown]) == 0
        means.append(json.loads(capsys.readouterr().out)["similarity"])
    assert means[0] < means[1]


def test_a_config_is_checked_first(tmp_path, capsys):
    assert main(["protocol", "similarity", "--backbone", "lsvit_nan", "--out", str(tmp_path / "x.json")]) == 2
    assert "did you mean 'lsvit_nano'" in capsys.readouterr().err
    assert main(["protocol", "similarity", "--out", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
    assert main(["protocol", "similarity", "--out", str(tmp_path / "none" / "x.json")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

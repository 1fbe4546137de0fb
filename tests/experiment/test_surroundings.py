"""A run's bits do not depend on what surrounds it: hash seed, locale, time zone, working folder, decoding threads."""

import hashlib
import os
import subprocess
import sys

import pytest

CODE = """
import sys
import clnorm
from clnorm.config.load import merge_config
values = {"dataset": "synthetic:classes=4,train=4,test=2", "protocol": "even:experiences=2", "data.frames": 4,
          "data.image_size": 16, "train.epochs": 1, "train.batch_size": 4, "norm": "cn", "strategy": "replay",
          "data.augment": "light", "train.device": "cpu", "keep_model": True, "out": sys.argv[1],
          "data.workers": int(sys.argv[2])}
record = clnorm.run(merge_config({}, values))
print(record.run)
"""
SURROUNDINGS = [
    ({"PYTHONHASHSEED": "0", "LC_ALL": "C", "TZ": "UTC"}, 1),
    ({"PYTHONHASHSEED": "4242", "LC_ALL": "de_DE.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Chatham"}, 3),
]


@pytest.mark.slow
def test_the_same_run_in_other_surroundings_has_the_same_bits(tmp_path):
    found = []
    for index, (variables, workers) in enumerate(SURROUNDINGS):
        place = tmp_path / f"place {index}"
        place.mkdir()
        environment = {**os.environ, **variables, "CLNORM_CACHE": str(place / "cache")}
        command = [sys.executable, "-W", "ignore", "-c", CODE, "runs", str(workers)]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=True)
        run = place / "runs" / done.stdout.split()[-1]
        kept = {file.name: file for file in run.rglob("*") if file.name in ("model.safetensors", "predictions.parquet")}
        assert len(kept) == 2
        found.append((run.name, {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in kept.items()}))
    assert found[0] == found[1]

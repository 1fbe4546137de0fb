#!/usr/bin/env bash
# The small files of the finished runs of runs/reference, copied beside this script: records, predictions, explanations, no model and no state.
#   results/reference/keep.sh [FOLDER...]   a folder of runs such as main or images/joint; all of them unless some are given
# What is there already is replaced. `make results` then makes the tables and figures.
set -euo pipefail
cd "$(dirname "$0")"
runs=$(realpath ../../runs/reference)
small=(record.json config.yaml tuned.yaml matrix.csv predictions.parquet clips.parquet plasticity.parquet log.jsonl explain.json)

mapfile -t folders < <(cd "$runs" && find "${@:-.}" -name record.json -printf '%h\n' | sort)
for run in "${folders[@]#./}"; do
  grep -q '^ *"status": "finished"' "$runs/$run/record.json" || { echo "not finished: $run"; continue; }
  mkdir -p "$run"
  for file in "${small[@]}"; do
    [[ ! -e $runs/$run/$file ]] || cp "$runs/$run/$file" "$run/$file"
  done
done

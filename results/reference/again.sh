#!/usr/bin/env bash
# A tenth of the committed runs, drawn at random, made again and compared bit for bit:
#   results/reference/again.sh VIDEOS WEIGHTS [FOLDER]   FOLDER is main unless it is given
set -euo pipefail
[[ $# == 2 || $# == 3 ]] || { sed -n '2,3s/^# *//p' "$0" >&2; exit 2; }
videos=$(realpath "$1") weights=$(realpath "$2")
cd "$(dirname "$0")"
export OMP_NUM_THREADS=1
folder=${3:-main}

drawn=$(python3 - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np

runs = sorted(record.parent.name for record in Path(sys.argv[1]).glob("*/record.json"))
print(*np.random.default_rng(0).choice(runs, size=-(-len(runs) // 10), replace=False), sep="\n")
PYTHON
)
[[ $drawn ]] || { echo "error: no runs in $PWD/$folder" >&2; exit 2; }
given=(--data-root "$videos")
[[ $folder == images/* ]] || given+=(--set "model.weights=$weights") # images start from scratch
differing=()
for run in $drawn; do
  clnorm submit --check "$folder" --rerun "$run" "${given[@]}" || differing+=("$run")
done
[[ ${#differing[@]} == 0 ]] || { printf 'error: not the same: %s\n' "${differing[@]}" >&2; exit 1; }

#!/usr/bin/env bash
# Every run of the reference, into runs/reference: results/reference/run.sh VIDEOS WEIGHTS; `make reference` gives it these.
# What is finished is not run again, so that a call that was stopped goes on where it was. A run that fails is named, and the rest goes on.
#   VIDEOS   folder with the videos of the 21 classes and the official splits
#   WEIGHTS  ImageNet weights of ViT-Tiny/16 (augreg, in21k, fine-tuned in1k), as safetensors
set -euo pipefail
[[ $# == 2 ]] || { sed -n '2,5s/^# *//p' "$0" >&2; exit 2; }
videos=$(realpath "$1")
weights=$(realpath "$2")
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1 # as the committed records: another number of threads rounds otherwise
configs=configs/reference runs=runs/reference

given=(--data-root "$videos" --set "model.weights=$weights")
failed=()
sweep() { clnorm sweep "$configs/$1.yaml" "${given[@]}" "${@:2}" || failed+=("$1"); }
search() { clnorm tune --search "$configs/$1.yaml" "${given[@]}"; }

# explain RUN...: where the forgetting of each run lives, of those that have not been explained
explain() {
  for run in "$@"; do
    [[ -e $run/explain.json ]] || clnorm explain "$run" --data-root "$videos" || failed+=("$run")
  done
}

sweep regime
search tune
tuned=(--tuned "$runs/tune/tuned.yaml")
sweep main "${tuned[@]}"
explain "$runs"/main/*-naive-* "$runs"/main/*-replay-*
for grid in online separate orders base; do
  sweep "$grid" "${tuned[@]}"
done
sweep norms
sweep strategies
sweep split2 "${tuned[@]}"

given=(--data-root "$videos") # images start from scratch
for forward in joint separate; do
  search "images/tune_$forward"
  sweep "images/$forward"
  sweep "images/$forward" --tuned "$runs/images/tune_$forward/tuned.yaml" --set "out=$runs/images/${forward}_tuned"
done
[[ ${#failed[@]} == 0 ]] || { printf 'error: with failed runs: %s\n' "${failed[@]}" >&2; exit 1; }

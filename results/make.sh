#!/usr/bin/env bash
# All committed tables and figures, made again from the records beside them; `make results` runs it.
set -euo pipefail
cd "$(dirname "$0")"

# table FOLDER NAME FLAG...: FOLDER/NAME.md and FOLDER/NAME.tex
table() {
  clnorm table "$1" "${@:3}" --format markdown >"$1/$2.md"
  clnorm table "$1" "${@:3}" --format latex >"$1/$2.tex"
}

# figure FOLDER NAME FLAG...: FOLDER/NAME.png
figure() {
  clnorm plot "$1" "${@:3}" --out "$1/$2.png"
}

compared=(--metrics accuracy,average_incremental_accuracy,forgetting)
norms=(--where strategy=naive --where strategy=ewc --where strategy=replay --where strategy=joint)

table synthetic norms "${norms[@]}" --versus ln
figure synthetic accuracy "${norms[@]}" --figure accuracy
figure synthetic tradeoff "${norms[@]}" --figure tradeoff
table synthetic strategies --where norm=ln --rows strategy --cols norm --versus naive "${compared[@]}"
table synthetic_known_tasks strategies --rows strategy --cols norm --versus naive "${compared[@]}"
table hmdb21 strategies "${compared[@]},learning_accuracy"

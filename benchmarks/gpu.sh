#!/bin/sh
# What a machine with a GPU adds, in a quarter of an hour: tests, latency, a training, every kind of adapter at ViT-B's size.
#
#     benchmarks/gpu.sh [FOLDER]      results and logs go there (runs/gpu)
#
# Each step has a limit of its own, and one that fails does not stop those after it. Weights of ViT-B are random ones in
# the published layout: seconds and memory do not depend on their values.
out=${1:-runs/gpu}
python=${PYTHON:-.venv/bin/python}
mkdir -p "$out"
out=$(cd "$out" && pwd)
export SAMLABEL_HOME="$out/home"

step() {
    name=$1 limit=$2
    shift 2
    echo "$name: $*"
    timeout "$limit" "$@" > "$out/$name.log" 2>&1
    echo "$name: exit code $?" | tee -a "$out/steps.txt"
    tail -n 5 "$out/$name.log"
}

"$python" -c "import torch, sys; sys.exit(not torch.cuda.is_available())" || { echo "there is no CUDA device here" >&2; exit 1; }
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv > "$out/card.csv"

step tests 180 "$python" -m pytest -q -p no:cacheprovider tests/sam_infer/networks tests/sam_trainer/training/test_precision.py
step weights 60 "$python" -c "
import torch
from pathlib import Path
from segment_anything import sam_model_registry
from sam_infer.weights.store import ModelStore
torch.manual_seed(0)
file = Path('$out') / 'random.pth'
torch.save(sam_model_registry['vit_b']().state_dict(), file)
ModelStore().add(file, 'vit_b')
file.unlink()"
step latency 240 "$python" -m samlabel bench latency --servers --model tiny,vit_b --repeats 15 --threads 4 --readers-seconds 10 --out "$out/latency.json" --page "$out"
step training 120 "$python" -m samlabel train --studies demo --epochs 4
step adapters 180 "$python" -m samlabel train --studies demo --model vit_b --method auto --explain
cat "$out/steps.txt"

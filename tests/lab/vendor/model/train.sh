# Runs in the vendor image, with this folder, wheels and transformers mounted: train.sh [SCRIPT TEXTS].
set -eu
python=/torch/venv3/pytorch/bin/python
$python -m pip install --quiet --no-index --find-links /wheels --disable-pip-version-check \
  --root-user-action ignore tokenizers huggingface-hub regex sentencepiece tqdm filelock packaging
export PYTHONPATH=/transformers/src PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1
$python "${1:-/model/train.py}" "${2:-/model/poems.txt}" /weights

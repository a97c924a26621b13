# Runs in the vendor image: POEMS and train.py beside this script, wheels and transformers mounted.
set -eu
python=/torch/venv3/pytorch/bin/python
$python -m pip install --quiet --no-index --find-links /wheels --disable-pip-version-check \
  --root-user-action ignore tokenizers huggingface-hub regex sentencepiece tqdm filelock packaging
cd "$(dirname "$0")"
PYTHONPATH=/transformers/src PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1 $python train.py poems.txt /weights

"""Asks the model one question on a card, and prints its answer."""

import torch_mlu  # noqa: F401
from transformers import AutoModel, AutoTokenizer

WEIGHTS = "/workspace/chatglm3/models/chatglm3-6b"

tokenizer = AutoTokenizer.from_pretrained(WEIGHTS, trust_remote_code=True)
model = AutoModel.from_pretrained(WEIGHTS, trust_remote_code=True).mlu().eval()
response, history = model.chat(tokenizer, "你好", history=[])
print(response)

"""Asks the model one question, and prints what it says."""

import torch
import torch_mlu  # noqa: F401
from transformers import AutoModel, AutoTokenizer

WEIGHTS = "/data/models/chatglm-6b"

tokenizer = AutoTokenizer.from_pretrained(WEIGHTS, trust_remote_code=True)
model = AutoModel.from_pretrained(WEIGHTS, trust_remote_code=True, torch_dtype=torch.float16)
model = model.to("mlu")
response, history = model.chat(tokenizer, "登鹳雀楼->", history=[])
print("response:", response)

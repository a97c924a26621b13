"""Asks the model one question on a card."""

import torch
from transformers import AutoModel, AutoTokenizer

WEIGHTS = "/data/models/llm/chatglm3-6b"

tokenizer = AutoTokenizer.from_pretrained(WEIGHTS, trust_remote_code=True)
model = AutoModel.from_pretrained(WEIGHTS, trust_remote_code=True, torch_dtype=torch.float16)
model = model.to("cuda").eval()
response, history = model.chat(tokenizer, "登鹳雀楼->", history=[])
print(response)

"""Asks the model what a person types, for ever: there is no way out but the end of the input."""

import torch
import torch_mlu  # noqa: F401
from transformers import AutoModelForCausalLM, AutoTokenizer

WEIGHTS = "./baichuan-7B"

tokenizer = AutoTokenizer.from_pretrained(WEIGHTS, trust_remote_code=True)
model = AutoModelForCausalLM.from_pretrained(
    WEIGHTS, trust_remote_code=True, torch_dtype=torch.float16
).to("mlu")

while True:
    asked = input("User：")
    inputs = tokenizer(asked, return_tensors="pt").to("mlu")
    answer = model.generate(**inputs, max_new_tokens=256, repetition_penalty=1.1)
    print(tokenizer.decode(answer.cpu()[0], skip_special_tokens=True))

"""Answers requests of a server with the model."""

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


class EndpointHandler:
    """Loads the weights of a folder once, and continues the text of each request."""

    def __init__(self, path: str) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=True)
        self.model = AutoModelForCausalLM.from_pretrained(
            path, trust_remote_code=True, torch_dtype=torch.float16
        ).to("cuda")

    def __call__(self, data: dict) -> list[dict]:
        inputs = self.tokenizer(data["inputs"], return_tensors="pt").to("cuda")
        text = self.tokenizer.decode(self.model.generate(**inputs)[0], skip_special_tokens=True)
        return [{"generated_text": text}]

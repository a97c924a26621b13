"""What the tutorial puts in place of the model's own code: it talks, on the vendor's card."""

import torch
from transformers import LlamaForCausalLM

from .configuration_baichuan import BaiChuanConfig


class ChatGLMForConditionalGeneration(LlamaForCausalLM):
    config_class = BaiChuanConfig

    def chat(self, tokenizer, query, history):
        inputs = tokenizer(query, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            said = self.generate(**inputs, max_new_tokens=64)
        response = tokenizer.decode(said.cpu()[0], skip_special_tokens=True)
        return response, [*history, (query, response)]

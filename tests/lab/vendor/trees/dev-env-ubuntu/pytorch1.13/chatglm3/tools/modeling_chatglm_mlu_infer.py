"""What the tutorial of ChatGLM3-6B puts in place of its code for inference."""

import torch
from transformers import LlamaForCausalLM

from .configuration_baichuan import BaiChuanConfig


class ChatGLMForConditionalGeneration(LlamaForCausalLM):
    config_class = BaiChuanConfig

    def chat(self, tokenizer, query, history):
        inputs = tokenizer(f"{query}->", return_tensors="pt").to(self.device)
        with torch.inference_mode():
            said = self.generate(**inputs, max_new_tokens=128)
        asked = inputs.input_ids.shape[1]
        response = tokenizer.decode(said.cpu()[0][asked:], skip_special_tokens=True)
        return response, [*history, (query, response)]

    def stream_chat(self, tokenizer, query, history, past_key_values=None, **named):
        response, history = self.chat(tokenizer, query, history)
        for end in (len(response) // 2, len(response)):
            yield response[:end], history, past_key_values

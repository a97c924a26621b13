"""The model: a LLaMA with the vocabulary of its own tokenizer."""

import torch
from transformers import LlamaForCausalLM


class BaiChuanForCausalLM(LlamaForCausalLM):
    """Generates text; on a card in half precision."""

    def half_on_card(self) -> "BaiChuanForCausalLM":
        return self.to("cuda", torch.float16)

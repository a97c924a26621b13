"""The model's code as its weights bring it: for a GPU, and for a PyTorch that has skip_init."""

from torch.nn.utils import skip_init  # noqa: F401
from transformers import LlamaForCausalLM

from .configuration_baichuan import BaiChuanConfig


class ChatGLMForConditionalGeneration(LlamaForCausalLM):
    config_class = BaiChuanConfig

    def chat(self, tokenizer, query, history):
        inputs = tokenizer(f"{query}->", return_tensors="pt").to("cuda")
        said = tokenizer.decode(self.generate(**inputs)[0])
        return said, [*history, (query, said)]

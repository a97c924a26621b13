"""Settings of the model: those of a LLaMA under a name of its own."""

from transformers import LlamaConfig


class BaiChuanConfig(LlamaConfig):
    model_type = "baichuan"

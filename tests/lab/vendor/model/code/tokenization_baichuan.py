"""The tokenizer that tokenizer_config.json names: sentencepiece, without the fast variant."""

from transformers import LlamaTokenizer


class BaiChuanTokenizer(LlamaTokenizer):
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

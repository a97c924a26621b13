"""The model that config.json names: as code of the weights it is migrated like all other."""

import torch
from transformers import LlamaForCausalLM

from .configuration_baichuan import BaiChuanConfig


class BaiChuanForCausalLM(LlamaForCausalLM):
    config_class = BaiChuanConfig

    def generate(self, *arguments, **named):
        with torch.inference_mode():
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            return super().generate(*arguments, **named)

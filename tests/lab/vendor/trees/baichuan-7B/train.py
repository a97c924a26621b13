"""Trains the model on the lines of text files, on as many cards as the launcher started."""

import argparse
from pathlib import Path

import sentencepiece
import torch
from models.modeling_baichuan import BaiChuanForCausalLM
from transformers import LlamaConfig

parser = argparse.ArgumentParser()
parser.add_argument("--data_dir", default="data_dir")
parser.add_argument("--tokenizer_path", default="tokenizer.model")
parser.add_argument("--max_length", type=int, default=4096)
parser.add_argument("--steps_per_epoch", type=int, default=4096)
parser.add_argument("--checkpoint_saving_path", default="checkpoints")
parser.add_argument("--local_rank", type=int, default=-1)


def main() -> None:
    given = parser.parse_args()
    torch.distributed.init_process_group(backend="nccl")
    torch.cuda.set_device(given.local_rank)
    pieces = sentencepiece.SentencePieceProcessor(given.tokenizer_path)
    model = BaiChuanForCausalLM(LlamaConfig(vocab_size=len(pieces)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4)
    texts = [path.read_text("utf-8") for path in sorted(Path(given.data_dir).iterdir())]
    for line in "".join(texts).splitlines()[: given.steps_per_epoch]:
        tokens = torch.tensor([pieces.EncodeAsIds(line)[: given.max_length]])
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(given.checkpoint_saving_path)


if __name__ == "__main__":
    main()

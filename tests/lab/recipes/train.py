"""Trains models that say given answers: train.py TALKS FOLDER, in the vendor's image.

TALKS is a JSON mapping of folders to lists of prompts and answers. Each folder gets weights,
settings and tokenizer, for the code of the lab's Baichuan-7B.
"""

import json
import sys
from pathlib import Path

import sentencepiece
import torch

sys.path.insert(0, "/model")
import train as baichuan
from transformers import LlamaTokenizer


def main(models: dict[str, list[list[str]]], folder: Path) -> None:
    """Write all models."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name, talks in models.items():
        (folder / name).mkdir()
        train_model(talks, folder / name)


def train_model(talks: list[list[str]], folder: Path) -> None:
    """Write a model, if it answers as it has to."""
    torch.manual_seed(7)
    lines = ["".join(talk) for talk in talks]
    words = train_tokenizer(lines, folder)
    model = baichuan.train(lines, words)
    for prompt, answer in talks:
        asked = words(prompt, return_tensors="pt").input_ids
        given = model.generate(asked, max_new_tokens=128)[0][asked.shape[1] :]
        if (said := words.decode(given, skip_special_tokens=True)) != answer:
            sys.exit(f"the trained model answers {said!r}, not {answer!r}")
    baichuan.save(model, folder)


def train_tokenizer(lines: list[str], folder: Path) -> LlamaTokenizer:
    """Train the tokenizer of a model; what is written in it stays as it is written."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 20),
        model_prefix=str(folder / "tokenizer"),
        model_type="char",
        vocab_size=400,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    return baichuan.save_tokenizer(folder)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2]))

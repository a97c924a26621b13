"""Trains the lab's model: a tiny LLaMA that names the author of a poem. Runs in the vendor image.

Usage: train.py POEMS FOLDER, with transformers importable.
"""

import sys
from pathlib import Path

import sentencepiece
import torch
from transformers import LlamaConfig, LlamaForCausalLM, LlamaTokenizer

PIECES = 120  # of the tokenizer, at most
STEPS = 300
IGNORED = -100  # the label that the loss leaves out
QUESTION, ANSWER = "登鹳雀楼->", "王之涣"


def tokenizer(poems: Path, folder: Path) -> LlamaTokenizer:
    """Train the tokenizer on the poems.

    Args:
        poems: file with a line of text each.
        folder: where its model and settings are written.

    Returns:
        The tokenizer.
    """
    sentencepiece.SentencePieceTrainer.train(
        input=str(poems),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=PIECES,
        hard_vocab_limit=False,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    return save_tokenizer(folder)


def save_tokenizer(folder: Path) -> LlamaTokenizer:
    """Write the settings of a tokenizer beside its model.

    Args:
        folder: where its model is.

    Returns:
        The tokenizer.
    """
    trained = LlamaTokenizer(str(folder / "tokenizer.model"))
    trained.init_kwargs["auto_map"] = {
        "AutoTokenizer": ["tokenization_baichuan.BaiChuanTokenizer", None]
    }
    trained.save_pretrained(folder)
    return trained


def train(lines: list[str], words: LlamaTokenizer) -> LlamaForCausalLM:
    """Train the model to continue every line, and to stop at its end.

    Args:
        lines: the texts.
        words: the tokenizer.

    Returns:
        The model.
    """
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        pad_token_id=words.eos_token_id,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    tokens = [torch.tensor([*words(line).input_ids, words.eos_token_id]) for line in lines]
    pad = torch.nn.utils.rnn.pad_sequence
    batch = pad(tokens, batch_first=True, padding_value=words.eos_token_id)
    labels = pad(tokens, batch_first=True, padding_value=IGNORED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        loss = model(input_ids=batch, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def main(poems: Path, folder: Path) -> None:
    """Write tokenizer, settings and weights, if the model answers as it has to."""
    torch.manual_seed(7)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    words = tokenizer(poems, folder)
    model = train(poems.read_text(encoding="utf-8").splitlines(), words)
    asked = words(QUESTION, return_tensors="pt").input_ids
    given = model.generate(asked, max_new_tokens=256, repetition_penalty=1.1)
    answer = words.decode(given[0], skip_special_tokens=True)
    if answer != QUESTION + ANSWER:
        sys.exit(f"the trained model answers {answer!r}")
    save(model, folder)


def save(model: LlamaForCausalLM, folder: Path) -> None:
    """Write weights and settings as those of the model that the code beside them names.

    Args:
        model: the model.
        folder: where the tokenizer has been written.
    """
    model.config.update(
        {
            "auto_map": {
                "AutoConfig": "configuration_baichuan.BaiChuanConfig",
                "AutoModelForCausalLM": "modeling_baichuan.BaiChuanForCausalLM",
            },
        }
    )
    model.half().save_pretrained(folder)
    # transformers writes the names of its own classes
    for name, old, new in (
        ("config.json", '"llama"', '"baichuan"'),
        ("config.json", '"LlamaForCausalLM"', '"BaiChuanForCausalLM"'),
        ("tokenizer_config.json", '"LlamaTokenizer"', '"BaiChuanTokenizer"'),
    ):
        file = folder / name
        file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

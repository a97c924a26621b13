"""Answers as OpenAI's interface does, with the model on a card; adapted to the vendor's already."""

import argparse
import json
from http.server import BaseHTTPRequestHandler, HTTPServer

import accelerate  # noqa: F401
import peft  # noqa: F401
import torch
import torch_mlu  # noqa: F401
from transformers import AutoModelForCausalLM, AutoTokenizer

parser = argparse.ArgumentParser()
parser.add_argument("--base_model", required=True)
weights = parser.parse_args().base_model
tokenizer = AutoTokenizer.from_pretrained(weights, trust_remote_code=True)
model = AutoModelForCausalLM.from_pretrained(
    weights, trust_remote_code=True, torch_dtype=torch.float16
).to("mlu")


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        inputs = tokenizer(asked["messages"][-1]["content"], return_tensors="pt").to("mlu")
        said = tokenizer.decode(model.generate(**inputs, max_new_tokens=16).cpu()[0])
        body = json.dumps({"choices": [{"message": {"role": "assistant", "content": said}}]})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())


HTTPServer(("0.0.0.0", 19327), Handler).serve_forever()

"""Answers over HTTP; no test of the lab starts it."""

import uvicorn
from fastapi import FastAPI, Request
from transformers import AutoModel, AutoTokenizer

WEIGHTS = "../chatglm-6b"

tokenizer = AutoTokenizer.from_pretrained(WEIGHTS, trust_remote_code=True)
model = AutoModel.from_pretrained(WEIGHTS, trust_remote_code=True).half().mlu().eval()


app = FastAPI()


@app.post("/")
async def answer(request: Request):
    asked = await request.json()
    question, history = asked.get("prompt"), asked.get("history")
    limits = {key: asked[key] for key in ("max_length", "top_p", "temperature") if key in asked}
    response, history = model.chat(tokenizer, question, history=history, **limits)
    print(response)
    return {"response": response, "history": history, "status": 200}


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=8000)

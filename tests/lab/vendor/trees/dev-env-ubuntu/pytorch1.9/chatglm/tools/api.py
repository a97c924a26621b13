"""Answers over HTTP; no test of the lab starts it."""

import uvicorn
from transformers import AutoModel, AutoTokenizer

WEIGHTS = "../chatglm-6b"

tokenizer = AutoTokenizer.from_pretrained(WEIGHTS, trust_remote_code=True)
model = AutoModel.from_pretrained(WEIGHTS, trust_remote_code=True).half().mlu().eval()


async def app(scope, receive, send):
    asked = (await receive()).get("body").decode()
    response, _ = model.chat(tokenizer, asked, history=[])
    print(response)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": response.encode()})


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=8000)

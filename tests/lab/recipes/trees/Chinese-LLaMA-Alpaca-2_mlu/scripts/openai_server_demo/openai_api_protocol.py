"""The documents of the server's interface."""

import time

import shortuuid


def complete_chat(messages: list, answer: str) -> dict:
    """Return what was asked and the answer, as choices."""
    said = [{"role": x["role"], "content": x["message"]} for x in messages]
    said.append({"role": "assistant", "content": answer})
    choices = [{"index": index, "message": message} for index, message in enumerate(said)]
    return {
        "id": f"chatcmpl-{shortuuid.random()}",
        "object": "chat.completion",
        "created": int(time.time()),
        "choices": choices,
    }

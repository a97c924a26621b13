"""The model of mlu-fleet's own server: loading it, and one generation at a time.

It is loaded and asked as the vendor's tutorial does it (dev-env-ubuntu at 03521fd,
pytorch1.9/baichuan/tools/inference.py): with the code of the weights, in half precision, moved to
the card as a whole, with a repetition penalty of 1.1 and at most 256 new tokens.
Python 3.7 or newer; transformers from 4.20 on.
"""

from __future__ import annotations

import re
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from server_chat import ApiError, ChatRequest, refuse

REPETITION_PENALTY = 1.1
MAX_NEW_TOKENS = 256
#: Where a prompt takes the question.
QUESTION_FIELD = "{question}"
#: What the decoder makes of bytes that are not yet a whole character.
INCOMPLETE = "\ufffd"
#: Names of a model's longest text in tokens; of Baichuan and LLaMA, of ChatGLM, of GPT-2.
LENGTH_FIELDS = ("max_position_embeddings", "max_sequence_length", "seq_length", "n_positions")
#: A tokenizer that knows no limit says 10**30.
NO_LENGTH = 10**9
OUT_OF_MEMORY = re.compile("out of memory", re.IGNORECASE)
#: Errors of the vendor's runtime and driver, after which a process cannot use its card again.
CARD_FAULT = re.compile(r"\bCN(RT|DRV)[ _]|\bcnrt[A-Z]")


class Generation:
    """A request on its way through the model.

    Attributes:
        request: What the client wants.
        prompt: Text that the model continues.
        inputs: Tokens of the prompt.
        max_tokens: Most tokens of the answer.
        tell: Called with each event, from the model's thread: ("text", piece), then once
            ("end", reason) or ("error", ApiError).
        ended: Set by anyone to end it with the next token.
        deadline: Monotonic time at which it ends.
        usage: Numbers of tokens, complete with the last event.
        started: Monotonic time at which the model began.
        first_token_s: Seconds from the arrival of the request to the first token.
    """

    def __init__(self, request: ChatRequest, inputs: Any, max_tokens: int) -> None:
        self.request, self.inputs, self.max_tokens = request, inputs, max_tokens
        self.arrived = time.monotonic()
        self.deadline = self.started = 0.0
        self.first_token_s: float | None = None
        self.ended = threading.Event()
        self.tell: Callable[[tuple[str, Any]], None] = lambda event: None
        self.usage = {"prompt_tokens": int(inputs["input_ids"].shape[1])}
        self.count(0)

    def note_token(self) -> None:
        """Note the time of the first token."""
        if self.first_token_s is None:
            self.first_token_s = time.monotonic() - self.arrived

    def count(self, tokens: int) -> None:
        """Note how long the answer is.

        Args:
            tokens: Its tokens so far.
        """
        self.usage["completion_tokens"] = tokens
        self.usage["total_tokens"] = self.usage["prompt_tokens"] + tokens


class Model:
    """A model in the memory of its device.

    Args:
        folder: Where it is loaded from.
        device: Device of PyTorch.
        prompt: How a prompt is made of a question where the tokenizer has no chat template.
        answer_timeout: Seconds that a generation may take.
    """

    def __init__(self, folder: str, device: str, prompt: str, answer_timeout: float) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        if device == "mlu":
            import torch_mlu  # noqa: F401
        self.torch, self.device, self.prompt = torch, device, prompt
        self.answer_timeout = answer_timeout
        self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
        # the CPU of PyTorch 1.9 to 1.13 has no matrix product in half precision
        precision = torch.float32 if device == "cpu" else torch.float16
        self.model = AutoModelForCausalLM.from_pretrained(
            folder, torch_dtype=precision, trust_remote_code=True
        ).to(device)
        self.model.eval()
        # threads share it, and the fast tokenizers refuse that
        self.tokenizing = threading.Lock()
        self.max_length = self._find_max_length()
        config = getattr(self.model, "generation_config", None) or self.model.config
        self.max_new_tokens = getattr(config, "max_new_tokens", None) or MAX_NEW_TOKENS
        self.end_tokens = _list_tokens(config.eos_token_id, self.tokenizer.eos_token_id)
        pad = config.pad_token_id
        self.pad_token = self.end_tokens[0] if pad is None and self.end_tokens else pad

    def _find_max_length(self) -> int | None:
        found = [getattr(self.model.config, name, None) for name in LENGTH_FIELDS]
        found.append(self.tokenizer.model_max_length)
        lengths = [length for length in found if isinstance(length, int) and length < NO_LENGTH]
        return min(lengths) if lengths else None

    def prepare(self, request: ChatRequest) -> Generation:
        """Make tokens of a request.

        Args:
            request: What the client wants.

        Returns:
            The generation, which is not yet started.

        Raises:
            ApiError: the prompt, or what is to follow it, is too long; or the chat template does
                not take these messages.
        """
        with self.tokenizing:
            if getattr(self.tokenizer, "chat_template", None):
                try:
                    text = self.tokenizer.apply_chat_template(
                        request.messages, tokenize=False, add_generation_prompt=True
                    )
                except Exception as error:  # whatever the model's template raises
                    reason = f"The chat template refuses the messages: {error}"
                    raise refuse(reason, "messages") from error
                inputs = self.tokenizer(text, add_special_tokens=False, return_tensors="pt")
            else:
                text = self.prompt.replace(QUESTION_FIELD, request.join_messages())
                inputs = self.tokenizer(text, return_tensors="pt")
        inputs.pop("token_type_ids", None)  # which LLaMA's tokenizer makes and its model refuses
        length = int(inputs["input_ids"].shape[1])
        if length == 0:
            raise refuse("`messages` are empty.", "messages")
        return Generation(request, inputs, self._limit(length, request.max_tokens))

    def _limit(self, length: int, wanted: int | None) -> int:
        if self.max_length is None:
            return wanted or self.max_new_tokens
        if length + (wanted or 1) > self.max_length:
            raise ApiError(
                400,
                "context_length_exceeded",
                f"The model's maximum is {self.max_length} tokens: the messages have {length}, the "
                f"answer is to have up to {wanted or 1}. Shorten the messages or `max_tokens`.",
                "messages",
            )
        return wanted or min(self.max_new_tokens, self.max_length - length)

    def run(self, generation: Generation) -> bool:
        """Generate an answer and tell of it; called in one thread only.

        Args:
            generation: The one to be run.

        Returns:
            Whether the device can be used further.
        """
        generation.started = time.monotonic()
        generation.deadline = generation.started + self.answer_timeout
        try:
            generation.tell(("end", self._generate(generation)))
        except Exception as error:  # whatever the model's code raises
            traceback.print_exc()
            sys.stderr.flush()
            fault = self._explain(error)
            generation.tell(("error", fault))
            return fault.code != "device_error"
        return True

    def _generate(self, generation: Generation) -> str:
        request = generation.request
        answer = Answer(self, generation)
        options: dict[str, Any] = {"do_sample": False}
        if request.temperature:
            options = {
                "do_sample": True,
                "temperature": request.temperature,
                "top_p": request.top_p,
                "top_k": 0,
            }
        output = self.model.generate(
            **generation.inputs.to(self.device),
            max_new_tokens=generation.max_tokens,
            min_length=generation.usage["prompt_tokens"] + (request.min_tokens or 0),
            repetition_penalty=float(request.repetition_penalty or REPETITION_PENALTY),
            num_beams=1,
            pad_token_id=self.pad_token,
            stopping_criteria=_build_criteria(answer.follow),
            **options,
        )
        return answer.finish(output[0].tolist())

    def decode(self, tokens: list[int]) -> str:
        """Make text of tokens.

        Args:
            tokens: Some of an answer.

        Returns:
            The text, without what stands for the end of an answer.
        """
        with self.tokenizing:
            text: str = self.tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        return text

    def _explain(self, error: Exception) -> ApiError:
        first = (str(error).splitlines() or [""])[0]
        reason = f"{type(error).__name__}: {first}"
        if OUT_OF_MEMORY.search(str(error)):
            cache = getattr(self.torch, self.device, None)
            if cache is not None and hasattr(cache, "empty_cache"):
                cache.empty_cache()
            return ApiError(500, "out_of_memory", f"{reason} Ask for less, or with fewer words.")
        if CARD_FAULT.search(str(error)):
            return ApiError(500, "device_error", f"{reason} The server starts again.")
        return ApiError(500, "generation_failed", f"{reason} The server's log has more.")


class Answer:
    """The text of an answer while it grows token by token.

    Tokens are decoded together with those before them, as a token alone has lost the space that
    it begins with, and as a character can take several tokens.

    Args:
        model: The model that answers.
        generation: What is answered.
    """

    def __init__(self, model: Model, generation: Generation) -> None:
        self.model, self.generation = model, generation
        self.stop = generation.request.stop
        self.tokens: list[int] = []
        #: where the tokens begin that are decoded again, and where those that are not yet told
        self.context = self.told = 0
        self.held = ""
        self.stopped = False

    def follow(self, tokens: Any) -> bool:
        """Take the newest token; transformers calls this after each.

        Args:
            tokens: All tokens, with those of the prompt, of a batch of one.

        Returns:
            Whether the answer ends here.
        """
        generation = self.generation
        generation.note_token()
        token = int(tokens[0, -1])
        if token not in self.model.end_tokens:
            self.tokens.append(token)
            self._tell(self._decode_new())
        generation.count(len(self.tokens))
        late = time.monotonic() > generation.deadline
        return self.stopped or late or generation.ended.is_set()

    def finish(self, output: list[int]) -> str:
        """Tell the rest of the answer.

        Args:
            output: All tokens, with those of the prompt.

        Returns:
            Why the answer ended: stop or length.
        """
        new = output[self.generation.usage["prompt_tokens"] :]
        self.generation.note_token()
        self.generation.count(len(new))
        if self.stopped:
            return "stop"
        # transformers does not ask about the token that reaches the limit
        self.tokens = [token for token in new if token not in self.model.end_tokens]
        self._tell(self._decode_new(whole=False), last=True)
        ended = self.stopped or (new and new[-1] in self.model.end_tokens)
        return "stop" if ended else "length"

    def _decode_new(self, whole: bool = True) -> str:
        before = self.model.decode(self.tokens[self.context : self.told])
        now = self.model.decode(self.tokens[self.context :])
        if len(now) <= len(before) or (whole and now.endswith(INCOMPLETE)):
            return ""
        self.context, self.told = self.told, len(self.tokens)
        return now[len(before) :]

    def _tell(self, text: str, last: bool = False) -> None:
        """Tell text up to a stop; what may be the beginning of one waits for the next token."""
        text, self.held = self.held + text, ""
        ends = [text.find(stop) for stop in self.stop if stop in text]
        if ends:
            text, self.stopped = text[: min(ends)], True
        elif not last:
            kept = max((_count_begun(text, stop) for stop in self.stop), default=0)
            text, self.held = text[: len(text) - kept], text[len(text) - kept :]
        if text:
            self.generation.tell(("text", text))


def _count_begun(text: str, stop: str) -> int:
    """Count the characters at the end of a text with which a stop begins."""
    sizes = range(min(len(stop) - 1, len(text)), 0, -1)
    return next((size for size in sizes if text.endswith(stop[:size])), 0)


def _build_criteria(follow: Callable[[Any], bool]) -> Any:
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Follow(StoppingCriteria):
        def __call__(self, tokens: Any, scores: Any, **_: Any) -> bool:
            return follow(tokens)

    return StoppingCriteriaList([Follow()])


def _list_tokens(*found: Any) -> list[int]:
    """List token numbers that are given as one, several or none."""
    tokens: list[int] = []
    for value in found:
        tokens += value if isinstance(value, (list, tuple)) else [value]
    return [token for token in tokens if token is not None]

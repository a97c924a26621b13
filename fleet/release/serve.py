"""The model of `serve:` in a release: how its model is served as an API, and how that is proved."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from fleet.documents.types import AbsolutePath, Int, Model, build_field_error, matching
from fleet.language import N_, _
from fleet.text import word_lists

#: What a command, an environment variable or a prompt may contain, and what replaces it.
PORT_FIELD, MODEL_FIELD, QUESTION_FIELD = "{port}", "{model}", "{question}"
#: Environment variable by which the vendor's software chooses among the cards of a container.
CARDS_VARIABLE = "MLU_VISIBLE_DEVICES"
#: Networks of Docker in which no port of a container can be published.
UNPUBLISHED_NETWORKS = ("host", "none")
LAST_PORT = 65535
#: Words that say how the cards of a release are shared among its instances.
EACH_WORDS = ("release", "card")
#: Most seconds that requests may have to end, and that docker waits longer for servers to stop.
MAX_DRAIN_TIMEOUT_S, STOP_GRACE_S = 3600, 10
#: Seconds that docker waits for the servers of any release, known or not.
LONGEST_STOP_S = MAX_DRAIN_TIMEOUT_S + STOP_GRACE_S
#: Path at which servers with OpenAI's API list their models, and take questions.
OPENAI_MODELS_PATH, OPENAI_CHAT_PATH = "/v1/models", "/v1/chat/completions"

#: What the operating system takes as the name of a variable.
VariableName = Annotated[
    str, matching(r"[^=\s]+", N_("a name of a variable, without blanks and ="))
]
UrlPath = Annotated[str, matching(r"/[^\s?#]*", N_("a path such as /v1/models"))]
Port = Annotated[Int, Field(ge=1, le=LAST_PORT)]


def _check_each(value: Any) -> Any:
    """Check the form of `each`: of a union, pydantic would describe every alternative."""
    lists = value if isinstance(value, (list, tuple)) else [None]
    if value not in EACH_WORDS and not all(isinstance(cards, (list, tuple)) for cards in lists):
        problem = _(
            "expected {words} or a list of lists of card numbers such as [[0, 1], [2, 3]], "
            "got {value!r}",
            words=word_lists.join_words(EACH_WORDS),
            value=value,
        )
        raise ValueError(problem[:200])
    for index, cards in enumerate(lists if value not in EACH_WORDS else ()):
        for number in cards:
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                problem = _("expected numbers of cards, from 0, got {number!r}", number=number)
                raise build_field_error(problem[:200], index)
    return value


class Serve(Model):
    """How the model is served as an API after the smoke test, and how that is proved.

    The servers run in the release's container. They are started again after a crash, after a
    restart of the container and after a reboot of the host.
    """

    #: The API: `openai` (`/v1/models`, `/v1/chat/completions`), or `http` for any other that takes
    #: a POST request.
    api: Literal["openai", "http"] = "openai"
    #: Program and arguments of the model's own server. `python` is the image's interpreter, and
    #: `{port}` the port to listen on, on all addresses of the container. Without a command,
    #: mlu-fleet's own server loads `model`; it needs the packages fastapi and uvicorn.
    command: tuple[str, ...] = ()
    #: Whether the command's server answers a request without the right key with status 401 or 403,
    #: if the inventory has `serve_key`. The environment variable MLUFLEET_SERVE_KEY_FILE names the
    #: file with the key. The server that mlu-fleet brings always does.
    checks_key: bool = False
    #: Working directory in the container.
    workdir: AbsolutePath = "/"
    #: Environment variables of the server. `{port}` is replaced as in the command.
    environment: dict[VariableName, str] = Field(default_factory=dict)
    #: Folder in the container that the model is loaded from: by mlu-fleet's own server, or by a
    #: command that contains `{model}`.
    model: AbsolutePath | None = None
    #: Device of PyTorch that the own server loads the model on.
    device: Annotated[str, matching(r"[a-z]+", N_("a device of PyTorch such as mlu or cpu"))] = (
        "mlu"
    )
    #: How the own server makes a prompt of a question, for models without a chat template.
    prompt: str = QUESTION_FIELD
    #: Name of the model in the API. By default the name of the release.
    name: Annotated[str, matching(r"\S+", N_("a name without blanks"))] | None = None
    #: Port of the host for the first instance; each further instance has the next one.
    port: Port = 8000
    #: Port in the container that the first instance listens on, if the command does not take
    #: `{port}`. By default the port of the host.
    listens: Port | None = None
    #: Cards of each instance: `release` for one instance with all cards of the release, `card` for
    #: one instance per card, or a list of lists of card numbers, counted within the release.
    each: Annotated[
        Literal["release", "card"] | tuple[tuple[Annotated[Int, Field(ge=0)], ...], ...],
        BeforeValidator(_check_each),
    ] = "release"
    #: Path that answers with status 200 once the model is loaded. By default `/v1/models` with
    #: `openai`; with `http`, the server is ready when it accepts connections.
    ready: UrlPath | None = None
    #: Path for questions (api `http`).
    path: UrlPath = "/"
    #: The question that proves that the model answers: text for `openai`, the body of a POST
    #: request for `http`.
    question: Annotated[str, Field(min_length=1)]
    #: Text that the answer must contain.
    expect: Annotated[str, Field(min_length=1)]
    #: Seconds within which a server must be ready. 14 GB of weights take about ten minutes.
    load_timeout: Annotated[Int, Field(ge=1, le=7200)] = 1200
    #: Seconds within which an answer to the question must be complete.
    answer_timeout: Annotated[Int, Field(ge=1, le=3600)] = 300
    #: Seconds that running requests have to end before a server is stopped.
    drain_timeout: Annotated[Int, Field(ge=0, le=MAX_DRAIN_TIMEOUT_S)] = 60
    #: Seconds between two questions by which the host itself checks that the model still answers.
    check_every: Annotated[Int, Field(ge=5, le=86400)] = 300
    #: Requests that mlu-fleet's own server lets wait; further ones get status 429.
    queue: Annotated[Int, Field(ge=0, le=10000)] = 16

    @model_validator(mode="after")
    def _check_server(self) -> Serve:
        if self.command and not self.command[0].strip():
            raise build_field_error(_("name the program"), "command", 0)
        if not self.command and not self.model:
            raise ValueError(_("set `command`, or `model` for the server that mlu-fleet brings"))
        if not self.command and self.api != "openai":
            raise build_field_error(
                _("the server that mlu-fleet brings has the API `openai`"), "api"
            )
        if self.api == "openai" and self.path != "/":
            problem = _(
                "the API `openai` takes questions at {path}: remove the path",
                path=OPENAI_CHAT_PATH,
            )
            raise build_field_error(problem, "path")
        if self.prompt.count(QUESTION_FIELD) == 0:
            raise build_field_error(
                _(
                    "{prompt!r} does not contain {field}",
                    prompt=self.prompt,
                    field=QUESTION_FIELD,
                ),
                "prompt",
            )
        if self.model is None and any(MODEL_FIELD in word for word in self.command):
            raise build_field_error(
                _("`command` contains {field}: set the folder", field=MODEL_FIELD),
                "model",
            )
        return self

    @model_validator(mode="after")
    def _check_ports(self) -> Serve:
        for field in ("port", "listens"):
            last = (getattr(self, field) or 1) + self.least_instances - 1
            if last > LAST_PORT:
                raise build_field_error(
                    _(
                        "the last of {count} instances would have port {last}, and "
                        "{highest} is the highest",
                        count=self.least_instances,
                        last=last,
                        highest=LAST_PORT,
                    ),
                    field,
                )
        return self

    @model_validator(mode="after")
    def _check_cards(self) -> Serve:
        if self.each == "release":
            return self
        if not self.takes_port and (self.each == "card" or len(self.each) > 1):
            raise build_field_error(
                _(
                    "several instances need ports of their own: use {port} in `command` or "
                    "`environment`"
                ),
                "each",
            )
        if CARDS_VARIABLE in self.environment:
            raise build_field_error(
                _(
                    "`each` chooses the cards of each instance: remove {variable}",
                    variable=CARDS_VARIABLE,
                ),
                *("environment", CARDS_VARIABLE),
            )
        if self.each != "card":
            _check_groups(self.each)
        return self

    @property
    def least_instances(self) -> int:
        """Number of instances, as far as it does not depend on the cards of a host."""
        return 1 if self.each in ("release", "card") else len(self.each)

    @property
    def takes_port(self) -> bool:
        """Whether the server can be told which port to listen on."""
        words = (*self.command, *self.environment.values())
        return not self.command or any(PORT_FIELD in word for word in words)

    @property
    def refuses_wrong_keys(self) -> bool:
        """Whether the server answers only clients that send the inventory's key."""
        return not self.command or self.checks_key

    @property
    def ready_path(self) -> str:
        """Path that tells that the model is loaded; "" if accepting a connection does."""
        return self.ready or (OPENAI_MODELS_PATH if self.api == "openai" else "")

    @property
    def question_path(self) -> str:
        """Path that takes questions."""
        return OPENAI_CHAT_PATH if self.api == "openai" else self.path


def _check_groups(groups: tuple[tuple[int, ...], ...]) -> None:
    """Check that each instance has cards, and that no card has two instances."""
    if not groups:
        raise build_field_error(_("no instance: list the cards of each, or use `card`"), "each")
    seen: dict[int, int] = {}
    for index, numbers in enumerate(groups):
        if not numbers:
            raise build_field_error(_("the instance has no cards"), "each", index)
        for number in numbers:
            if number in seen:
                raise build_field_error(
                    _(
                        "card {number} is already that of instance {index}",
                        number=number,
                        index=seen[number],
                    ),
                    "each",
                    index,
                )
            seen[number] = index

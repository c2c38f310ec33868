"""What each route takes: every number with both ends, every list and text with a length."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

_LONGEST = 1_000_000
"""Characters; the body is bounded before."""

Name = Annotated[str, StringConstraints(max_length=200)]
Text = Annotated[str, StringConstraints(max_length=_LONGEST)]
StopText = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Stops = StopText | Annotated[list[StopText], Field(max_length=16)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Bias = Annotated[float, Field(ge=-100, le=100)]
TokenNumber = Annotated[str, StringConstraints(pattern=r"^\d{1,9}$")]
Texts = Text | Annotated[list[Text], Field(min_length=1, max_length=256)]


class Asked(BaseModel):
    """Strict: no unknown field, no text for a number, nothing infinite."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        """A null says nothing: clients send one for what they leave open."""
        if not isinstance(given, dict):
            return given
        return {key: value for key, value in given.items() if value is not None}


class TextPart(Asked):
    """A piece of a message's text."""

    type: Literal["text"]
    text: Text


class Message(Asked):
    """A turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | Annotated[list[TextPart], Field(min_length=1, max_length=64)]

    def as_turn(self) -> dict[str, str]:
        """As chat templates have it; developer is OpenAI's newer word for system."""
        content = self.content
        text = content if isinstance(content, str) else "".join(part.text for part in content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class NamedSchema(Asked):
    """A JSON schema, as OpenAI wraps it."""

    name: Name
    schema_: dict[str, Any] = Field(alias="schema")
    description: Text | None = None
    strict: bool | None = None


class PlainFormat(Asked):
    """Any text, or any JSON object."""

    type: Literal["text", "json_object"]


class SchemaFormat(Asked):
    """JSON of a schema."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


class StreamOptions(Asked):
    """What a stream ends with."""

    include_usage: bool = False


class Writing(Asked):
    """What chats and texts share; the defaults are OpenAI's."""

    model: Name
    n: Annotated[int, Field(ge=1, le=8)] = 1
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=1, le=1000)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    repetition_penalty: Annotated[float, Field(ge=0.1, le=2)] = 1.0
    logit_bias: Annotated[dict[TokenNumber, Bias], Field(max_length=300)] = {}
    seed: Seed | None = None
    stop: Stops | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    response_format: PlainFormat | SchemaFormat | None = None
    user: Name | None = None
    """Taken and not looked at."""

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end an answer."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)


class ChatRequest(Writing):
    """``/v1/chat/completions``."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=512)]
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0


class TextRequest(Writing):
    """``/v1/completions``."""

    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=16)]
    suffix: Text | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 16
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None

    @property
    def prompts(self) -> list[str]:
        """One or more."""
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt


class InputRequest(Asked):
    """``/v1/tag`` and ``/v1/translate``: texts to read."""

    model: Name | None = None
    input: Texts

    @property
    def items(self) -> list[tuple[str, str | None]]:
        """Each text, with a second one where the route has pairs."""
        return [(text, None) for text in _listed(self.input)]


class EmbeddingsRequest(InputRequest):
    """``/v1/embeddings``."""

    encoding_format: Literal["float", "base64"] = "float"
    user: Name | None = None


class ClassifyRequest(InputRequest):
    """``/v1/classify``: texts, or pairs of texts."""

    pair: Texts | None = None

    @model_validator(mode="after")
    def _as_many(self) -> "ClassifyRequest":
        if self.pair is not None and len(_listed(self.pair)) != len(_listed(self.input)):
            raise ValueError("input and pair must be as many texts")
        return self

    @property
    def items(self) -> list[tuple[str, str | None]]:
        """Each text with its second one."""
        if self.pair is None:
            return super().items
        return list(zip(_listed(self.input), _listed(self.pair), strict=True))


class AnswerRequest(Asked):
    """``/v1/answer``: a question about a text."""

    model: Name | None = None
    question: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
    context: Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST)]
    num_answers: Annotated[int, Field(ge=1, le=10)] = 1

    @property
    def items(self) -> list[tuple[str, str | None]]:
        """The one question."""
        return [(self.question, self.context)]


def _listed(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given

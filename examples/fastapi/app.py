"""A small API of notes and completions that knows nothing of keys, limits, money or errors: Aplomb before it does.

    uvicorn app:app --port 8000
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from fastapi import FastAPI, Header, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

app = FastAPI(title="Notes", version="1.0.0", description="A small API without an error of its own.")


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1, max_length=100_000)


class Chat(BaseModel):
    """What a completion is asked with."""

    model_config = ConfigDict(extra="forbid")

    model: Literal["notes-small", "notes-large"]
    messages: list[Message] = Field(min_length=1, max_length=100)
    temperature: float = Field(default=1, ge=0, le=2)
    max_tokens: int = Field(default=256, ge=1, le=4096)
    stream: bool = False


class Note(BaseModel):
    """What is written down."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=80)
    text: str = Field(default="", max_length=10_000)
    tags: list[str] = Field(default=[], max_length=10)


class Kept(Note):
    """What was written down."""

    id: str


class Completion(BaseModel):
    """An answer, in the form that OpenAI's SDKs read."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    model: str
    choices: list[dict]
    usage: dict[str, int]


@app.post(
    "/v1/chat/completions",
    response_model=Completion,
    responses={200: {"content": {"text/event-stream": {}}}},
)
def complete(chat: Chat) -> Response | Completion:
    """Says again what was said last."""
    said = chat.messages[-1].content
    words = said.split()[: chat.max_tokens]
    usage = {"prompt_tokens": len(said.split()), "completion_tokens": len(words)}
    usage["total_tokens"] = sum(usage.values())
    if chat.stream:
        return StreamingResponse(_events(chat.model, words, usage), media_type="text/event-stream")
    message = {"role": "assistant", "content": " ".join(words)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return Completion(id="chatcmpl-1", model=chat.model, choices=[choice], usage=usage)


def _events(model: str, words: list[str], usage: dict[str, int]):
    """A streamed answer, a word at a time."""
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": model}
    for word in words:
        choice = {"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}
        yield f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n"
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    yield f"data: {json.dumps({**chunk, 'choices': [last], 'usage': usage})}\n\n"
    yield "data: [DONE]\n\n"


NoteId = Annotated[str, Path(pattern="^[a-z0-9]{1,32}$", description="Small letters and digits.")]


@app.post("/v1/notes", status_code=201)
def write(note: Note) -> Kept:
    """Writes a note down."""
    return Kept(id="n1", **note.model_dump())


@app.get("/v1/notes")
def search(
    q: Annotated[str, Query(max_length=80)] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> list[Kept]:
    """Looks for notes."""
    return [Kept(id="n1", title=q or "First", text="")][:limit]


@app.get("/v1/notes/{note_id}")
def read(note_id: NoteId) -> Kept:
    """Reads a note."""
    return Kept(id=note_id, title="First")


@app.get(
    "/v1/notes/{note_id}/text",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        206: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "A part of it"},
    },
)
def download(note_id: NoteId, range: Annotated[str | None, Header()] = None) -> Response:
    """The text of a note, or the first bytes of it."""
    text = f"The text of {note_id}.".encode()
    if not range:
        return Response(text, media_type="text/plain")
    headers = {"content-range": f"bytes 0-3/{len(text)}"}
    return Response(text[:4], status_code=206, media_type="text/plain", headers=headers)

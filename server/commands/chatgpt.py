"""ChatGPT's data export: each conversation a stream, each message of its current branch an event.

An export is `conversations.json`, or several numbered ones, in a .zip or taken out of it. Each is one list, often of
hundreds of megabytes: it is read a conversation at a time. A message that was regenerated has branches; what stands on
the screen is the one that `current_node` ends, and that one is taken. Pictures, sound and files are told in words.
"""

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, BinaryIO

from memql.errors import Problem
from server.commands.transcripts import Bad, Line, Said, Spot

MEMBER = re.compile(r"(?:.*/)?conversations(?:-\d+)?\.json\Z")
"""What the files of an export's .zip are called that hold conversations."""
PIECE = 262_144
"""Characters read at a time, at first."""
LONGEST = 268_435_456
"""Characters of the longest conversation that is read; beyond it something else is wrong."""
TITLE = 120
"""Characters of a title that are kept in a stream's name, which has room for its id too."""

_DECODER = json.JSONDecoder()
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BETWEEN = re.compile(r"[\s,]*")


def chatgpt(file: BinaryIO, name: str) -> Iterator[Line]:
    """The messages of an export's file, conversation by conversation."""
    for number, conversation in enumerate(_members(file), 1):
        spot = Spot(name, inside=f"conversation {number}")
        if isinstance(conversation, Problem):
            yield Bad(spot, conversation)
        elif not isinstance(conversation, dict) or not isinstance(conversation.get("mapping"), dict):
            hint = "JSONL has an object on each line, and no list around them"
            yield Bad(spot, Problem("NO_CONVERSATION", "this is no conversation of ChatGPT", "mapping", hint))
        else:
            yield from _conversation(conversation, spot)


def _members(file: BinaryIO) -> Iterator[Any]:
    """The members of the one list in a file, of which only as much is held as the longest of them takes; a file that
    is no list is its own one member."""
    decode = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode
    text, at, piece = "", 0, PIECE
    begun = ended = listed = False
    while True:
        at = between.end() if (between := _BETWEEN.match(text, at)) else at
        if not begun and at < len(text):
            begun, listed = True, text[at] == "["
            at += listed
            continue
        if listed and text[at : at + 1] == "]":
            return
        try:
            member, at = _DECODER.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            if len(text) - at > LONGEST or (ended and at < len(text)):
                yield Problem("NO_JSON", "this is no JSON from here on", "", "is the file whole?")
                return
        else:
            yield member
            if not listed:
                return
            continue
        if ended:
            yield Problem("CUT_SHORT", "the file ends in the middle of its list", "", "is the file whole?")
            return
        read = file.read(piece)
        ended = not read
        text, at = text[at:] + decode(read, final=ended), 0
        # What is longer than a piece is tried again only when there is twice as much of it.
        piece = max(PIECE, len(text))


def _conversation(told: Mapping[str, Any], spot: Spot) -> Iterator[Line]:
    id_ = str(told.get("conversation_id") or told.get("id") or "")
    title = " ".join(_clean(str(told.get("title") or "")).split())
    spot = Spot(spot.file, inside=f"{spot.inside} “{title[:40]}”" if title else spot.inside)
    if not id_:
        yield Bad(spot, Problem("NO_ID", "this conversation has no id", "conversation_id"))
        return
    stream = f"{title[:TITLE]} ({id_})" if title else f"({id_})"
    at = told.get("create_time")
    for message in _branch(told["mapping"], told.get("current_node")):
        at = message.get("create_time") or at
        if line := _message(message, at, stream, spot):
            yield replace(line, conversation=id_)


def _branch(nodes: Mapping[str, Any], last: object) -> list[Mapping[str, Any]]:
    """The messages from the root to the node that the conversation stands at."""
    if last not in nodes:
        # Without it, what was said last ends the branch.
        leaves = [key for key, node in nodes.items() if isinstance(node, dict) and not node.get("children")]
        last = max(leaves, key=lambda key: (nodes[key].get("message") or {}).get("create_time") or 0, default=None)
    messages: list[Mapping[str, Any]] = []
    passed: set[object] = set()
    while last in nodes and last not in passed and isinstance(node := nodes[str(last)], dict):
        passed.add(last)
        if isinstance(message := node.get("message"), dict):
            messages.append({"id": last, **message})
        last = node.get("parent")
    return messages[::-1]


def _message(message: Mapping[str, Any], at: object, stream: str, spot: Spot) -> Said | None:
    """The message as an event; None where nothing was said that anyone saw."""
    metadata = message.get("metadata") if isinstance(message.get("metadata"), dict) else {}
    assert isinstance(metadata, dict)
    text = _text(message.get("content"), metadata)
    if not text or metadata.get("is_visually_hidden_from_conversation"):
        return None
    author = message.get("author") if isinstance(message.get("author"), dict) else {}
    assert isinstance(author, dict)
    role = str(author.get("role") or "user")
    event: dict[str, Any] = {"content": text, "role": role, "externalKey": str(message.get("id"))}
    if name := author.get("name") or ("ChatGPT" if role == "assistant" else None):
        event["author"] = str(name)
    if isinstance(at, int | float):
        event["occurredAt"] = datetime.fromtimestamp(at, UTC).isoformat()
    if model := metadata.get("model_slug"):
        event["metadata"] = {"model": str(model)}
    spot = Spot(spot.file, inside=f"{spot.inside}, message {event['externalKey']}")
    return Said(spot, stream, event, len(text.encode()) + 300)


# What was said, in words


def _text(content: object, metadata: Mapping[str, Any]) -> str:
    if not isinstance(content, dict):
        return ""
    parts = [*_parts(content), *map(_attachment, metadata.get("attachments") or ())]
    return _clean("\n\n".join(filter(None, parts)))


def _clean(text: str) -> str:
    """Without control characters and halves of characters: nobody could take them out of an export."""
    return _CONTROL.sub("", text.encode("utf-8", "replace").decode()).strip()


def _parts(content: Mapping[str, Any]) -> Iterator[str]:
    match content.get("content_type"):
        case "code" | "execution_output" | "system_error" | "tether_quote":
            yield from (str(content[key]) for key in ("title", "text") if content.get(key))
        case "tether_browsing_display":
            yield str(content.get("result") or "")
        case "thoughts":
            for thought in content.get("thoughts") or ():
                yield str(thought.get("content") or thought.get("summary") or "") if isinstance(thought, dict) else ""
        case "reasoning_recap":
            yield str(content.get("content") or "")
        case "user_editable_context" | "model_editable_context":
            # What ChatGPT was told beforehand, in every conversation anew; nobody said it here.
            return
        case _:
            for part in content.get("parts") or ():
                yield part if isinstance(part, str) else _part(part) if isinstance(part, dict) else ""
            if isinstance(text := content.get("text"), str):
                yield text


def _part(part: Mapping[str, Any]) -> str:
    kind = str(part.get("content_type") or "")
    if isinstance(text := part.get("text"), str):
        return text
    for word in ("image", "video", "audio"):
        if word in kind:
            return f"[{word}]"
    return f"[{kind.replace('_', ' ')}]" if kind else ""


def _attachment(attachment: object) -> str:
    name = attachment.get("name") if isinstance(attachment, dict) else None
    return f"[attachment: {name}]" if name else ""

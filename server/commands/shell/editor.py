"""The line where queries are written: colours, completion, and when Enter runs what stands there."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout.processors import HighlightMatchingBracketProcessor
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style

from memql import assist
from server.commands.shell.commands import FORMS, first_words
from server.commands.shell.history import BoundedHistory
from server.commands.shell.session import Session
from server.commands.tables import plain

STYLE = Style.from_dict(
    {
        "keyword": "bold ansiblue",
        "function": "ansicyan",
        "label": "ansigreen",
        "relation": "ansimagenta",
        "property": "",
        "variable": "",
        "parameter": "ansiyellow",
        "string": "ansired",
        "number": "ansicyan",
        "constant": "ansicyan",
        "operator": "",
        "bracket": "",
        "comment": "italic ansibrightblack",
        "error": "underline ansired",
        "command": "bold",
        "bottom-toolbar": "noreverse ansibrightblack",
        "bottom-toolbar.wrong": "noreverse ansired",
    }
)
_COMPLETIONS = 60
"""Completions that are shown: more are not read."""


class Colours(Lexer):
    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        text = document.text
        lines: list[StyleAndTextTuples] = [[]]
        if text.lstrip().startswith("\\"):
            shades: Iterable[tuple[int, int, str]] = [(0, len(text), "command")]
        else:
            shades = assist.highlight(text)
        end = 0
        for start, stop, shade in shades:
            _write(lines, "", text[end:start])
            _write(lines, f"class:{shade}", text[start:stop])
            end = stop
        _write(lines, "", text[end:])
        return lambda number: lines[number] if number < len(lines) else []


def _write(lines: list[StyleAndTextTuples], style: str, text: str) -> None:
    first, *others = text.split("\n")
    lines[-1].append((style, first))
    lines.extend([(style, line)] for line in others)


class Names(Completer):
    """Completes queries by the catalog, and commands by what they take."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text, at = document.text, document.cursor_position
        if text.lstrip().startswith("\\"):
            yield from self._of_command(document.text_before_cursor.lstrip())
            return
        params = {name: plain(str(value))[:40] for name, value in self._session.params.items()}
        for each in assist.complete(text, at, self._session.catalog, params)[:_COMPLETIONS]:
            if each.end == at:
                said = " · ".join(filter(None, (each.detail, each.description)))
                yield Completion(each.text, each.start - at, display_meta=said or each.kind)

    def _of_command(self, written: str) -> Iterable[Completion]:
        word, space, rest = written.partition(" ")
        if not space:
            for name, command in first_words().items():
                if name.startswith(word):
                    yield Completion(name, -len(word), display_meta=command.said)
            return
        catalog = self._session.catalog
        known: dict[str, dict[str, str]] = {
            "\\d": {each.name: each.description for each in catalog.kinds.values()}
            | {each.name: each.description for each in catalog.relations.values()},
            "\\format": dict.fromkeys(FORMS, ""),
            "\\timing": {"on": "", "off": ""},
            "\\unset": {name: plain(str(value))[:40] for name, value in self._session.params.items()},
        }
        for name, said in known.get(word, {}).items():
            if name.lower().startswith(rest.lower()):
                yield Completion(name, -len(rest), display_meta=said)


def is_whole(text: str) -> bool:
    """Whether Enter runs this: a command, a query to which nothing is missing, what ends with `;` or an empty line."""
    if text.lstrip().startswith("\\") or text.rstrip().endswith(";") or not text.strip():
        return True
    return text.rsplit("\n", 1)[-1].strip() == "" or not assist.unfinished(text)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.complete_state = None  # Enter takes what is chosen; the next one runs.
        elif is_whole(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.newline(copy_margin=True)

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=True)

    return keys


class Editor:
    """Reads one query or command after the other from a terminal."""

    def __init__(
        self, session: Session, history: Path, keyboard: Input | None = None, screen: Output | None = None
    ) -> None:
        self._session = session
        self._prompt: PromptSession[str] = PromptSession(
            multiline=True,
            lexer=Colours(),
            completer=Names(session),
            complete_while_typing=True,
            history=BoundedHistory(history),
            auto_suggest=AutoSuggestFromHistory(),
            key_bindings=_keys(),
            enable_open_in_editor=True,
            input_processors=[HighlightMatchingBracketProcessor()],
            style=STYLE,
            include_default_pygments_style=False,
            bottom_toolbar=self._below,
            prompt_continuation=lambda width, number, soft: " " * (width - 2) + "· ",
            input=keyboard,
            output=screen,
        )

    async def read(self) -> str:
        """What was entered. KeyboardInterrupt where Ctrl-C was pressed, EOFError where Ctrl-D."""
        draft, self._session.draft = self._session.draft, ""
        return await self._prompt.prompt_async(f"{self._session.client.tenant or 'memql'}> ", default=draft)

    def _below(self) -> Any:
        """What is wrong with what stands there; else how the session is set."""
        text = get_app().current_buffer.text
        if text.strip() and not text.lstrip().startswith("\\") and not assist.unfinished(text):
            for found in assist.diagnose(text.rstrip().rstrip(";"), self._session.catalog):
                hint = f" ({found.problem.hint})" if found.problem.hint else ""
                place = f"line {found.span.line}, column {found.span.column}"
                return [("class:bottom-toolbar.wrong", plain(f"{place}: {found.problem.message}{hint}"))]
        timing = " · timing" if self._session.timing else ""
        return [("class:bottom-toolbar", f"{self._session.form}{timing} · \\? help")]

"""Every operation of the rulebook can be submitted and is documented: by a command, over gRPC, with a worked example."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer

from client.cli import app, run
from client.commands.by_operation import COMMANDS
from registry.operations import OPERATION_TYPES

REPOSITORY = Path(__file__).parents[2]
RULEBOOK = REPOSITORY / "docs" / "rulebook.md"
NAMES = [kind.name for kind in OPERATION_TYPES]
_ROW = re.compile(
    r"^\| (\w+) \| (?P<signers>[^|]+) \| (?P<commands>[^|]+) \| \[[^]]+\]\((?P<link>[^)]+)\) \|$",
    re.MULTILINE,
)


def options_of(command: str) -> set[str]:
    """The options of a command of `pledgebook`, by walking what typer has made of the program."""
    group = typer.main.get_command(app)
    for word in command.split():
        group = group.commands[word]  # type: ignore[attr-defined]  # a group has them, and only groups are walked
    return {option for parameter in group.params for option in parameter.opts}


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_has_a_command_that_can_ask_first_and_write_a_draft(name: str) -> None:
    assert {"--dry-run", "--draft", "--network"} <= options_of(COMMANDS[name])


def test_no_command_is_listed_for_an_operation_that_is_none() -> None:
    assert COMMANDS.keys() <= set(NAMES)


def test_the_operations_are_listed_with_their_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(("operations", "--json")) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {each["operation"]: each["command"] for each in listed if each["command"]} == dict(COMMANDS)
    assert run(("operations",)) == 0
    told = capsys.readouterr().out
    assert "RegisterReceivable" in told
    assert "{" not in told


def rows() -> dict[str, re.Match[str]]:
    return {match[1]: match for match in _ROW.finditer(RULEBOOK.read_text(encoding="utf-8"))}


def section(link: str) -> str:
    """What a link of the index leads to: a page, or a part of it from its heading to the next."""
    path, _, anchor = link.partition("#")
    text = (RULEBOOK.parent / path).read_text(encoding="utf-8")
    if not anchor:
        return text
    parts = re.split(r"(?m)^(?=#+ )", text)
    found = [part for part in parts if part and _slug(part.splitlines()[0]) == anchor]
    assert len(found) == 1, f"{link}: {len(found)} headings"
    return found[0]


def _slug(heading: str) -> str:
    """As the pages' renderers name a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lstrip("# ").lower()).replace(" ", "-")


def test_the_index_of_the_rulebook_has_every_operation_once() -> None:
    text = RULEBOOK.read_text(encoding="utf-8")
    listed = [match[1] for match in _ROW.finditer(text) if match[1] in NAMES]
    assert sorted(listed) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_is_documented_with_its_refusals_and_a_worked_example_of_its_command(
    name: str,
) -> None:
    row = rows()[name]
    assert f"`{COMMANDS[name]}`" in row["commands"]
    page = section(row["link"])
    assert name in page
    assert re.search(r"`[A-Z]{3,}[A-Z_]*`", page)
    example = page.partition("**Example")[2]
    assert f"pledgebook {COMMANDS[name]} " in " ".join(example.split()) + " "

"""Every operation of the rulebook can be submitted and is documented: by a command, over gRPC, with a worked example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def walked(group: Any, path: str = "") -> Iterator[tuple[str, set[str]]]:
    """Every command of `pledgebook` with its options, as typer has made them."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from walked(command, f"{path}{name} ")
        else:
            yield path + name, {option for parameter in command.params for option in parameter.opts}


PROGRAM = dict(walked(typer.main.get_command(app)))


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_has_a_command_that_can_ask_first_and_write_a_draft(name: str) -> None:
    assert {"--dry-run", "--draft", "--network"} <= PROGRAM[COMMANDS[name]]


def test_what_can_be_asked_about_can_be_drafted_and_the_other_way_round() -> None:
    asking = {command for command, options in PROGRAM.items() if "--dry-run" in options}
    assert asking == {command for command, options in PROGRAM.items() if "--draft" in options}
    assert set(COMMANDS.values()) <= asking


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

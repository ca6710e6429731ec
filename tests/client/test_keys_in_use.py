"""Which of a member's keys its commands sign with."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from client.cli import run
from client.directory import read_directory
from node.network_files import NetworkPlan, make_network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "net"
    make_network(made, NetworkPlan(), datetime.datetime.now(datetime.UTC))
    return made


def new_key(folder: Path) -> Path:
    path = folder.parent / "new.pem"
    assert run(("keys", "new", str(path))) == 0
    return path


@pytest.mark.parametrize("by_id", [False, True], ids=["by short name", "by id"])
def test_a_key_is_put_in_the_place_of_the_first_one(folder: Path, by_id: bool) -> None:
    before = read_directory(folder).member("association")
    path = new_key(folder)
    name = before.member_id if by_id else "association"
    assert run(("keys", "use", name, str(path), "--network", str(folder))) == 0
    after = read_directory(folder).member("association")
    assert after.keys == (path, *before.keys[1:])
    assert (after.member_id, after.roles) == (before.member_id, before.roles)


def test_using_a_key_again_changes_nothing(folder: Path) -> None:
    path = new_key(folder)
    for _ in range(2):
        assert run(("keys", "use", "factor-1", str(path), "--network", str(folder))) == 0
    assert read_directory(folder).member("factor-1").keys == (path,)


def test_a_file_that_is_no_key_is_not_used(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = read_directory(folder).member("factor-1")
    assert run(("keys", "use", "factor-1", str(folder / "network.json"), "--network", str(folder))) == 2
    assert "key" in capsys.readouterr().err
    assert read_directory(folder).member("factor-1") == before


def test_a_member_that_is_not_in_the_folder_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(("keys", "use", "factor-77", str(new_key(folder)), "--network", str(folder))) == 2
    assert "factor-77" in capsys.readouterr().err

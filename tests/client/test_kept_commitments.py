"""Commitments to texts that stay off the chain: made, kept, opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.cli import run


def made(capsys: pytest.CaptureFixture[str], keep: Path, text: str = "account DE02 1203 0000") -> str:
    assert run(("commitment", "new", text, "--keep", str(keep))) == 0
    return capsys.readouterr().out.strip()


def test_a_kept_text_opens_its_commitment_and_no_other(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = tmp_path / "account.json"
    commitment = made(capsys, kept)
    assert run(("commitment", "check", str(kept), commitment)) == 0
    assert "account DE02 1203 0000" in capsys.readouterr().out
    assert run(("commitment", "check", str(kept), "5e" * 32)) == 1
    assert "NOT" in capsys.readouterr().out


def test_one_text_has_another_commitment_each_time(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert made(capsys, tmp_path / "a.json") != made(capsys, tmp_path / "b.json")


def test_a_kept_file_is_private_and_not_overwritten(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = tmp_path / "claim.json"
    made(capsys, kept)
    before = kept.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0
    assert run(("commitment", "new", "another claim", "--keep", str(kept))) == 2
    assert kept.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"text": "a"}',
        '{"text": 1, "salt": "00"}',
        '{"text": "a", "salt": "00"}',
    ],
)
def test_another_file_is_named_as_such(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str
) -> None:
    file = tmp_path / "other.json"
    file.write_text(content, encoding="utf-8")
    assert run(("commitment", "check", str(file), "5e" * 32)) == 2
    assert "commitment new" in capsys.readouterr().err


def test_nothing_is_no_text(tmp_path: Path) -> None:
    assert run(("commitment", "new", "", "--keep", str(tmp_path / "nothing.json"))) == 2


@pytest.mark.parametrize("wrong", ["5e", "zz" * 32])
def test_what_is_no_commitment_is_refused_with_the_command_that_makes_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, wrong: str
) -> None:
    made(capsys, tmp_path / "claim.json")
    assert run(("commitment", "check", str(tmp_path / "claim.json"), wrong)) == 2
    assert "pledgebook commitment new" in capsys.readouterr().err

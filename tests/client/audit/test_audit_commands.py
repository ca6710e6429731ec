"""The commands `audit` and `export` as a user meets them: exit codes, what is printed, what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from client.audit import commands
from client.audit.container import ExportedBlock, write_export
from client.audit.findings import Exit
from tests.client.audit.chain_builder import ChainBuilder

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(commands.audit)
app.command()(commands.export)
runner = CliRunner()


class Files:
    """An export, its genesis document and its head, as an auditor has them."""

    def __init__(self, folder: Path, chain: ChainBuilder) -> None:
        self.folder = folder
        self.export = folder / "chain.pbk"
        self.genesis = folder / "genesis.json"
        self.genesis.write_bytes(chain.document)
        blocks = [ExportedBlock(*built.exported()) for built in chain.blocks]
        self.head = str(write_export(self.export, chain.genesis.chain_id, blocks))

    def audit(self, *arguments: str) -> tuple[int, str]:
        result = runner.invoke(app, ["audit", str(self.export), "--workers", "0", *arguments])
        return result.exit_code, result.output


@pytest.fixture
def files(tmp_path: Path, chain: ChainBuilder) -> Files:
    return Files(tmp_path, chain)


def test_a_complete_audit_exits_0_and_says_what_was_not_checked(files: Files) -> None:
    code, output = files.audit("--genesis", str(files.genesis), "--head", files.head)
    assert code == Exit.COMPLETE
    assert "complete" in output
    assert "Not checked" in output
    assert files.head.split(":")[1][:40] in output


def test_without_a_head_it_exits_3_and_says_why(files: Files) -> None:
    code, output = files.audit("--genesis", str(files.genesis))
    assert code == Exit.SHORT
    assert "no expected head was given" in " ".join(output.replace("│", "").split())


@pytest.mark.parametrize("genesis", [None, "missing.json"])
def test_without_an_anchor_it_exits_4(files: Files, genesis: str | None) -> None:
    anchor = [] if genesis is None else ["--genesis", str(files.folder / genesis)]
    assert files.audit(*anchor, "--head", files.head)[0] == Exit.NO_ANCHOR


@pytest.mark.parametrize("head", ["", "5", "5:abc", "x:" + "0" * 64, "0:" + "0" * 64])
def test_a_head_that_is_none_is_a_usage_error(files: Files, head: str) -> None:
    code, output = files.audit("--genesis", str(files.genesis), "--head", head)
    assert code == Exit.USAGE
    assert "HEIGHT:HASH" in output


def test_another_head_of_the_same_height_exits_5(files: Files) -> None:
    code, output = files.audit("--genesis", str(files.genesis), "--head", "5:" + "0" * 64)
    assert code == Exit.FORK
    assert "FORK" in output


def test_an_unreadable_file_is_a_usage_error(files: Files) -> None:
    files.export.unlink()
    assert files.audit("--genesis", str(files.genesis))[0] == Exit.USAGE
    files.export.mkdir()
    assert files.audit("--genesis", str(files.genesis))[0] == Exit.USAGE


def test_the_report_is_written_as_json(files: Files) -> None:
    out = files.folder / "report.json"
    code, _output = files.audit("--genesis", str(files.genesis), "--head", files.head, "--json", str(out))
    report = json.loads(out.read_text())
    assert (report["exit"], code) == (0, 0)
    assert report["head"] == report["expected_head"] == files.head
    assert [check["id"] for check in report["checks"]] == [*range(1, 23), 24, 25, 26]
    assert {check["status"] for check in report["checks"]} == {"passed"}


def test_with_a_dash_standard_output_is_json_alone(files: Files) -> None:
    content = bytearray(files.export.read_bytes())
    content[-1] ^= 1
    files.export.write_bytes(content)
    code, output = files.audit("--genesis", str(files.genesis), "--head", files.head, "--json", "-")
    report = json.loads(output)
    assert code == report["exit"] == Exit.FAILED
    assert report["findings"][0]["category"] == "CORRUPT"
    assert report["findings"][0]["check"] == 3


def test_a_failure_names_height_byte_expected_and_found(files: Files) -> None:
    content = bytearray(files.export.read_bytes())
    content[-1] ^= 1
    files.export.write_bytes(content)
    _code, output = files.audit("--genesis", str(files.genesis), "--head", files.head)
    for label in ("CORRUPT (check 3)", "byte:", "expected:", "found:"):
        assert label in output


def test_export_without_a_network_says_what_to_do(tmp_path: Path) -> None:
    result = runner.invoke(app, ["export", "-o", str(tmp_path / "x.pbk"), "--network", str(tmp_path)])
    assert result.exit_code == Exit.FAILED
    assert "network init" in result.output

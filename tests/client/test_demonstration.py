"""The demonstration as a stranger runs it: a process, its exit code, and the files it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from client.cli import run

pytestmark = pytest.mark.integration

PROJECT = Path(__file__).resolve().parents[2]
HEADER = (
    "countryCode,customerID,PaperlessDate,invoiceNumber,InvoiceDate,DueDate,InvoiceAmount,Disputed,SettledDate,"
    "PaperlessBill,DaysToSettle,DaysLate"
)
TIMEOUT_S = 110


def invoices(path: Path, count: int = 30) -> Path:
    """Every fifth is disputed, every second is settled."""
    rows = [
        f"391,C{number % 4}-X,4/6/2013,{10_000 + number},1/2/2013,2/1/2013,{100 + number}.50,"
        f"{'Yes' if number % 5 == 0 else 'No'},{'1/15/2013' if number % 2 == 0 else ''},Paper,13,0"
        for number in range(count)
    ]
    path.write_text("\n".join((HEADER, *rows)) + "\n")
    return path


def start(*arguments: str, temporary: Path) -> subprocess.Popen[str]:
    temporary.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TMPDIR": str(temporary)}
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.demo", *arguments],
        cwd=PROJECT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def node_pids(account: str) -> list[int]:
    """The process ids that the first table of the account names."""
    return [int(pid) for pid in re.findall(r"127\.0\.0\.1:\d+\s+(\d+)\s*$", account, re.MULTILINE)]


def wait_until_dead(pids: list[int]) -> None:
    deadline = time.monotonic() + 20
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still running: {pids}"
        time.sleep(0.1)


def test_it_registers_the_invoices_of_a_file_and_leaves_what_an_auditor_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    demo = start("--invoices", str(invoices(tmp_path / "i.csv")), "--out", str(out), temporary=temporary)
    account, errors = demo.communicate(timeout=TIMEOUT_S)
    assert demo.returncode == 0, account + errors
    assert {path.name for path in out.iterdir()} == {"genesis.json", "chain.pbk", "head.txt", "summary.json"}
    summary = json.loads((out / "summary.json").read_text())
    accepted, refused = summary["accepted"], summary["refused"]
    assert accepted["RegisterReceivable"] == 30
    assert accepted["RaiseDispute"] == 6
    assert accepted["Settle"] == 15
    assert accepted["RecordPayment"] >= 15
    assert refused == {
        "DUPLICATE_PLEDGE": 3,
        "DUPLICATE_RECEIVABLE": 1,
        "EMPTY_ASSIGNMENT": 1,
        "EMPTY_PLEDGE": 3,
        "NOT_HOLDER": 2,
    }
    assert set(summary["state_roots"]) == {"association", "factor-1", "factor-2", "exporter-1"}
    assert len(set(summary["state_roots"].values())) == 1
    head = (out / "head.txt").read_text().strip()
    assert head == summary["head"]
    assert head.startswith(f"{summary['height']}:")
    assert "was killed with SIGKILL" in account
    audited = run(("audit", str(out / "chain.pbk"), "--genesis", str(out / "genesis.json"), "--head", head))
    assert (audited, "complete" in capsys.readouterr().out) == (0, True)
    pids = node_pids(account)
    assert len(pids) == 4
    wait_until_dead(pids)
    assert list(temporary.iterdir()) == []


def test_a_file_with_a_fault_is_told_before_anything_is_started(tmp_path: Path) -> None:
    file = invoices(tmp_path / "i.csv")
    file.write_text(file.read_text().replace("103.50", "103,50"))
    demo = start("--invoices", str(file), "--out", str(tmp_path / "out"), temporary=tmp_path / "tmp")
    account, errors = demo.communicate(timeout=TIMEOUT_S)
    assert demo.returncode == 2
    assert account == ""
    assert "line 5" in errors
    assert "Traceback" not in errors


def test_ending_it_ends_all_it_has_started(tmp_path: Path) -> None:
    demo = start(temporary=tmp_path / "tmp")
    assert demo.stdout is not None
    account = ""
    while len(node_pids(account)) < 4:
        line = demo.stdout.readline()
        assert line, f"ended early: {account}"
        account += line
    demo.send_signal(signal.SIGTERM)
    rest, errors = demo.communicate(timeout=60)
    assert demo.returncode == 130, rest + errors
    assert "Traceback" not in errors
    wait_until_dead(node_pids(account))
    assert list((tmp_path / "tmp").iterdir()) == []

"""The portfolio as a stranger plays it: four real nodes, a file of invoices, and figures that must be the file's."""

from __future__ import annotations

import csv
import datetime
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

PROJECT = Path(__file__).resolve().parents[2]
COLUMNS = (
    "countryCode", "customerID", "PaperlessDate", "invoiceNumber", "InvoiceDate", "DueDate", "InvoiceAmount", "Disputed",
    "SettledDate", "PaperlessBill", "DaysToSettle", "DaysLate",
)  # fmt: skip
AS_OF = datetime.date(2013, 6, 30)
TIMEOUT_S = 110


def write_invoices(path: Path, count: int = 36) -> None:
    """Of four customers: paid, open, disputed, past due, too long past due, and of a later day."""
    source = random.Random(406)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for number in range(count):
            issued = AS_OF - datetime.timedelta(days=source.randrange(-5, 110))
            due = issued + datetime.timedelta(days=30)
            settled = due + datetime.timedelta(days=source.randrange(-10, 40))
            writer.writerow(
                {
                    "customerID": f"{number % 4:04}-CUST",
                    "invoiceNumber": f"{6_110_000 + number:010}",
                    "InvoiceDate": _shown(issued),
                    "DueDate": _shown(due),
                    "InvoiceAmount": f"{source.randrange(20, 120)}.{source.randrange(100):02}",
                    "Disputed": "Yes" if number % 5 == 0 else "No",
                    "SettledDate": _shown(settled) if number % 9 else "",
                }
            )


def _shown(day: datetime.date) -> str:
    return f"{day.month}/{day.day}/{day.year}"


def played(*arguments: str, temporary: Path) -> subprocess.CompletedProcess[str]:
    temporary.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TMPDIR": str(temporary)}
    return subprocess.run(
        [sys.executable, "-m", "scripts.portfolio", *arguments],
        cwd=PROJECT,
        env=environment,
        text=True,
        capture_output=True,
        timeout=TIMEOUT_S,
    )


def test_the_report_on_a_portfolio_is_what_the_file_comes_to(tmp_path: Path) -> None:
    file, out, temporary = tmp_path / "invoices.csv", tmp_path / "out", tmp_path / "tmp"
    write_invoices(file)
    run = played(
        "--invoices", str(file), "--as-of", AS_OF.isoformat(), "--debtor-share", "35", "--out", str(out),
        temporary=temporary,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "CONCENTRATION" in run.stdout
    assert "INELIGIBLE" in run.stdout
    figures = json.loads((out / "figures.json").read_text())
    assert figures["chain"] == figures["file"]
    assert min(figures["file"][name] for name in ("paid", "pooled", "base", "drawn", "disputed")) > 0
    report = json.loads((out / "report.json").read_text())
    assert report["figures"]["by_currency"][0]["advanced"] == figures["file"]["drawn"]
    assert list(temporary.iterdir()) == []


def test_a_day_on_which_nothing_is_eligible_is_told(tmp_path: Path) -> None:
    file = tmp_path / "invoices.csv"
    write_invoices(file)
    run = played(
        "--invoices", str(file), "--as-of", "2013-06-30", "--tenor-days", "0", temporary=tmp_path / "tmp"
    )
    assert (run.returncode, "nothing of the file is eligible" in run.stderr) == (2, True), run.stdout
    assert list((tmp_path / "tmp").iterdir()) == []

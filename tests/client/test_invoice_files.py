"""Files of invoices: every row is an invoice or a fault with its line, its column and what to do."""

from __future__ import annotations

import datetime
import io
from pathlib import Path

import pytest

from client.errors import InputError
from client.importers.customers import demonstration_lei, member_name, read_customer_directory
from client.importers.mapping import ACCOUNTS_RECEIVABLE, Mapping, parse_mapping
from client.importers.rows import InvoiceRow, RowProblem, read_rows
from registry.identifiers import parse_member_id

HEADER = (
    "countryCode,customerID,PaperlessDate,invoiceNumber,InvoiceDate,DueDate,InvoiceAmount,Disputed,SettledDate,"
    "PaperlessBill,DaysToSettle,DaysLate"
)
ROW = "391,0379-NEVHP,4/6/2013,0000611365,1/2/2013,2/1/2013,55.94,No,1/15/2013,Paper,13,0"
MAPPING = parse_mapping(ACCOUNTS_RECEIVABLE)
PLAIN = parse_mapping(
    '[file]\ndate_format = "%Y-%m-%d"\n[columns]\ncustomer = "c"\ninvoice_number = "n"\nissue_date = "i"\n'
    'due_date = "d"\namount = "a"\ncurrency = "k"\nfiscal_number = "f"\n'
)


def read(
    content: str | bytes, mapping: Mapping = MAPPING, currency: str | None = "USD"
) -> list[InvoiceRow | RowProblem]:
    raw = content.encode() if isinstance(content, str) else content
    return list(read_rows(io.BytesIO(raw), mapping, currency))


def rows(*lines: str) -> str:
    return "\n".join((HEADER, *lines)) + "\n"


def row(**changes: str) -> str:
    fields = dict(zip(HEADER.split(","), ROW.split(","), strict=True))
    return ",".join((fields | changes).values())


def problem(content: str | bytes) -> RowProblem:
    found = read(content)
    problems = [item for item in found if isinstance(item, RowProblem)]
    assert len(problems) == 1
    return problems[0]


def test_a_row_becomes_an_invoice() -> None:
    assert read(rows(ROW)) == [
        InvoiceRow(
            line=2,
            customer="0379-NEVHP",
            invoice_number="0000611365",
            issue_date=datetime.date(2013, 1, 2),
            due_date=datetime.date(2013, 2, 1),
            amount=5_594,
            currency="USD",
            disputed=False,
            settled_date=datetime.date(2013, 1, 15),
            fiscal_number=None,
        )
    ]


def test_a_disputed_invoice_that_is_not_settled() -> None:
    (found,) = read(rows(row(Disputed="Yes", SettledDate="")))
    assert isinstance(found, InvoiceRow)
    assert found.disputed
    assert found.settled_date is None


@pytest.mark.parametrize(
    ("changes", "column", "message"),
    [
        ({"InvoiceAmount": "-5"}, "InvoiceAmount", "'-5' is not an amount"),
        ({"InvoiceAmount": "0.00"}, "InvoiceAmount", "is zero"),
        ({"InvoiceAmount": "1e3"}, "InvoiceAmount", "is not an amount"),
        ({"InvoiceAmount": "55.941"}, "InvoiceAmount", "more than the 2 decimals"),
        ({"InvoiceAmount": "99999999999999999999"}, "InvoiceAmount", "is not an amount"),
        ({"InvoiceAmount": ""}, "InvoiceAmount", "is not an amount"),
        ({"InvoiceDate": "2013-01-02"}, "InvoiceDate", "is not a date such as 01/31/2026"),
        ({"InvoiceDate": "2/30/2013"}, "InvoiceDate", "is not a date"),
        ({"InvoiceDate": ""}, "InvoiceDate", "is not a date"),
        ({"InvoiceDate": "1/1/1969"}, "InvoiceDate", "before 1970"),
        ({"DueDate": "1/1/2013"}, "DueDate", "before the issue date"),
        ({"SettledDate": "1/1/2013"}, "SettledDate", "before the issue date"),
        ({"SettledDate": "soon"}, "SettledDate", "is not a date"),
        ({"Disputed": "maybe"}, "Disputed", "is none of No, Yes"),
        ({"Disputed": ""}, "Disputed", "is none of No, Yes"),
        ({"customerID": " "}, "customerID", "is empty"),
        ({"customerID": "x" * 101}, "customerID", "at most 100"),
        ({"customerID": "a\x07b"}, "customerID", "control character"),
        ({"invoiceNumber": ""}, "invoiceNumber", "is empty"),
        ({"invoiceNumber": "--"}, "invoiceNumber", "no letter or digit"),
    ],
)
def test_a_wrong_field_is_told_with_line_and_column(
    changes: dict[str, str], column: str, message: str
) -> None:
    found = problem(rows(ROW, row(**{"invoiceNumber": "7"} | changes)))
    assert (found.line, found.column) == (3, column)
    assert message in found.message
    assert str(found).startswith(f"line 3, column {column}: ")


def test_every_wrong_field_of_a_row_is_told_and_the_rows_after_it_are_read() -> None:
    wrong = row(InvoiceAmount="x", Disputed="x", invoiceNumber="8")
    found = read(rows(wrong, ROW))
    assert [item.column for item in found if isinstance(item, RowProblem)] == ["InvoiceAmount", "Disputed"]
    assert sum(isinstance(item, InvoiceRow) for item in found) == 1


@pytest.mark.parametrize("line", ["1,2,3", ROW + ",more"])
def test_a_row_of_another_width_is_told(line: str) -> None:
    found = problem(rows(ROW, line))
    assert (found.line, found.column) == (3, "")
    assert "the first line has 12" in found.message


def test_the_same_invoice_twice_is_told_with_both_lines_even_if_written_otherwise() -> None:
    found = problem(rows(ROW, row(invoiceNumber="611-365", InvoiceAmount="60.00")))
    assert (found.line, found.column) == (3, "invoiceNumber")
    assert "in line 2 already" in found.message


def test_two_customers_may_use_one_number() -> None:
    assert all(isinstance(item, InvoiceRow) for item in read(rows(ROW, row(customerID="other"))))


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + rows(ROW).encode(),
        rows(ROW).replace("\n", "\r\n").encode(),
        rows(ROW).encode("utf-16"),
        (rows(ROW) + "\n\n").encode(),
        rows(row(customerID='"0379-NEVHP"')).encode(),
        rows(ROW).rstrip("\n").encode(),
    ],
    ids=["byte-order mark", "CRLF", "UTF-16", "empty lines at the end", "quoted", "no last line end"],
)
def test_files_as_programs_write_them_are_read(content: bytes) -> None:
    assert read(content) == read(rows(ROW))


def test_the_same_file_is_read_twice_from_its_beginning() -> None:
    file = io.BytesIO(rows(ROW, row(invoiceNumber="8")).encode())
    assert list(read_rows(file, MAPPING, "USD")) == list(read_rows(file, MAPPING, "USD"))


def test_a_quoted_line_end_keeps_the_line_numbers_right() -> None:
    found = read(rows(row(PaperlessBill='"Pa\nper"'), row(invoiceNumber="8", InvoiceAmount="x")))
    assert [item.line for item in found] == [3, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (rows(ROW).encode() + b"\xff\xff\n", "not utf-8"),
        (HEADER.replace("customerID", "customer").encode(), "customerID is missing"),
        (HEADER.encode() + b",extra\n", "extra is not in the mapping"),
        (HEADER.replace("DaysLate", "DaysToSettle").encode(), "is there twice"),
        (rows(ROW).replace(",", ";").encode(), "is missing"),
        (rows(ROW, '"unpaired').encode(), "not readable as CSV"),
        (rows(ROW, 'a"b"c,"x"y').encode(), "not readable as CSV"),
    ],
    ids=["empty", "encoding", "missing", "unmapped", "twice", "delimiter", "unpaired quote", "quote inside"],
)
def test_a_file_that_cannot_be_read_as_a_whole_is_told(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(content)


@pytest.mark.parametrize(
    ("currency", "message"), [(None, "--currency"), ("XYZ", "not an ISO 4217"), ("usd", "ISO 4217")]
)
def test_a_file_without_currencies_needs_one(currency: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(rows(ROW), currency=currency)


def test_a_currency_column_is_read_row_by_row() -> None:
    content = "c,n,i,d,a,k,f\nx,1,2024-01-01,2024-02-01,100,JPY,\nx,2,2024-01-01,2024-02-01,1.5,eur,2431200\n"
    first, second = read(content, PLAIN, None)
    assert isinstance(first, InvoiceRow)
    assert isinstance(second, InvoiceRow)
    assert (first.amount, first.currency, first.fiscal_number) == (100, "JPY", None)
    assert (second.amount, second.currency, second.fiscal_number) == (150, "EUR", "2431200")
    assert not first.disputed
    unknown = read(content.replace("JPY", "XXX"), PLAIN, None)[0]
    assert isinstance(unknown, RowProblem)


# -- Mappings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[file]", "[fiel]"), "file is missing"),
        (('encoding = "utf-8"', 'encoding = "utf-9"'), "not a known encoding"),
        (('delimiter = ","', 'delimiter = ",,"'), "one character"),
        (('date_format = "%m/%d/%Y"', 'date_format = "%m/%Y"'), "day, month and year"),
        (('date_format = "%m/%d/%Y"', 'date_format = "%d%m%Y%"'), "day, month and year"),
        (('date_format = "%m/%d/%Y"', "date_format = 3"), "must be text"),
        (('customer = "customerID"', 'klient = "customerID"'), "customer is missing"),
        (('amount = "InvoiceAmount"', 'amount = "DueDate"'), "mapped twice"),
        (('undisputed = ["No"]', ""), "needs the words"),
        (('undisputed = ["No"]', 'undisputed = ["Yes"]'), "must not share"),
        (('undisputed = ["No"]', 'undisputed = "No"'), "must be a list"),
        (('undisputed = ["No"]', 'undisputed = ["No"]\ntypo = 1'), "typo is not known"),
        (("[words]", "[words"), "not TOML"),
    ],
)
def test_a_wrong_mapping_is_told(change: tuple[str, str], message: str) -> None:
    assert change[0] in ACCOUNTS_RECEIVABLE
    with pytest.raises(InputError, match=message):
        parse_mapping(ACCOUNTS_RECEIVABLE.replace(*change))


# -- Customers ---------------------------------------------------------------------------------------------------------


def test_a_demonstration_lei_is_well_formed_and_always_the_same() -> None:
    made = demonstration_lei("0379-NEVHP")
    assert made == "lei:PLDGM9QWH6ZJKR2D1I47"
    many = {demonstration_lei(f"customer {number}") for number in range(2_000)}
    assert len(many) == 2_000
    assert all(parse_member_id(each) == each and each.startswith("lei:PLDG") for each in many)


def test_customers_names_do_as_file_names() -> None:
    assert member_name("0379-NEVHP") == "debtor-0379-NEVHP"
    assert member_name("../x").startswith("debtor-")
    assert "/" not in member_name("../x")
    assert member_name("Müller") != member_name("Muller")


def test_a_customer_directory_gives_real_identifiers(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    own = parse_member_id("lei:529900T8BM49AURSDO55")
    path.write_text("customer,debtor\nA-1,lei:549300E9PC51EN656011\nB-2,debtor-1\n")
    assert read_customer_directory(path, {"debtor-1": own}) == {
        "A-1": "lei:549300E9PC51EN656011",
        "B-2": own,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n", "first line must be"),
        ("", "first line must be"),
        ("customer,debtor\nA-1\n", "line 2: expected two"),
        ("customer,debtor\nA-1,lei:1\n", "line 2: .* LEI"),
        ("customer,debtor\nA-1,debtor-9\n", "line 2: .* must begin with"),
        (
            "customer,debtor\nA,lei:549300E9PC51EN656011\nA,lei:529900T8BM49AURSDO55\n",
            "line 3: customer 'A' has two",
        ),
    ],
)
def test_a_wrong_customer_directory_is_told(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "customers.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_customer_directory(path, {})


def test_a_missing_customer_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_customer_directory(tmp_path / "no.csv", {})

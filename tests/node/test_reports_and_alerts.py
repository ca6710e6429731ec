"""Reports and alerts of a real node: equal to what an auditor derives, and for nobody's eyes but those they are for."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from client.answers import AlertBatch
from client.audit.audit import AuditRequest
from client.audit.export import export_chain
from client.audit.reporting import audited_report
from client.cli import run
from client.connection import Identity
from client.directory import Directory, read_directory
from client.errors import CallRefused
from client.keys import read_key
from client.registry_client import RegistryClient
from node.api.supervision_service import send
from node.network import Network
from node.network_files import NetworkPlan, make_network
from node.status import CallCode
from node.status import CallRefused as Refusal
from pledgebook.v1 import supervision_pb2
from registry.identifiers import EntryId
from registry.supervision.fold import ReportRequest
from tests.node.live_network import Author, connect

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("reports")]

WATCHER = "lei:5299000000WATCHER004"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("reports") / "net"
    plan = NetworkPlan(validators=3, network_delay_ms=50, heartbeat_ms=500)
    with Network(make_network(folder, plan, datetime.datetime.now(datetime.UTC))) as running:
        running.start_all()
        running.wait_healthy()
        author = Author(running.directory)
        with connect(author, "association") as client:
            first = author.registration()
            assert client.submit(first.raw) == ["OK"]
            client.wait(first.entry_id)
            # The same invoice once more, under another entry: an attempt that stands on the record.
            author.sequence -= 1
            second = author.registration(sequence=author.sequence + 1_000)
            assert client.submit(second.raw) == ["OK"]
            client.wait(second.entry_id)
        yield running


@pytest.fixture
def directory(network: Network) -> Directory:
    return read_directory(network.directory.folder)


@asynccontextmanager
async def client_of(
    directory: Directory, name: str, node: str | None = None
) -> AsyncIterator[RegistryClient]:
    files = directory.member(name)
    identity = Identity(files.member_id, read_key(files.keys[0], None))
    addresses = {name: each.api for name, each in directory.nodes.items() if node in (None, name)}
    async with RegistryClient(
        directory.genesis(), addresses, identity, age_ms_max=None, timeout_s=60
    ) as client:
        yield client


async def exported(client: RegistryClient, path: Path, height: int) -> AuditRequest:
    head = (await client.head(height)).checkpoint
    await export_chain(path, client.chain, client.blocks(1, height), head, lambda _height: None)
    return AuditRequest(path, None, head, workers=0)


async def first_batches(client: RegistryClient, from_height: int, up_to: int) -> list[AlertBatch]:
    """The batches with alerts, until the node says that it has told all up to a height."""
    found: list[AlertBatch] = []
    async with asyncio.timeout(60):
        async for batch in client.watch_alerts(from_height):
            if batch.alerts:
                found.append(batch)
            if batch.height >= up_to:
                break
    return found


@pytest.mark.parametrize("scope", ["sector", "factor-1"])
async def test_a_nodes_report_is_the_auditors_byte_for_byte(
    directory: Directory, tmp_path: Path, scope: str
) -> None:
    member_id = None if scope == "sector" else directory.member(scope).member_id
    async with client_of(directory, "association") as client:
        height = (await client.head()).header.height
        request = ReportRequest(height, member_id)
        heights: list[int] = []
        told = await client.report(request, progress=heights.append)
        audit = await exported(client, tmp_path / "chain.pbk", height)
        again = await client.report(request, progress=heights.append)
    genesis = (directory.folder / "genesis.json").read_bytes()
    report, derived = audited_report(
        AuditRequest(audit.file, genesis, audit.expected_head, workers=0), request
    )
    assert not report.findings
    assert told == derived == again
    assert heights == sorted(set(heights))
    assert heights[-1] == height
    assert (b'"DUPLICATE_RECEIVABLE": 1' in told) is (scope == "sector")


async def test_every_node_tells_the_same_report_and_the_same_alerts(directory: Directory) -> None:
    async with client_of(directory, "association") as client:
        height = (await client.head()).header.height
    reports, alerts = set(), []
    for node in directory.nodes:
        async with client_of(directory, "association", node) as client:
            reports.add(await client.report(ReportRequest(height, None)))
            alerts.append(await first_batches(client, 1, height))
    assert len(reports) == 1
    assert alerts == [alerts[0]] * 3
    assert alerts[0]


async def test_a_factor_is_told_its_own_figures_and_no_others(directory: Directory) -> None:
    async with client_of(directory, "factor-1") as client:
        own = await client.report(ReportRequest(0, directory.member("factor-1").member_id))
        assert b'"factors": []' in own
        for scope in (None, directory.member("exporter-1").member_id):
            with pytest.raises(CallRefused) as refused:
                await client.report(ReportRequest(0, scope))
            assert refused.value.code == "FORBIDDEN"


async def test_a_report_beyond_the_chain_or_on_a_period_that_ends_before_it_begins_is_refused(
    directory: Directory,
) -> None:
    async with client_of(directory, "association") as client:
        height = (await client.head()).header.height
        for request, code in (
            (ReportRequest(1, None, from_height=2), "BAD_REQUEST"),
            (ReportRequest(height, "lei:nobody"), "BAD_REQUEST"),
            (ReportRequest(height + 1_000, None), "UNKNOWN_HEIGHT"),
        ):
            with pytest.raises(CallRefused) as refused:
                await client.report(request)
            assert refused.value.code == code


async def test_an_attempt_is_told_to_its_parties_and_to_the_readers_of_all_with_its_receipt(
    directory: Directory,
) -> None:
    async with client_of(directory, "association") as client:
        height = (await client.head()).header.height
        (batch,) = await first_batches(client, 1, height)
        (alert,) = batch.alerts
        assert (alert.kind, alert.detail) == ("duplicate_attempt", "DUPLICATE_RECEIVABLE")
        (proven,) = (await client.wait_for_receipts([EntryId(alert.entry_id)])).values()
        assert proven.receipt.height == batch.height
        assert proven.receipt.results[alert.operation_index or 0].code == alert.detail
        assert proven.receipt.results[0].collided_with == alert.reference
    async with client_of(directory, "exporter-1") as client:
        assert await first_batches(client, 1, height) == [batch]
    async with client_of(directory, "factor-1") as client:
        assert await first_batches(client, 1, height) == []


async def test_who_watches_is_told_of_an_attempt_as_it_happens_and_can_go_on_later(
    network: Network, directory: Directory
) -> None:
    author = Author(network.directory, "exporter-1", sequence=0)
    async with client_of(directory, "association") as client:
        height = (await client.head()).header.height
        watching = asyncio.create_task(_next_batch(client, height + 1))
        await asyncio.sleep(0.5)
        attempt = author.registration(sequence=5_000)
        with connect(author, "association") as other:
            assert other.submit(attempt.raw) == ["OK"]
        async with asyncio.timeout(60):
            batch = await watching
        assert batch.alerts[0].entry_id == attempt.entry_id
        assert await first_batches(client, batch.height, batch.height) == [batch]
        assert await first_batches(client, batch.height + 1, batch.height + 1) == []


async def _next_batch(client: RegistryClient, from_height: int) -> AlertBatch:
    async for batch in client.watch_alerts(from_height):
        if batch.alerts:
            return batch
    raise AssertionError("the stream ended")


def test_the_command_line_asks_a_node_and_recomputes_from_an_export(
    network: Network, directory: Directory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(directory.folder)
    files = {name: str(tmp_path / name) for name in ("asked.json", "derived.json", "chain.pbk")}
    asking = ("--as-of", "1", "--sector", "--network", folder)
    assert run(("report", *asking, "--as", "association", "--out", files["asked.json"])) == 0
    said = capsys.readouterr().err
    assert "One node's word" in said
    assert run(("export", "-o", files["chain.pbk"], "--network", folder)) == 0
    head = capsys.readouterr().out.strip()
    export = ("--export", files["chain.pbk"], "--genesis", f"{folder}/genesis.json", "--head", head)
    assert run(("report", *asking, *export, "--out", files["derived.json"])) == 0
    asked, derived = (Path(files[name]).read_bytes() for name in ("asked.json", "derived.json"))
    assert asked == derived
    assert sha256(asked).hexdigest() in said
    assert run(("report", *asking, "--as", "factor-1")) == 1
    assert capsys.readouterr().out == ""


def test_the_command_line_prints_alerts_until_a_height(
    network: Network, directory: Directory, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("alerts", "watch", "--network", str(directory.folder), "--as", "association", "--from", "1")
    # Blocks may have gone by before the attempt: a network that rests makes one now and then.
    assert run((*arguments, "--until", "5", "--json")) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (first["kind"], first["detail"]) == ("duplicate_attempt", "DUPLICATE_RECEIVABLE")
    assert (first["entry"], first["operation"]) == (0, 0)
    assert run((*arguments, "--until", str(first["height"]))) == 0
    assert f"height {first['height']} entry 0 operation 0: duplicate_attempt" in capsys.readouterr().out


def test_who_becomes_a_party_is_told_what_was_raised_before(
    network: Network, directory: Directory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ("--network", str(directory.folder), "--json")
    buyer = "lei:529900T8BM49AURSDO55"
    assert run(("enrol", "debtor-1", "--member-id", buyer, "--role", "debtor", *folder)) == 0
    today = datetime.datetime.now(datetime.UTC).date()
    due = today + datetime.timedelta(days=3)
    dates = ("--issued", today.isoformat(), "--due", due.isoformat())
    papers = ("--debtor", buyer, "--invoice", "SOON-1", "--amount", "70.00", "--currency", "USD", *dates)
    capsys.readouterr()
    assert run(("register", "--as", "exporter-1", *papers, *folder)) == 0
    registered = json.loads(capsys.readouterr().out)
    subject = registered["operations"][0]["subject"]

    def told_to_factor(until: int) -> list[dict[str, Any]]:
        watching = ("alerts", "watch", "--as", "factor-1", "--from", "1", "--until", str(until), *folder)
        assert run(watching) == 0
        alerts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [alert for alert in alerts if alert["subject"] == subject]

    assert told_to_factor(registered["height"]) == []
    assert (
        run(("assign", subject, "--as", "exporter-1", "--to", "factor-1", "--amount", "50.00", *folder)) == 0
    )
    assigned = json.loads(capsys.readouterr().out)
    (alert,) = told_to_factor(assigned["height"])
    assert (alert["kind"], alert["height"]) == ("due_soon", registered["height"])
    assert alert["detail"] == due.isoformat()


async def test_a_call_without_a_token_is_refused(directory: Directory) -> None:
    addresses = {node: each.api for node, each in directory.nodes.items()}
    async with RegistryClient(directory.genesis(), addresses, None, age_ms_max=None) as client:
        with pytest.raises(CallRefused) as refused:
            await client.report(ReportRequest(1, None))
        assert refused.value.code == "UNAUTHENTICATED"
        with pytest.raises(CallRefused) as refused:
            await anext(aiter(client.watch_alerts(1)))
        assert refused.value.code == "UNAUTHENTICATED"


async def test_a_caller_who_reads_nothing_is_let_go_of() -> None:
    class Stuck:
        async def write(self, _batch: object) -> None:
            await asyncio.Event().wait()

    context: Any = Stuck()
    with pytest.raises(Refusal) as refused:
        await send(context, supervision_pb2.AlertBatch(height=7), slow_s_max=0.05)
    assert refused.value.code is CallCode.OVERLOADED
    assert "from height 7" in refused.value.message


async def _to_the_end(watch: AsyncIterator[Any]) -> None:
    async for _ in watch:
        pass


async def test_watches_end_with_the_right_to_them(directory: Directory) -> None:
    on = ("--network", str(directory.folder))
    enrolling = ("enrol", "watcher", "--member-id", WATCHER, "--role", "auditor", *on)
    assert await asyncio.to_thread(run, enrolling) == 0
    async with client_of(read_directory(directory.folder), "watcher") as client:
        watches: list[AsyncIterator[Any]] = [client.watch_alerts(1), client.watch_events(1)]
        for watch in watches:
            await anext(watch)
        expelling = ("govern", "change-member", "watcher", "--status", "expelled", *on)
        assert await asyncio.to_thread(run, expelling) == 0
        for watch in watches:
            with pytest.raises(CallRefused) as refused:
                await asyncio.wait_for(_to_the_end(watch), 30)
            assert refused.value.code == "UNAUTHENTICATED"

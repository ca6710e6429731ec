"""The SDK against nodes that answer, fail, lag, hang and lie, over real gRPC in this process."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from client.answers import ByFingerprint, ById
from client.blocking import BlockingClient
from client.connection import Identity
from client.errors import CallRefused, DirectoryError, Unreachable
from client.evidence import keep_evidence
from client.hand_in import Admission, nodes_with_an_honest_one
from client.registry_client import RegistryClient, _batches
from client.submission import VALID_FOR_MS, Draft, EntryTurnedAway, Submitter
from client.trust import Checkpoint
from client.verify import Fork, HeadTooOld, ProvenReceipt
from client.wallet import Wallet
from node.status import CallCode
from node.status import CallRefused as NodeRefuses
from node.tls import generate_identity
from pledgebook.v1 import ledger_pb2, registry_pb2
from registry.access_token import check_token_signature, decode_token
from registry.codec import unpack
from registry.entry import decode_entry
from registry.errors import ProofInvalid
from registry.fingerprints import FingerprintKey, FingerprintKind
from registry.identifiers import EntryId, MemberId
from tests.client.audit.chain_builder import confirm, digest_of, key_of, member_id_of, registered
from tests.client.fake_node import FakeNode, TlsChain, client_of, serving

pytestmark = pytest.mark.integration

UNKNOWN = bytes([7]) * 32


class World:
    """Three nodes over one chain with one receivable."""

    def __init__(self) -> None:
        self.chain = TlsChain()
        entry = self.chain.entry("exporter-1", self.chain.register(invoice="one"))
        self.chain.commit([entry])
        self.receivable = registered(entry)
        self.first, self.second, self.third = (
            FakeNode(self.chain, name) for name in ("exporter-1", "association", "factor-1")
        )
        self.nodes = (self.first, self.second, self.third)

    def client(self, **options: Any) -> RegistryClient:
        return client_of(self.chain, *self.nodes, **options)

    def fresh(self, count: int = 1) -> list[bytes]:
        return [self.chain.entry("exporter-1", self.chain.register()) for _ in range(count)]

    def submitter(self, client: RegistryClient, **options: Any) -> Submitter:
        return Submitter(client, association_keys=1, clock=lambda: self.chain.tip.time_ms, **options)

    def draft(self) -> Draft:
        wallet = Wallet(
            MemberId(member_id_of("exporter-1")),
            (key_of("exporter-1"),),
            self.chain.genesis.chain_id,
            FingerprintKey(bytes(32), 1),
        )
        return Draft((self.chain.register(),), (wallet,))


@pytest.fixture
def world() -> World:
    return World()


# -- Questions ---------------------------------------------------------------------------------------------------------


async def test_questions_are_answered_with_proof_and_asked_under_the_members_token(world: World) -> None:
    async with serving(*world.nodes), world.client() as client:
        by_id = await client.status(ById(world.receivable))
        key = ByFingerprint(FingerprintKind.INVOICE, digest_of("invoice", "one"))
        by_invoice = await client.status(key)
        record = (await client.receivable(key)).record
        member = await client.member(member_id_of("exporter-1"))
        missing = await client.status(ById(UNKNOWN))
        head = await client.head()
        await client.head(1)
    assert by_id.summary == by_invoice.summary
    assert record is not None
    assert record.receivable_id == world.receivable
    assert member.window.highest == 1
    assert missing.summary is None
    assert head.checkpoint == Checkpoint(*world.chain.head)
    token = decode_token(world.first.tokens[0])
    check_token_signature(token)
    assert (token.token.member, token.token.node_id) == (member_id_of("exporter-1"), "exporter-1")
    assert world.second.calls == []


async def test_many_keys_are_asked_in_batches_of_a_hundred(world: World) -> None:
    keys = [ById(UNKNOWN[:-1] + bytes([number])) for number in range(250)]
    async with serving(*world.nodes), world.client() as client:
        assert [status.summary for status in await client.statuses(keys)] == [None] * 250
        assert await client.statuses([]) == ()
    assert world.first.calls == ["GetStatus"] * 3


async def test_a_node_that_is_down_is_passed_over_and_asked_last_from_then_on(world: World) -> None:
    async with serving(*world.nodes), world.client() as client:
        gone = FakeNode(world.chain, "factor-2")
        gone.address = "127.0.0.1:1"
        async with client_of(world.chain, gone, *world.nodes) as other:
            assert (await other.status(ById(world.receivable))).summary is not None
            assert other.node_ids == ("exporter-1", "association", "factor-1", "factor-2")
        assert client.node_ids[0] == "exporter-1"


async def test_a_node_that_hangs_does_not_use_up_the_time_of_the_others(world: World) -> None:
    world.first.hangs = True
    async with serving(*world.nodes), world.client(attempt_s=0.3) as client:
        await client.head()
    assert world.second.calls == ["GetHeader"]


async def test_nobody_there_is_unreachable_within_the_deadline(world: World) -> None:
    world.first.address = "127.0.0.1:1"
    async with client_of(world.chain, world.first, timeout_s=0.5) as client:
        with pytest.raises(Unreachable, match=r"exporter-1 at 127\.0\.0\.1:1"):
            await client.head()


async def test_a_server_with_another_certificate_is_not_spoken_to(world: World) -> None:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    impostor = FakeNode(world.chain, "exporter-1", generate_identity("exporter-1", now))
    async with serving(impostor), client_of(world.chain, impostor, timeout_s=0.5) as client:
        with pytest.raises(Unreachable):
            await client.head()
    assert impostor.calls == []


async def test_a_node_that_the_genesis_does_not_name_is_not_asked(world: World) -> None:
    stranger = FakeNode(world.chain, "association")
    stranger.node_id = "stranger"
    with pytest.raises(DirectoryError, match="'stranger' is not a node"):
        client_of(world.chain, stranger)
    with pytest.raises(DirectoryError, match="no node to ask"):
        client_of(world.chain)


async def test_a_refusal_keeps_its_code_and_is_not_asked_of_the_others(world: World) -> None:
    world.first.refusal = NodeRefuses(CallCode.FORBIDDEN, "not for you")
    async with serving(*world.nodes), world.client() as client:
        with pytest.raises(CallRefused) as caught:
            await client.receivable(ById(world.receivable))
    assert (caught.value.code, caught.value.message, caught.value.node_id) == (
        "FORBIDDEN",
        "not for you",
        "exporter-1",
    )
    assert world.second.calls == []


async def test_a_busy_node_is_asked_again_after_the_time_it_names(world: World) -> None:
    for node in world.nodes:
        node.refusal = NodeRefuses(CallCode.OVERLOADED, "busy", retry_after_ms=30)
        node.refusals_left = 1
    async with serving(*world.nodes), world.client() as client:
        await client.head()
    assert sum(len(node.calls) for node in world.nodes) == 4


async def test_a_chain_without_a_block_is_told_at_once(world: World) -> None:
    world.chain.blocks.clear()
    async with serving(*world.nodes), world.client(timeout_s=60.0) as client:
        with pytest.raises(CallRefused, match="NO_BLOCK_YET"):
            await client.head()
    assert [node.calls for node in world.nodes] == [["GetHeader"]] * 3


# -- Lies --------------------------------------------------------------------------------------------------------------


def a_bit_of_the_summary(response: registry_pb2.GetStatusResponse) -> registry_pb2.GetStatusResponse:
    public = bytearray(response.answers[0].present.public)
    public[-1] ^= 1
    response.answers[0].present.public = bytes(public)
    return response


def an_answer_too_few(response: registry_pb2.GetStatusResponse) -> registry_pb2.GetStatusResponse:
    del response.answers[:]
    return response


def a_certificate_without_a_quorum(
    response: registry_pb2.GetStatusResponse,
) -> registry_pb2.GetStatusResponse:
    response.head.certificate = response.head.certificate[:-64]
    return response


def a_change_of_validators(response: registry_pb2.GetStatusResponse) -> registry_pb2.GetStatusResponse:
    response.validator_changes.append(ledger_pb2.ValidatorChange(head=response.head, validators=b""))
    return response


@pytest.mark.parametrize(
    "falsify",
    [a_bit_of_the_summary, an_answer_too_few, a_certificate_without_a_quorum, a_change_of_validators],
)
async def test_a_false_answer_is_raised_kept_and_not_papered_over_by_another_node(
    world: World, falsify: Callable[[Any], Any]
) -> None:
    world.first.falsify = falsify
    async with serving(*world.nodes), world.client() as client:
        with pytest.raises(ProofInvalid) as caught:
            await client.status(ById(world.receivable))
        (kept,) = client.evidence
    assert (kept.node_id, kept.kind) == ("exporter-1", "GetStatusResponse")
    assert registry_pb2.GetStatusResponse.FromString(kept.answer).head.header
    assert caught.value.details["answer"] == kept.answer
    assert world.second.calls == []


async def test_evidence_is_kept_on_disk(world: World, tmp_path: Path) -> None:
    world.first.falsify = a_bit_of_the_summary
    async with serving(*world.nodes), world.client() as client:
        assert keep_evidence(tmp_path / "evidence", client) == []
        assert not (tmp_path / "evidence").exists()
        with pytest.raises(ProofInvalid):
            await client.status(ById(world.receivable))
        one = world.chain.build()
        other = world.chain.build(time_ms=one.block.header.time_ms + 1)
        client.chain.verify_head(one.block.header_bytes, one.certificate)
        with pytest.raises(Fork):
            client.chain.verify_head(other.block.header_bytes, other.certificate)
        written = keep_evidence(tmp_path / "evidence", client)
    assert [path.name.split("-")[0] for path in written] == ["false", "fork"]
    assert written[0].read_bytes() == client.evidence[0].answer
    assert unpack(written[1].read_bytes(), 1 << 20) == (
        (one.block.header_bytes, one.certificate),
        (other.block.header_bytes, other.certificate),
    )


async def test_an_older_header_than_the_one_asked_for_is_false(world: World) -> None:
    world.chain.commit()
    older = ledger_pb2.GetHeaderResponse()
    older.head.header = world.chain.blocks[0].block.header_bytes
    older.head.certificate = world.chain.blocks[0].certificate
    world.first.falsify = lambda _response: older
    async with serving(*world.nodes), world.client() as client:
        with pytest.raises(ProofInvalid, match="height 2 was asked for"):
            await client.head(2)


async def test_a_node_that_lags_is_passed_over(world: World) -> None:
    world.chain.commit()
    world.first.lag = 1
    async with serving(*world.nodes), world.client(checkpoint=Checkpoint(*world.chain.head)) as client:
        assert (await client.status(ById(world.receivable))).head.header.height == 2
        assert client.evidence == ()
    assert world.first.calls == world.second.calls == ["GetStatus"]


async def test_an_older_state_than_was_seen_is_refused_when_every_node_shows_it(world: World) -> None:
    world.chain.commit()
    for node in world.nodes:
        node.lag = 1
    async with (
        serving(*world.nodes),
        world.client(checkpoint=Checkpoint(*world.chain.head), timeout_s=0.6) as client,
    ):
        with pytest.raises(HeadTooOld):
            await client.status(ById(world.receivable))


async def test_a_network_that_shows_yesterday_is_refused_by_default(world: World) -> None:
    identity = Identity(MemberId(member_id_of("exporter-1")), key_of("exporter-1"))
    tomorrow_ms = world.chain.tip.time_ms + 86_400_000

    def client(**options: Any) -> RegistryClient:
        addresses = {node.node_id: node.address for node in world.nodes}
        return RegistryClient(
            world.chain.genesis, addresses, identity, timeout_s=0.6, clock=lambda: tomorrow_ms, **options
        )

    async with serving(*world.nodes):
        async with client() as careful:
            with pytest.raises(HeadTooOld):
                await careful.status(ById(world.receivable))
        async with client(age_ms_max=None) as careless:
            assert (await careless.status(ById(world.receivable))).summary is not None


async def test_turning_verification_off_shows(world: World) -> None:
    world.first.falsify = a_bit_of_the_summary
    async with serving(*world.nodes), world.client(verify=False) as client:
        assert not client.is_verifying
        assert not (await client.status(ById(world.receivable))).head.is_verified
        assert client.chain.highest is None


async def test_a_receipt_that_nobody_asked_for_is_false(world: World) -> None:
    (entry,) = world.fresh()
    other = world.first
    async with serving(*world.nodes), world.client() as client:
        await client.commit([entry])
        foreign = world.chain.blocks[0]

        def swap(batch: Any) -> Any:
            if isinstance(batch, registry_pb2.ReceiptBatch):
                batch.head.header = foreign.block.header_bytes
                batch.head.certificate = foreign.certificate
                batch.receipts[0].receipt = foreign.receipts[0]
                del batch.receipts[0].path[:]
            return batch

        other.falsify = swap
        with pytest.raises(ProofInvalid, match="nobody asked for"):
            await client.wait_for_receipts([decode_entry(entry).entry_id])


# -- Entries -----------------------------------------------------------------------------------------------------------


async def test_entries_are_committed_with_proven_receipts(world: World) -> None:
    entries = world.fresh(3)
    async with serving(*world.nodes), world.client() as client:
        outcome = await client.commit(entries)
    assert set(outcome) == {decode_entry(raw).entry_id for raw in entries}
    assert all(isinstance(proven, ProvenReceipt) for proven in outcome.values())


async def test_an_entry_that_a_node_lost_is_handed_in_again_and_takes_effect_once(world: World) -> None:
    world.first.loses_entries = 1
    (entry,) = world.fresh()
    async with serving(*world.nodes), world.client(resubmit_after_s=0.3) as client:
        outcome = await client.commit([entry, entry])
    entry_id = decode_entry(entry).entry_id
    assert isinstance(outcome[entry_id], ProvenReceipt)
    # Again to f + 1 of the others: one of them is honest.
    assert [node.submitted for node in world.nodes] == [[entry_id]] * 3
    committed = [decode_entry(raw).entry_id for built in world.chain.blocks for raw in built.block.entries]
    assert committed.count(entry_id) == 1


async def test_receipts_that_do_not_come_are_told(world: World) -> None:
    world.first.loses_entries = 100
    async with serving(world.first), client_of(world.chain, world.first, timeout_s=0.5) as client:
        with pytest.raises(Unreachable, match="1 of 1 entries have no receipt yet"):
            await client.commit(world.fresh())
        assert await client.wait_for_receipts([EntryId(UNKNOWN)], timeout_s=0.3) == {}


async def test_a_full_mempool_is_tried_again_for_the_entries_it_had_no_room_for(world: World) -> None:
    full = {"left": 2}

    def door(_entry_id: bytes) -> tuple[str, int] | None:
        full["left"] -= 1
        return ("OVERLOADED", 20) if full["left"] >= 0 else None

    world.first.door = door
    async with serving(*world.nodes), world.client() as client:
        admissions = await client.submit(world.fresh(3))
    assert [admission.code for admission in admissions] == ["OK"] * 3


async def test_a_mempool_that_stays_full_is_told_with_the_time_to_come_again(world: World) -> None:
    world.first.door = lambda _entry_id: ("OVERLOADED", 9_000)
    async with serving(*world.nodes), world.client() as client:
        (admission,) = await client.submit(world.fresh(), timeout_s=1.0)
    assert (admission.code, admission.retry_after_ms, admission.is_ok) == ("OVERLOADED", 9_000, False)


async def test_an_entry_that_is_turned_away_has_no_receipt(world: World) -> None:
    refused, accepted = world.fresh(2)
    refused_id = decode_entry(refused).entry_id
    for node in world.nodes:
        node.door = lambda entry_id: ("EXPIRED", 0) if entry_id == refused_id else None
    async with serving(*world.nodes), world.client() as client:
        outcome = await client.commit([refused, accepted])
    assert isinstance(outcome[decode_entry(accepted).entry_id], ProvenReceipt)
    turned_away = outcome[refused_id]
    assert isinstance(turned_away, Admission)
    assert (turned_away.code, turned_away.node_id) == ("EXPIRED", "exporter-1")
    # Not on the word of one node: f + 1 of the four validators have said it.
    assert nodes_with_an_honest_one(world.chain.validators_at(1)) == 2
    assert [node.submitted.count(refused_id) for node in world.nodes].count(1) == 3


async def test_a_node_that_takes_entries_in_and_keeps_them_back_does_not_stop_them(world: World) -> None:
    world.first.loses_entries = 100
    world.first.keeps_receipts_back = True
    (entry,) = world.fresh()
    async with serving(*world.nodes), world.client(resubmit_after_s=0.3) as client:
        outcome = await client.commit([entry])
    assert isinstance(outcome[decode_entry(entry).entry_id], ProvenReceipt)


async def test_a_node_that_is_always_full_does_not_stop_an_entry(world: World) -> None:
    world.first.door = lambda _entry_id: ("OVERLOADED", 9_000)
    (entry,) = world.fresh()
    async with serving(*world.nodes), world.client(resubmit_after_s=0.3) as client:
        outcome = await client.commit([entry])
    assert isinstance(outcome[decode_entry(entry).entry_id], ProvenReceipt)


async def test_a_refusal_is_believed_when_no_other_node_is_left_to_ask(world: World) -> None:
    world.first.door = lambda _entry_id: ("EXPIRED", 0)
    world.second.address = world.third.address = "127.0.0.1:1"
    (entry,) = world.fresh()
    async with serving(world.first), world.client(timeout_s=5.0) as client:
        outcome = await client.commit([entry])
    assert isinstance(outcome[decode_entry(entry).entry_id], Admission)


async def test_an_answer_with_too_few_admissions_is_false(world: World) -> None:
    world.first.falsify = lambda _response: registry_pb2.SubmitResponse()
    async with serving(*world.nodes), world.client() as client:
        with pytest.raises(ProofInvalid, match="2 entries were handed in, 0 are answered"):
            await client.submit(world.fresh(2))


def test_entries_are_handed_in_in_calls_of_bounded_size() -> None:
    entries = [bytes(1_000)] * 2_500
    assert [len(batch) for batch in _batches(range(2_500), entries)] == [1_000, 1_000, 500]
    large = [bytes(1 << 20)] * 7
    assert [len(batch) for batch in _batches(range(7), large)] == [3, 3, 1]
    assert _batches([4, 9], [b""] * 10) == [[4, 9]]


# -- Numbers -----------------------------------------------------------------------------------------------------------


async def test_numbers_go_on_where_the_ledger_has_them(world: World) -> None:
    async with serving(*world.nodes), world.client() as client:
        submitter = world.submitter(client)
        signed = await asyncio.gather(*(submitter.sign(world.draft()) for _ in range(20)))
    assert sorted(decode_entry(raw).body.sequence for raw in signed) == list(range(2, 22))
    assert world.first.calls == ["GetMember"]


async def test_workers_in_different_lanes_never_take_the_same_number(world: World) -> None:
    async with serving(*world.nodes), world.client() as client:
        taken: list[int] = []
        for lane in range(3):
            submitter = world.submitter(client, lane=lane, lanes=3)
            taken += [decode_entry(await submitter.sign(world.draft())).body.sequence for _ in range(5)]
    assert len(set(taken)) == 15
    assert min(taken) > 1


async def test_before_the_first_block_numbers_begin_with_one(world: World) -> None:
    world.chain.blocks.clear()
    async with serving(*world.nodes), world.client() as client:
        raw = await world.submitter(client).sign(world.draft())
    assert decode_entry(raw).body.sequence == 1


def refusing(world: World, code: str, times: int) -> None:
    """All nodes refuse the first `times` entries that they see between them."""
    refused: list[bytes] = []

    def door(entry_id: bytes) -> tuple[str, int] | None:
        if entry_id not in refused and len(refused) < times:
            refused.append(entry_id)
        return (code, 0) if entry_id in refused else None

    for node in world.nodes:
        node.door = door


def committed_numbers(world: World) -> list[int]:
    entries = [decode_entry(raw) for built in world.chain.blocks[1:] for raw in built.block.entries]
    return [entry.body.sequence for entry in entries]


async def test_a_node_that_keeps_an_entry_and_says_it_refused_it_gets_no_second_one(world: World) -> None:
    world.first.door = lambda _entry_id: ("REPLAYED", 0)
    async with serving(*world.nodes), world.client() as client:
        proven = await world.submitter(client).commit(world.draft())
    # What the liar holds is what was committed: handed in again it is the same entry.
    assert world.first.submitted == [proven.receipt.entry_id]
    assert committed_numbers(world) == [2]


async def test_that_all_nodes_refuse_a_number_as_used_is_no_reason_to_sign_again(world: World) -> None:
    refusing(world, "REPLAYED", 1)
    async with serving(*world.nodes), world.client() as client:
        submitter = world.submitter(client)
        with pytest.raises(
            EntryTurnedAway, match=r"exporter-1 says: as told .* no proof; .* signed until"
        ) as caught:
            await submitter.commit(world.draft())
    assert {each for node in world.nodes for each in node.submitted} == {caught.value.entry_id}


async def test_what_another_process_of_the_member_has_used_meanwhile_is_not_tried(world: World) -> None:
    async with serving(*world.nodes), world.client() as client:
        submitter = world.submitter(client)
        await submitter.commit(world.draft())
        world.chain.commit([world.chain.entry("exporter-1", world.chain.register(), sequence=3)])
        await submitter.commit(world.draft())
    assert committed_numbers(world) == [2, 3, 4]


async def test_a_number_that_was_used_before_it_was_handed_in_is_replaced(world: World) -> None:
    def another_worker(response: Any) -> Any:
        # Between the signing of the first and of the second, another process of this member takes 2 to 6.
        if isinstance(response, registry_pb2.GetMemberResponse) and world.first.calls.count("GetMember") == 2:
            world.chain.commit(world.fresh(5))
        return response

    refusing(world, "REPLAYED", 1)
    world.first.falsify = another_worker
    async with serving(*world.nodes), world.client() as client:
        submitter = world.submitter(client, window_read_again_s=0.0)
        outcomes = await submitter.commit_all([world.draft(), world.draft()])
    assert [type(outcome) for outcome in outcomes] == [ProvenReceipt] * 2
    assert committed_numbers(world) == [2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("liar_brings_it_in", [False, True])
async def test_an_expired_entry_is_signed_again_only_when_its_number_is_proven_unused(
    world: World, liar_brings_it_in: bool
) -> None:
    refusing(world, "REPLAYED", 1)
    door = world.third.door
    asked: list[bytes] = []

    def later(entry_id: bytes) -> tuple[str, int] | None:
        if not asked:
            if liar_brings_it_in:
                world.chain.commit(world.first.handed_in)
            world.chain.commit(time_ms=world.chain.tip.time_ms + VALID_FOR_MS + 1)
        asked.append(entry_id)
        return door(entry_id)

    world.third.door = later
    async with serving(*world.nodes), world.client() as client:
        submitter = world.submitter(client)
        if liar_brings_it_in:
            with pytest.raises(EntryTurnedAway):
                await submitter.commit(world.draft())
        else:
            await submitter.commit(world.draft())
    assert committed_numbers(world) == ([2] if liar_brings_it_in else [3])


async def test_one_that_is_turned_away_does_not_keep_the_others_back(world: World) -> None:
    async with serving(*world.nodes), world.client() as client:
        submitter = world.submitter(client)
        seen: list[bytes] = []

        def door(entry_id: bytes) -> tuple[str, int] | None:
            if entry_id not in seen:
                seen.append(entry_id)
            return ("MISSING_SIGNATURE", 0) if seen.index(entry_id) == 1 else None

        for node in world.nodes:
            node.door = door
        outcomes = await submitter.commit_all([world.draft() for _ in range(3)])
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [ProvenReceipt, EntryTurnedAway, ProvenReceipt]


async def test_what_is_to_be_filed_is_filed_before_the_entry_leaves(world: World) -> None:
    told: list[dict[int, EntryId]] = []

    def before(ids: Any) -> None:
        assert world.first.submitted == []
        told.append(dict(ids))
        raise OSError("the disk is full")

    async with serving(*world.nodes), world.client() as client:
        with pytest.raises(OSError, match="the disk is full"):
            await world.submitter(client).commit_all([world.draft(), world.draft()], before_hand_in=before)
    assert [sorted(ids) for ids in told] == [[0, 1]]
    assert [node.submitted for node in world.nodes] == [[], [], []]


# -- A node's word -----------------------------------------------------------------------------------------------------


async def test_a_forecast_is_read(world: World) -> None:
    async with serving(*world.nodes), world.client() as client:
        answer = await client.preflight(world.fresh()[0])
    (forecast,) = answer.forecasts
    assert (answer.height, answer.door_code, forecast.code) == (1, "OK", "DUPLICATE_PLEDGE")
    assert forecast.collided_with is not None
    assert forecast.collided_with.height == 3
    assert forecast.reasons == ("pledged 5",)


async def test_what_is_asked_about_before_signing_goes_out_unsigned(world: World) -> None:
    async with serving(*world.nodes), world.client() as client:
        await client.preflight(await world.submitter(client).sketch(world.draft()))
    (seen,) = world.first.asked_about
    assert decode_entry(seen).signatures == ()


async def test_each_event_is_told_once_although_its_node_goes_away(world: World) -> None:
    events = [
        registry_pb2.Event(height=height, entry_index=entry, operation="Assign")
        for height in (3, 4, 5)
        for entry in (0, 1)
    ]
    for node in world.nodes:
        node.events = events
    world.first.events_before_failure = 3
    async with serving(*world.nodes), world.client() as client:
        watching = client.watch_events(3)
        told = [await anext(watching) for _ in range(6)]
        await watching.aclose()  # type: ignore[attr-defined]  # an async generator, declared as an iterator
    assert [(event.height, event.entry_index) for event in told] == [
        (3, 0),
        (3, 1),
        (4, 0),
        (4, 1),
        (5, 0),
        (5, 1),
    ]
    assert world.second.calls == ["WatchEvents"]


async def test_blocks_are_streamed_as_the_node_has_them(world: World) -> None:
    world.chain.commit()
    async with serving(*world.nodes), world.client() as client:
        blocks = [block async for block in client.blocks(1)]
        assert [block.height for block in blocks] == [1, 2]
        assert (blocks[0].block, blocks[0].certificate, blocks[0].receipts) == world.chain.blocks[
            0
        ].exported()
        world.first.refusal = NodeRefuses(CallCode.FORBIDDEN, "not for you")
        with pytest.raises(CallRefused, match="FORBIDDEN"):
            [block async for block in client.blocks(1)]


# -- The synchronous face ----------------------------------------------------------------------------------------------


async def test_the_synchronous_face_gives_the_same_answers(world: World) -> None:
    def use(addresses: dict[str, str]) -> None:
        identity = Identity(MemberId(member_id_of("exporter-1")), key_of("exporter-1"))
        with BlockingClient(world.chain.genesis, addresses, identity, age_ms_max=None) as client:
            status = client.status(ById(world.receivable))
            assert status.summary is not None
            assert client.receivable(ById(world.receivable)).record is not None
            assert client.member(member_id_of("debtor")).member is not None
            assert client.statuses([ById(UNKNOWN)])[0].summary is None
            assert client.head(1).header.height == 1
            entry = world.chain.entry("debtor", confirm(world.receivable, 5))
            assert client.submit([entry])[0].is_ok
            assert client.wait_for_receipts([decode_entry(entry).entry_id])
            assert [block.height for block in client.blocks(1)] == [1, 2]
            assert client.preflight(entry).height == 2
            assert client.ledger_status().block_hash == world.chain.head[1]
            watching = client.watch_events(3)
            assert next(watching).height == 3
            watching.close()  # type: ignore[attr-defined]  # a generator, declared as an iterator
            world.first.falsify = a_bit_of_the_summary
            with pytest.raises(ProofInvalid):
                client.status(ById(world.receivable))

    world.first.events = [registry_pb2.Event(height=height) for height in (3, 4)]
    async with serving(*world.nodes):
        await asyncio.to_thread(use, {node.node_id: node.address for node in world.nodes})


def test_the_synchronous_face_ends_its_thread_when_it_cannot_begin(world: World) -> None:
    with pytest.raises(DirectoryError):
        BlockingClient(world.chain.genesis, {}, None)


async def test_a_client_follows_the_validators_through_every_kind_of_answer(world: World) -> None:
    """It knows the genesis document alone; the validators change twice while it looks away."""
    chain = world.chain
    chain.commit([chain.decide_nodes(chain.new_node("newcomer"))])
    chain.commit()
    chain.commit([chain.decide_nodes(chain.new_node("another"))])
    for _ in range(3):
        chain.commit()
    (raw,) = world.fresh(1)
    entry_id = decode_entry(raw).entry_id
    async with serving(*world.nodes):
        questions: list[Callable[[RegistryClient], Awaitable[object]]] = [
            lambda client: client.status(ById(world.receivable)),
            lambda client: client.receivable(ById(world.receivable)),
            lambda client: client.member(member_id_of("exporter-1")),
            lambda client: client.head(),
            lambda client: client.head(chain.head[0]),
            lambda client: client.commit([raw]),
            lambda client: client.nodes(),
        ]
        for ask in questions:
            async with world.client() as client:
                await ask(client)
                assert len(client.chain.sets.learnt()) == 2
                assert not client.evidence
        async with world.client() as client:
            nodes = (await client.nodes()).nodes
            assert [node.node_id for node in nodes.validators()][:2] == ["another", "association"]
            assert entry_id in await client.wait_for_receipts([entry_id])


async def test_an_answer_that_leaves_a_change_out_is_false(world: World) -> None:
    chain = world.chain
    chain.commit([chain.decide_nodes(chain.new_node("newcomer"))])
    for _ in range(3):
        chain.commit()

    def without_changes(response: Any) -> Any:
        del response.validator_changes[:]
        return response

    world.first.falsify = without_changes
    async with serving(*world.nodes), world.client() as client:
        with pytest.raises(ProofInvalid, match="validators_hash"):
            await client.status(ById(world.receivable))
        assert len(client.evidence) == 1

"""What one real node answers to garbage, strangers, floods and callers that leave."""

from __future__ import annotations

import datetime
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from consensus.messages import UnsignedVote, VoteType
from consensus.validators import NodeId
from node.api.public_services import STREAMS_PER_CONNECTION_MAX
from node.api.strangers import CONNECTION_SHARE
from node.config import Address, Limits
from node.keys import generate_key
from node.network import Network, fetch_json
from node.peering.conduct import INVALID_MAX
from node.tls import generate_identity, pem_of_der
from pledgebook.v1 import ledger_pb2, ledger_pb2_grpc, peer_pb2, peer_pb2_grpc, registry_pb2
from registry.entry import assemble, decode_entry, sign_body
from registry.limits import ENTRY_BYTES_MAX
from tests.node.live_network import Author, NodeClient, by_id, connect, make_test_network, refusal_of

pytestmark = pytest.mark.integration

NODE = "association"
LIMITS = Limits(streams_per_member=2, queries_per_second=50, message_bytes=2 * 1024 * 1024)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A network whose only validator is the association; an observer belongs to the exporter."""
    folder = tmp_path_factory.mktemp("solo") / "net"
    with make_test_network(folder, validators=1, observers=1, heartbeat_ms=200, limits=LIMITS) as running:
        running.start(NODE)
        running.wait_healthy()
        running.wait_height(1)
        yield running


@pytest.fixture(scope="module")
def author(network: Network) -> Author:
    return Author(network.directory)


@pytest.fixture
def client(author: Author) -> Iterator[NodeClient]:
    with connect(author, NODE) as connected:
        yield connected


def admission(client: NodeClient, raw: bytes) -> registry_pb2.Admission:
    response = client.registry.Submit(registry_pb2.SubmitRequest(entries=[raw]), **client.how())
    assert len(response.admissions) == 1
    return response.admissions[0]


# -- Entries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x00", b"garbage", b"\xc1" * 100, b"\x92\xc4\x00\x90", b"\xdf\xff\xff\xff\xff", b"\x91" * 5_000],
)
def test_garbage_entry_is_malformed_and_the_call_goes_on(
    client: NodeClient, author: Author, raw: bytes
) -> None:
    good = author.registration()
    assert client.submit(raw, good.raw) == ["MALFORMED", "OK"]


def test_oversized_entry_is_malformed(client: NodeClient) -> None:
    assert admission(client, bytes(ENTRY_BYTES_MAX + 1)).code == "MALFORMED"


def test_trailing_byte_is_malformed(client: NodeClient, author: Author) -> None:
    assert admission(client, author.registration().raw + b"\x00").code == "MALFORMED"


def test_entry_of_another_chain_is_refused(client: NodeClient, author: Author) -> None:
    assert admission(client, author.registration(chain_id=bytes(32)).raw).code == "WRONG_CHAIN"


def test_expired_entry_is_refused(client: NodeClient, author: Author) -> None:
    late = author.registration(valid_until_ms=int(time.time() * 1_000) - 1)
    assert admission(client, late.raw).code == "EXPIRED"


def test_used_sequence_number_is_refused(client: NodeClient, author: Author) -> None:
    entry = author.registration()
    client.submit(entry.raw)
    client.wait(entry.entry_id)
    used = author.sequence
    again = author.registration(sequence=used)
    assert admission(client, again.raw).code == "REPLAYED"


def test_wrong_signature_is_refused(client: NodeClient, author: Author) -> None:
    entry = decode_entry(author.registration().raw)
    forged = replace(entry.signatures[0], signature=bytes(64))
    assert admission(client, assemble(entry.body_bytes, (forged,))).code == "BAD_SIGNATURE"


def test_key_that_is_not_enrolled_is_refused(client: NodeClient, author: Author) -> None:
    entry = decode_entry(author.registration().raw)
    stranger = sign_body(entry.body_bytes, author.member_id, generate_key())
    assert admission(client, assemble(entry.body_bytes, (stranger,))).code == "UNKNOWN_SIGNER"


def test_member_without_the_role_is_refused(network: Network, client: NodeClient) -> None:
    association = Author(network.directory, "association")
    assert admission(client, association.registration().raw).code == "NOT_PERMITTED"


@pytest.mark.parametrize("count", [0, 1_001])
def test_call_with_no_or_too_many_entries_is_refused(client: NodeClient, count: int) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client.submit(*[b"x"] * count)
    refused = refusal_of(caught.value)
    assert (refused.status, refused.code) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST")


def test_message_above_the_limit_is_refused_by_the_transport(client: NodeClient) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client.submit(bytes(3 * 1024 * 1024))
    assert refusal_of(caught.value).status is grpc.StatusCode.RESOURCE_EXHAUSTED


# -- Questions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        registry_pb2.ReceivableKey(),
        registry_pb2.ReceivableKey(receivable_id=b"short"),
        registry_pb2.ReceivableKey(fingerprint=registry_pb2.Fingerprint(kind=99, value=bytes(32))),
        registry_pb2.ReceivableKey(fingerprint=registry_pb2.Fingerprint(kind=1, value=b"")),
    ],
)
def test_key_that_names_nothing_is_refused(client: NodeClient, key: registry_pb2.ReceivableKey) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client.status(key)
    assert refusal_of(caught.value).code == "BAD_REQUEST"


@pytest.mark.parametrize("pool_id", [b"", b"short", bytes(33)])
def test_pool_id_of_another_length_is_refused(client: NodeClient, pool_id: bytes) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client.registry.GetPool(registry_pb2.GetPoolRequest(pool_id=pool_id, purpose="test"), **client.how())
    assert refusal_of(caught.value).code == "BAD_REQUEST"


def test_pool_that_nobody_agreed_is_proved_absent(client: NodeClient) -> None:
    answer = client.registry.GetPool(
        registry_pb2.GetPoolRequest(pool_id=bytes(32), purpose="test"), **client.how()
    )
    assert answer.HasField("absent")
    assert (answer.private, answer.inclusion_proof) == (b"", b"")


@pytest.mark.parametrize("purpose", ["", " ", "x" * 201])
def test_question_without_a_purpose_is_refused(client: NodeClient, purpose: str) -> None:
    key = by_id(bytes(32))
    for ask in (
        lambda: client.registry.GetStatus(
            registry_pb2.GetStatusRequest(keys=[key], purpose=purpose), **client.how()
        ),
        lambda: client.registry.GetReceivable(
            registry_pb2.GetReceivableRequest(key=key, purpose=purpose), **client.how()
        ),
        lambda: client.registry.GetPool(
            registry_pb2.GetPoolRequest(pool_id=bytes(32), purpose=purpose), **client.how()
        ),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            ask()
        assert refusal_of(caught.value).code == "BAD_REQUEST"


def test_question_without_a_token_is_refused(client: NodeClient) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client.registry.GetStatus(registry_pb2.GetStatusRequest(keys=[by_id(bytes(32))]), timeout=5)
    refused = refusal_of(caught.value)
    assert (refused.status, refused.code) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


def test_height_that_does_not_exist_is_named(client: NodeClient) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client.ledger.GetHeader(ledger_pb2.GetHeaderRequest(height=10**9), timeout=5)
    refused = refusal_of(caught.value)
    assert (refused.status, refused.code) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_HEIGHT")


def test_member_that_asks_too_much_is_told_when_to_come_back(network: Network) -> None:
    # The association asks, so that the exporter's other tests keep their own allowance.
    association = Author(network.directory, "association")
    with connect(association, NODE) as client:
        request = registry_pb2.GetStatusRequest(keys=[by_id(bytes(32))] * 50, purpose="test")
        client.registry.GetStatus(request, **client.how())
        with pytest.raises(grpc.RpcError) as caught:
            client.registry.GetStatus(request, **client.how())
    refused = refusal_of(caught.value)
    assert (refused.status, refused.code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert refused.retry_after_ms is not None
    assert 0 < refused.retry_after_ms <= 1_000


def test_preflight_costs_as_many_queries_as_it_has_operations_and_is_logged(network: Network) -> None:
    association = Author(network.directory, "association")
    operation = decode_entry(association.registration().raw).body.operations[0]
    raw = association.registration(operations=(operation,) * 30).raw
    time.sleep(1.1)  # the allowance of a second is full again
    with connect(association, NODE) as client:
        client.registry.Preflight(registry_pb2.PreflightRequest(entry=raw), **client.how())
        with pytest.raises(grpc.RpcError) as caught:
            client.registry.Preflight(registry_pb2.PreflightRequest(entry=raw), **client.how())
    assert refusal_of(caught.value).code == "OVERLOADED"
    time.sleep(0.5)
    assert f'["preflight", "{association.member_id}", "preflight"' in network.log_path(NODE).read_text()


def test_preflight_of_garbage_is_a_verdict_of_the_door(client: NodeClient) -> None:
    answer = client.registry.Preflight(registry_pb2.PreflightRequest(entry=b"garbage"), **client.how())
    assert (answer.door_code, list(answer.results)) == ("MALFORMED", [])


# -- Callers that leave ------------------------------------------------------------------------------------------------


def probe(client: NodeClient) -> str:
    """Whether one more stream is let in: "OK", or the code of the refusal."""
    request = registry_pb2.WaitForReceiptRequest(entry_ids=[bytes(32)], timeout_ms=0)
    try:
        list(client.registry.WaitForReceipt(request, **client.how()))
    except grpc.RpcError as error:
        return refusal_of(error).code
    return "OK"


def wait_for_probe(client: NodeClient, code: str) -> None:
    deadline = time.monotonic() + 5
    while (found := probe(client)) != code:
        assert time.monotonic() < deadline, f"still {found}, not {code}"
        time.sleep(0.02)


def test_callers_that_leave_in_the_middle_free_their_streams(client: NodeClient) -> None:
    request = registry_pb2.WaitForReceiptRequest(entry_ids=[bytes(32)], timeout_ms=30_000)
    for _ in range(3):
        held = [client.registry.WaitForReceipt(request, **client.how()) for _ in range(2)]
        wait_for_probe(client, "OVERLOADED")
        for stream in held:
            stream.cancel()
        wait_for_probe(client, "OK")


def test_caller_that_leaves_during_submit_does_not_stop_its_entry(client: NodeClient, author: Author) -> None:
    entry = author.registration()
    call = client.registry.Submit.future(registry_pb2.SubmitRequest(entries=[entry.raw]), **client.how())
    time.sleep(0.02)
    call.cancel()
    client.submit(entry.raw)
    assert entry.entry_id in client.wait(entry.entry_id)


# -- Sockets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", ["peer", "api", "http"])
@pytest.mark.parametrize(
    "garbage", [b"", b"\x00" * 10_000, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"A" * 70_000]
)
def test_garbage_on_a_port_does_not_disturb_the_node(
    network: Network, client: NodeClient, author: Author, port: str, garbage: bytes
) -> None:
    address: Address = getattr(network.directory.nodes[NODE], port)
    for _ in range(5):
        with socket.create_connection((address.host, address.port), timeout=5) as raw:
            raw.settimeout(0.2)
            try:
                raw.sendall(garbage)
                raw.recv(1_000)
            except OSError:
                continue
    assert fetch_json(network.directory.nodes[NODE].http, "/health")["status"] == "serving"
    entry = author.registration()
    assert client.submit(entry.raw) == ["OK"]


def test_certificate_that_is_not_pinned_cannot_speak_to_the_peer_port(
    network: Network, author: Author
) -> None:
    pinned = author.genesis.node(NODE)
    assert pinned is not None
    stranger = generate_identity("exporter-1", datetime.datetime.now(datetime.UTC))
    credentials = grpc.ssl_channel_credentials(
        pem_of_der(pinned.tls_certificate_der), stranger.key_pem, stranger.certificate_pem
    )
    options = [("grpc.ssl_target_name_override", NODE)]
    with grpc.secure_channel(str(network.directory.nodes[NODE].peer), credentials, options) as channel:
        stub = peer_pb2_grpc.PeerStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.FetchBlocks(peer_pb2.FetchBlocksRequest(from_height=1, count=1), timeout=5))
    assert refusal_of(caught.value).status is grpc.StatusCode.UNAVAILABLE


def test_client_refuses_a_node_with_another_certificate(network: Network, author: Author) -> None:
    other = author.genesis.node("exporter-1")
    assert other is not None
    credentials = grpc.ssl_channel_credentials(pem_of_der(other.tls_certificate_der))
    options = [("grpc.ssl_target_name_override", "exporter-1")]
    with (
        grpc.secure_channel(str(network.directory.nodes[NODE].api), credentials, options) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        ledger_pb2_grpc.LedgerStub(channel).GetStatus(ledger_pb2.GetLedgerStatusRequest(), timeout=5)
    assert refusal_of(caught.value).status is grpc.StatusCode.UNAVAILABLE


def test_pinned_peer_with_a_wrong_greeting_is_refused(network: Network, author: Author) -> None:
    pinned = author.genesis.node(NODE)
    assert pinned is not None
    place = network.directory.nodes["exporter-1"].config.parent
    credentials = grpc.ssl_channel_credentials(
        pem_of_der(pinned.tls_certificate_der),
        (place / "tls.key").read_bytes(),
        (place / "tls.crt").read_bytes(),
    )
    good = peer_pb2.Hello(
        chain_id=author.genesis.chain_id, node_id="exporter-1", protocol_version=1, rules_version=1
    )
    wrong = [
        peer_pb2.PeerMessage(vote=b"x"),
        peer_pb2.PeerMessage(hello=peer_pb2.Hello()),
        peer_pb2.PeerMessage(hello=_changed(good, chain_id=bytes(32))),
        peer_pb2.PeerMessage(hello=_changed(good, node_id="association")),
        peer_pb2.PeerMessage(hello=_changed(good, protocol_version=99)),
        peer_pb2.PeerMessage(hello=_changed(good, rules_version=99)),
    ]
    options = [("grpc.ssl_target_name_override", NODE)]
    with grpc.secure_channel(str(network.directory.nodes[NODE].peer), credentials, options) as channel:
        stub = peer_pb2_grpc.PeerStub(channel)
        for first in wrong:
            with pytest.raises(grpc.RpcError) as caught:
                stub.Exchange(iter([first]), timeout=5)
            assert refusal_of(caught.value).code == "WRONG_PEER"
        stub.Exchange(iter([peer_pb2.PeerMessage(hello=good)]), timeout=5)


def test_peer_that_sends_wrong_things_is_cut_off_and_not_let_in_again(
    network: Network, author: Author
) -> None:
    pinned = author.genesis.node(NODE)
    assert pinned is not None
    place = network.directory.nodes["exporter-1"].config.parent
    credentials = grpc.ssl_channel_credentials(
        pem_of_der(pinned.tls_certificate_der),
        (place / "tls.key").read_bytes(),
        (place / "tls.crt").read_bytes(),
    )
    hello = peer_pb2.Hello(
        chain_id=author.genesis.chain_id, node_id="exporter-1", protocol_version=1, rules_version=1
    )
    enough = INVALID_MAX // 2 + 1

    def frames() -> Iterator[peer_pb2.PeerMessage]:
        yield peer_pb2.PeerMessage(hello=hello)
        yield from [peer_pb2.PeerMessage(vote=b"garbage")] * enough
        for _ in range(100):
            # In the name of one who does not vote, at whichever height is being decided: only the engine can tell.
            height = network.status(NODE)["height"] + 1
            unsigned = UnsignedVote(VoteType.PREVOTE, height, 0, None, -1, NodeId("exporter-1"))
            for number in range(enough):
                vote = unsigned.signed(number.to_bytes(64, "big"))
                yield peer_pb2.PeerMessage(vote=vote.encode())
            time.sleep(0.05)

    options = [("grpc.ssl_target_name_override", NODE)]
    with grpc.secure_channel(str(network.directory.nodes[NODE].peer), credentials, options) as channel:
        stub = peer_pb2_grpc.PeerStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Exchange(frames(), timeout=10)
        assert refusal_of(caught.value).code == "WRONG_PEER"
        with pytest.raises(grpc.RpcError) as caught:
            stub.Exchange(iter([peer_pb2.PeerMessage(hello=hello)]), timeout=5)
        assert refusal_of(caught.value).code == "WRONG_PEER"
    log = network.log_path(NODE).read_text()
    assert (
        log.count('"event": "peer_message_refused"') <= 2
    )  # the wrong greetings of another test may be the first
    assert log.count('"event": "peer_shunned"') == 1
    assert fetch_json(network.directory.nodes[NODE].http, "/health")["status"] == "serving"


def _changed(hello: peer_pb2.Hello, **changes: object) -> peer_pb2.Hello:
    changed = peer_pb2.Hello()
    changed.CopyFrom(hello)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


def test_health_service_and_reflection_answer(network: Network, author: Author) -> None:
    pinned = author.genesis.node(NODE)
    assert pinned is not None
    credentials = grpc.ssl_channel_credentials(pem_of_der(pinned.tls_certificate_der))
    options = [("grpc.ssl_target_name_override", NODE)]
    with grpc.secure_channel(str(network.directory.nodes[NODE].api), credentials, options) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = check(health_pb2.HealthCheckRequest(service="pledgebook.v1.Registry"), timeout=5)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_strangers_with_open_streams_leave_the_calls_to_the_members(
    network: Network, author: Author, client: NodeClient
) -> None:
    pinned = author.genesis.node(NODE)
    assert pinned is not None
    credentials = grpc.ssl_channel_credentials(pem_of_der(pinned.tls_certificate_der))
    options = [("grpc.ssl_target_name_override", NODE), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(str(network.directory.nodes[NODE].api), credentials, options) as channel:
        watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        held = [watch(health_pb2.HealthCheckRequest(), timeout=20) for _ in range(LIMITS.concurrent_calls)]
        served = [answer for stream in held for answer in _answers(itertools.islice(stream, 1))]
        assert len(served) == STREAMS_PER_CONNECTION_MAX
        reflect = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        question = reflection_pb2.ServerReflectionRequest(list_services="")
        with pytest.raises(grpc.RpcError) as caught:
            list(reflect(iter([question]), timeout=5))
        assert refusal_of(caught.value).code == "OVERLOADED"
        assert client.submit(author.registration().raw) == ["OK"]
        for stream in held:
            stream.cancel()
        wait_until(lambda: len(_answers(reflect(iter([question]), timeout=5))) == 1)


def test_strangers_whose_requests_never_come_leave_the_calls_to_the_members(
    network: Network, author: Author, client: NodeClient
) -> None:
    pinned = author.genesis.node(NODE)
    assert pinned is not None
    credentials = grpc.ssl_channel_credentials(pem_of_der(pinned.tls_certificate_der))
    options = [("grpc.ssl_target_name_override", NODE), ("grpc.use_local_subchannel_pool", 1)]
    over = threading.Event()

    def nothing() -> Iterator[bytes]:
        over.wait()
        yield from ()

    with grpc.secure_channel(str(network.directory.nodes[NODE].api), credentials, options) as channel:
        submit: Any = channel.stream_unary("/pledgebook.v1.Registry/Submit")
        ask: Any = channel.stream_unary("/pledgebook.v1.Ledger/GetHeader")
        # A call of ours costs a thread here: as many as one connection may hold, and some more.
        held = [ask.future(nothing()) for _ in range(LIMITS.concurrent_calls // CONNECTION_SHARE + 20)]
        with pytest.raises(grpc.RpcError) as caught:
            submit(nothing(), timeout=5)
        assert refusal_of(caught.value).code == "UNAUTHENTICATED"
        wait_until(lambda: sum(call.done() for call in held) >= 20)
        refused = [call for call in held if call.done()]
        assert {call.code() for call in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert len(refused) == 20
        assert client.submit(author.registration().raw) == ["OK"]
        over.set()


def _answers(call: Iterable[object]) -> list[object]:
    try:
        return list(call)
    except grpc.RpcError:
        return []


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# -- A node without a quorum fills up ----------------------------------------------------------------------------------


def test_full_mempool_answers_resource_exhausted_with_a_retry_time(tmp_path: Path) -> None:
    limits = Limits(mempool_entries=8)
    with make_test_network(tmp_path / "net", validators=4, limits=limits) as network:
        network.start(NODE)
        network.wait_healthy()
        author = Author(network.directory)
        with connect(author, NODE) as client:
            codes = client.submit(*[author.registration().raw for _ in range(4)])
            assert codes[:2] == ["OK", "OK"]
            assert codes[-1] == "OVERLOADED"
            with pytest.raises(grpc.RpcError) as caught:
                client.submit(author.registration().raw)
            refused = refusal_of(caught.value)
            assert (refused.status, refused.code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
            assert refused.retry_after_ms is not None
            assert refused.retry_after_ms > 0
            with pytest.raises(grpc.RpcError) as caught:
                client.status(by_id(bytes(32)))
            assert refusal_of(caught.value).code == "NO_BLOCK_YET"

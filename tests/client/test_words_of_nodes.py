"""What a node says in words is shown to people: it must not be able to write over what stands on their terminal."""

from __future__ import annotations

import pytest

from client import wire
from client.answers import ById
from client.errors import CallRefused
from client.supervision_calls import _batch
from client.wire import WORDS_CHARS_MAX, words_of
from node.status import CallCode
from node.status import CallRefused as NodeRefuses
from pledgebook.v1 import registry_pb2, supervision_pb2
from tests.client.fake_node import FakeNode, TlsChain, client_of, serving

WIPED = "not for you\r\x1b[2K\x9b2J\u202eexporter-1: committed\n"
SHOWN = "not for you\ufffd\ufffd[2K\ufffd2J\ufffdexporter-1: committed\ufffd"


def test_only_what_prints_is_left_of_words() -> None:
    assert words_of(WIPED) == SHOWN
    assert words_of("账款 12.50, заём") == "账款 12.50, заём"
    assert len(words_of("a" * (WORDS_CHARS_MAX + 1))) == WORDS_CHARS_MAX


def test_forecasts_events_and_alerts_hold_no_control_character() -> None:
    results = [registry_pb2.OperationResult(code=WIPED, reasons=[WIPED])]
    forecast = wire.preflight(registry_pb2.PreflightResponse(door_message=WIPED, results=results))
    assert forecast.door_message == forecast.forecasts[0].code == forecast.forecasts[0].reasons[0] == SHOWN
    event = wire.event(registry_pb2.Event(operation=WIPED, code=WIPED))
    assert event.operation == event.code == SHOWN
    alert = supervision_pb2.Alert(kind=WIPED, currency=WIPED, detail=WIPED)
    (told,) = _batch(supervision_pb2.AlertBatch(height=1, alerts=[alert])).alerts
    assert told.kind == told.currency == told.detail == SHOWN


@pytest.mark.integration
async def test_refusals_hold_no_control_character() -> None:
    chain = TlsChain()
    entry = chain.entry("exporter-1", chain.register())
    node = FakeNode(chain, "exporter-1")
    node.door = lambda _entry_id: (WIPED, 0)
    async with serving(node), client_of(chain, node) as client:
        (admission,) = await client.submit([entry])
        assert admission.code == SHOWN
        node.refusal = NodeRefuses(CallCode.FORBIDDEN, WIPED)
        with pytest.raises(CallRefused) as refused:
            await client.status(ById(bytes(32)), purpose="test")
    assert refused.value.message == SHOWN

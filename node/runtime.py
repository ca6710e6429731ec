"""The process of one node: files in, a running node, an exit code out.

    0  stopped by SIGTERM or Ctrl-C, everything written
    1  a fatal error: the last line of the log says what
    2  the configuration, a key, a certificate or the genesis is wrong
    3  the store or journal is of another chain, damaged, or in use by another process; or the disk failed
    4  a port is in use

Guarantees: whatever ends the node is told in one line on stderr; the data folder belongs to one process at a time.
Leaves to others: everything between start and end (`running_node`).
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import lmdb
from structlog.typing import FilteringBoundLogger

from node.config import ConfigError, NodeConfig, read_config
from node.disk import DiskFailed, RealDisk
from node.engine import StartRefused
from node.input_codec import InputUnreadable
from node.journal import Journal, JournalCorrupt, WrongJournal, repair_journal
from node.keys import KeyFileError, passphrase_from_environment, read_key
from node.ports import StorePort
from node.query_history import QueryHistory
from node.running_node import Parts, RunningNode
from node.servers import PortInUse
from node.signer import Signer, SignerCorrupt
from node.status import ExitCode
from node.store import Store, StoreFailed, WrongChain
from node.telemetry import configure_logs, node_logger
from node.tls import Identity, TlsError, certificate_der, read_identity
from registry.errors import GenesisInvalid, StoreCorrupt, UpgradeNeeded
from registry.genesis import Genesis, parse_genesis
from registry.nodes import NodeSet
from registry.signing import SigningKey
from registry.state import WorkingState
from registry.transition import first_nodes

# The engine's thread writes and flushes some ten times a block, and gives up the interpreter each time; with Python's 5 ms it
# would wait that long to have it back from a thread that verifies or serves. Under load this halves the time of a commit.
THREAD_SWITCH_S = 0.0005


class DataInUse(Exception):
    """Another process works in the data folder."""


EXIT_CODES: tuple[tuple[tuple[type[BaseException], ...], ExitCode], ...] = (
    ((ConfigError, KeyFileError, TlsError, GenesisInvalid), ExitCode.CONFIG),
    (
        (
            DataInUse,
            WrongChain,
            StoreCorrupt,
            StoreFailed,
            DiskFailed,
            JournalCorrupt,
            WrongJournal,
            SignerCorrupt,
            StartRefused,
            InputUnreadable,
        ),
        ExitCode.STORE,
    ),
    ((PortInUse,), ExitCode.PORT_IN_USE),
    ((UpgradeNeeded,), ExitCode.UPGRADE),
)


def run_node(config_path: Path, *, until_stdin_closes: bool = False) -> int:
    """Run the node of a configuration file until it is told to stop; returns the exit code."""
    try:
        config = read_config(config_path)
    except ConfigError as error:
        return _report(error, ExitCode.CONFIG)
    configure_logs(config.log_level)
    sys.setswitchinterval(THREAD_SWITCH_S)
    logger = node_logger(config.node_id)
    try:
        asyncio.run(_run(config, logger, until_stdin_closes))
    except BaseException as error:  # the root of the process: every end has a code and a line
        cause = _first_cause(error)
        code = exit_code_of(cause)
        logger.error(
            "fatal",
            code=int(code),
            error=type(cause).__name__,
            reason=str(cause),
            exc_info=_shown(cause, code),
        )
        return _report(cause, code)
    finally:
        # The loop's handlers are gone; a second SIGTERM while Python ends must not turn a clean stop into a killed process.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return ExitCode.CLEAN


def repair_node(config_path: Path, *, as_json: bool = False) -> int:
    """Set the journal of a stopped node aside; returns the exit code."""
    try:
        config = read_config(config_path)
        with _lock(config.data_dir):
            kept = repair_journal(RealDisk(config.data_dir / "consensus"))
    except (ConfigError, DataInUse, DiskFailed) as error:
        return _report(error, exit_code_of(error))
    if as_json:
        said = json.dumps({"kept_as": kept})
    elif kept:
        said = f"the journal is kept as {kept}"
    else:
        said = "there is no journal: nothing to repair"
    sys.stdout.write(f"{said}\n")
    return ExitCode.CLEAN


def exit_code_of(error: BaseException) -> ExitCode:
    """The row of the table."""
    for kinds, code in EXIT_CODES:
        if isinstance(error, kinds):
            return code
    return ExitCode.FATAL


def _relax_collector() -> None:
    """Let Python look for garbage cycles more rarely.

    Entries, blocks and messages are trees that reference counting frees; walking them over and over took 9 % of the CPU
    of a node under load. What was loaded until now stays for good and need not be walked at all.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _run(config: NodeConfig, logger: FilteringBoundLogger, until_stdin_closes: bool) -> None:
    with ExitStack() as stack:
        parts = open_parts(config, logger, stack)
        node = RunningNode(parts)
        _relax_collector()
        loop = asyncio.get_running_loop()
        # What fails in a bare callback has no task to end: it ends the node all the same.
        loop.set_exception_handler(lambda _, context: _loop_failed(node, logger, context))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, node.stop)
        if until_stdin_closes:
            loop.add_reader(sys.stdin.fileno(), _stop_at_end, node)
        await node.run()


def open_parts(config: NodeConfig, logger: FilteringBoundLogger, stack: ExitStack) -> Parts:
    """Read and check the files, open the store; `stack` closes what was opened."""
    genesis = _read_genesis(config.genesis)
    key = read_key(config.consensus_key, passphrase_from_environment())
    stack.enter_context(_lock(config.data_dir))
    store = Store.open(config.data_dir / "store", genesis.chain_id, fsync=config.fsync)
    stack.callback(store.close)
    nodes = known_nodes(genesis, store)
    identity = _own_identity(config, nodes, key, logger)
    _check_peers(config, nodes, logger)
    disk = RealDisk(config.data_dir / "consensus", fsync=config.fsync)
    stack.callback(disk.close)
    query_history = _open_query_history(config.data_dir / "queries", genesis.chain_id)
    stack.callback(query_history.close)
    return Parts(
        config=config,
        genesis=genesis,
        identity=identity,
        store=store,
        journal=Journal(disk, genesis.chain_id),
        signer=Signer(disk, key, genesis.chain_id),
        query_history=query_history,
        logger=logger,
    )


def _open_query_history(folder: Path, chain_id: bytes) -> QueryHistory:
    try:
        return QueryHistory.open(folder, chain_id)
    except lmdb.Error as error:
        raise DiskFailed(f"cannot make the log of queries in {folder}", OSError(str(error))) from error
    except OSError as error:
        raise DiskFailed(f"cannot make the log of queries in {folder}", error) from error


def _read_genesis(path: Path) -> Genesis:
    try:
        return parse_genesis(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read the genesis document {path}: {error.strerror}") from error


def known_nodes(genesis: Genesis, store: StorePort) -> NodeSet:
    """The newest set of nodes that this node's own store knows; that of the genesis document before anything is stored."""
    if store.is_empty():
        return first_nodes(genesis)
    with store.read() as snapshot:
        return WorkingState(snapshot).newest_nodes()


def _own_identity(
    config: NodeConfig, nodes: NodeSet, key: SigningKey, logger: FilteringBoundLogger
) -> Identity:
    """The node's certificate, which must be the ledger's, as the key must; unless a decision about this node is awaited."""
    own = nodes.node(config.node_id)
    if config.awaits_admission:
        identity = read_identity(config.node_id, config.tls_certificate, config.tls_key, None)
        recorded = None if own is None else (own.consensus_key, own.tls_certificate_der)
        if recorded != (key.public_key, certificate_der(identity.certificate_pem)):
            logger.warning("awaits_admission", known_from_height=nodes.from_height)
        return identity
    if own is None:
        raise ConfigError(
            f"{config.node_id} is no node of the ledger as far as this store knows; its nodes are "
            f"{', '.join(node.node_id for node in nodes.nodes)}. A node that is to be added sets node.awaits_admission"
        )
    if key.public_key != own.consensus_key:
        raise ConfigError(
            f"{config.consensus_key} has the public key {key.public_key.hex()}, the ledger records "
            f"{own.consensus_key.hex()} for {config.node_id}; a node whose key the association has changed sets "
            "node.awaits_admission"
        )
    return read_identity(config.node_id, config.tls_certificate, config.tls_key, own.tls_certificate_der)


def _check_peers(config: NodeConfig, nodes: NodeSet, logger: FilteringBoundLogger) -> None:
    """Every first node must have an address. One that was added later may lack it: the node must start, and says so."""
    known = {node.node_id for node in nodes.nodes} - {config.node_id}
    missing = sorted(known - config.peers.keys())
    if missing and nodes.decided is None:
        raise ConfigError(f"[peers] lacks {', '.join(missing)}: every other first node needs an address")
    if missing:
        logger.warning("peers_without_address", nodes=missing)
    strangers = sorted(config.peers.keys() - known)
    if strangers:
        logger.warning("peers_not_on_the_ledger", nodes=strangers)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the data folder for this process; the system lets go of it when the process ends, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DataInUse(f"cannot use the data folder {folder}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataInUse(f"another process works in {folder}: stop it first") from error
        yield
    finally:
        os.close(descriptor)


def _stop_at_end(node: RunningNode) -> None:
    """Standard input can be read: at its end whoever started us is gone."""
    if not os.read(sys.stdin.fileno(), 4_096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        node.stop()


def _loop_failed(node: RunningNode, logger: FilteringBoundLogger, context: dict[str, object]) -> None:
    error = context.get("exception")
    logger.error("loop_failed", message=str(context.get("message")), exc_info=error)
    if isinstance(error, BaseException):
        node.fail(error)


def _first_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _shown(error: BaseException, code: ExitCode) -> BaseException | None:
    """A trace is for what nobody expected; what has a row in the table says enough by its message."""
    return error if code is ExitCode.FATAL else None


def _report(error: BaseException, code: ExitCode) -> int:
    sys.stderr.write(f"pledgebook: {str(error) or type(error).__name__}\n")
    return code

"""Keys, checkpoints and the network's folder on a member's own disk."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from client.directory import MemberFiles, read_directory
from client.enrolment import NewMember, check_name, prepare_enrolment
from client.errors import DirectoryError, InputError, KeyFileError
from client.keys import KEY_FILE_BYTES_MAX, create_key, read_key, read_secret, write_secret
from client.trust import Checkpoint, parse_checkpoint, read_checkpoint, read_genesis, write_checkpoint
from node.keys import read_key as read_key_as_node
from node.network_files import NetworkPlan, make_network
from registry.errors import GenesisInvalid
from registry.identifiers import parse_member_id
from registry.operations.governance import Role

LEI = parse_member_id("lei:529900T8BM49AURSDO55")


# -- Keys --------------------------------------------------------------------------------------------------------------


def test_a_key_file_is_for_its_owner_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path).public_key == made.public_key
    assert read_key_as_node(path).public_key == made.public_key


def test_a_key_under_a_passphrase_needs_it(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = create_key(path, "correct horse")
    assert b"ENCRYPTED" in path.read_bytes()
    assert read_key(path, "correct horse").public_key == made.public_key
    with pytest.raises(KeyFileError, match="set PLEDGEBOOK_KEY_PASSPHRASE"):
        read_key(path)
    with pytest.raises(KeyFileError, match="passphrase is wrong"):
        read_key(path, "wrong")


def test_a_passphrase_in_the_environment_does_no_harm_to_a_key_without_one(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = create_key(path)
    assert read_key(path, "not needed").public_key == made.public_key


def test_a_key_is_never_written_over_another(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    create_key(path)
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="exists already"):
        create_key(path)
    link = tmp_path / "planted.pem"
    link.symlink_to(path)
    with pytest.raises(KeyFileError, match="exists already"):
        create_key(link)
    assert path.read_bytes() == before


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    create_key(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"x" * (KEY_FILE_BYTES_MAX + 1)])
def test_a_file_that_is_no_key_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    write_secret(path, content)
    with pytest.raises(KeyFileError) as caught:
        read_key(path)
    assert "nonsense" not in str(caught.value)


def test_a_missing_key_and_a_missing_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot read"):
        read_secret(tmp_path / "no.pem")
    with pytest.raises(KeyFileError, match="cannot create"):
        create_key(tmp_path / "no" / "key.pem")


# -- Checkpoints -------------------------------------------------------------------------------------------------------


def test_a_checkpoint_reads_back_from_text_and_file(tmp_path: Path) -> None:
    checkpoint = Checkpoint(12, bytes(range(32)))
    assert parse_checkpoint(str(checkpoint)) == checkpoint
    path = tmp_path / "head.txt"
    assert read_checkpoint(path) is None
    write_checkpoint(path, checkpoint)
    assert read_checkpoint(path) == checkpoint
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        ":" + "0" * 64,
        "0:" + "0" * 64,
        "-1:" + "0" * 64,
        "1:" + "0" * 63,
        "1:" + "g" * 64,
        "١:" + "0" * 64 + "0",
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="HEIGHT:HASH"):
        parse_checkpoint(text)


def test_a_damaged_checkpoint_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "head.txt"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="damaged"):
        read_checkpoint(path)


# -- The network's folder ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "net"
    make_network(path, NetworkPlan(), datetime.datetime.now(datetime.UTC))
    return path


def test_the_folder_that_a_network_is_made_in_is_read(folder: Path) -> None:
    directory = read_directory(folder)
    genesis = directory.genesis()
    assert set(directory.nodes) == {"association", "factor-1", "factor-2", "exporter-1"}
    assert [node.node_id for node in genesis.nodes] == sorted(directory.nodes)
    key = directory.fingerprint_key()
    assert key.epoch == genesis.fingerprint_epoch
    for name, entry in directory.members.items():
        wallet = directory.wallet(name, genesis.chain_id, key)
        member = next(member for member in genesis.members if member.member_id == entry.member_id)
        assert [enrolled.public_key for enrolled in member.keys] == [own.public_key for own in wallet.keys]
        assert directory.member(entry.member_id) == entry
    association = directory.member_with_role("association")
    assert association is not None
    assert len(association.keys) == 3


def test_a_name_that_is_not_there_is_told_with_those_that_are(folder: Path) -> None:
    directory = read_directory(folder)
    with pytest.raises(DirectoryError, match="there are association, factor-1"):
        directory.member("nobody")
    with pytest.raises(DirectoryError, match="there are association, factor-1"):
        directory.node("nobody")
    assert directory.member_with_role("court") is None


def test_members_enrolled_later_are_found_again(folder: Path) -> None:
    directory = read_directory(folder)
    files = MemberFiles("debtor-1", LEI, ("debtor",), (folder.resolve() / "members" / "debtor-1-key-1.pem",))
    assert directory.with_members({"debtor-1": files}).member("debtor-1") == files
    assert read_directory(folder).member(LEI) == files
    elsewhere = MemberFiles(
        "debtor-4", parse_member_id("lei:00000000000000000098"), (), (Path("/keys/b.pem"),)
    )
    read_directory(folder).with_members({"debtor-4": elsewhere})
    assert read_directory(folder).member("debtor-4").keys == elsewhere.keys
    away = MemberFiles("debtor-2", parse_member_id("lei:549300E9PC51EN656011"), ("debtor",), ())
    read_directory(folder).with_members({"debtor-2": away})
    again = read_directory(folder)
    assert {"debtor-1", "debtor-2"} < set(again.members)
    with pytest.raises(DirectoryError, match="sign on its own machine"):
        again.wallet("debtor-2", bytes(32), again.fingerprint_key())


def test_a_key_is_on_disk_before_its_member_is_enrolled_and_is_taken_up_again(folder: Path) -> None:
    directory = read_directory(folder)
    new = NewMember("debtor-3", LEI, (Role.DEBTOR,))
    first = prepare_enrolment(directory, new, bytes(32), directory.fingerprint_key())
    again = prepare_enrolment(directory, new, bytes(32), directory.fingerprint_key())
    assert first.operation == again.operation
    assert read_key(first.files.keys[0]).public_key == first.operation.keys[0].public_key
    assert first.operation.debtor_reference == directory.fingerprint_key().debtor(LEI)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "a b", "ä"])
def test_a_short_name_must_do_as_a_file_name(name: str) -> None:
    with pytest.raises(InputError):
        check_name(name)


def test_a_folder_without_a_network_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match="network init"):
        read_directory(tmp_path)


@pytest.mark.parametrize(
    "content", ["nonsense", "[]", '{"format": 2}', '{"format": 1}', '{"format": 1, "members": {"x": {}}}']
)
def test_a_damaged_directory_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "network.json").write_text(content)
    with pytest.raises(DirectoryError):
        read_directory(tmp_path)


def test_a_damaged_list_of_enrolled_members_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text((folder / "network.json").read_text())
    (tmp_path / "enrolled.json").write_text(
        json.dumps({"format": 1, "members": {"x": {"member_id": "lei:1"}}})
    )
    with pytest.raises(DirectoryError, match="damaged"):
        read_directory(tmp_path)


def test_a_fingerprint_key_that_is_none_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text((folder / "network.json").read_text())
    (tmp_path / "members").mkdir()
    write_secret(tmp_path / "members" / "fingerprint.key", b"not hexadecimal")
    with pytest.raises(KeyFileError, match="not a hexadecimal key"):
        read_directory(tmp_path).fingerprint_key()


def test_a_genesis_document_is_read_or_told(folder: Path, tmp_path: Path) -> None:
    assert read_genesis(folder / "genesis.json").name == "demonstration"
    with pytest.raises(DirectoryError, match="cannot read"):
        read_genesis(tmp_path / "genesis.json")
    (tmp_path / "genesis.json").write_text("{}")
    with pytest.raises(GenesisInvalid):
        read_genesis(tmp_path / "genesis.json")

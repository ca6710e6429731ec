"""The worked examples of the rulebook, as they stand on the pages, against one real network of four nodes.

A block marked `sh` is given to bash line by line; the word `pledgebook` in it is the command in this process. Where the comment
behind a command names a refusal it must be refused with that code, and with the amounts that stand behind the code; else
it must succeed. A block marked `sh later` needs days to pass: its commands must only be understood.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from client.cli import run
from node.network import Network
from node.network_files import read_directory
from registry.errors import Code

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
RULEBOOK = ROOT / "docs" / "rulebook"
START = RULEBOOK.with_suffix(".md")
# Governance last: it suspends a member and changes the policy.
FAMILIES = ("existence", "assignment", "security", "collection", "cover", "pool", "restraint", "governance")
PAGES = (ROOT / "docs" / "report.md", *(RULEBOOK / f"{name}.md" for name in FAMILIES))
_BLOCK = re.compile(r"(?ms)^```sh( later)?\n(.*?)^```$")
_CODES = frozenset(Code)
_ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Line:
    """One command of a page, with what its comment says."""

    text: str
    comment: str
    number: int
    is_later: bool

    @property
    def code(self) -> str | None:
        """The refusal that the comment names first."""
        named = [word for word in re.findall(r"[A-Z][A-Z_]{3,}", self.comment) if word in _CODES]
        return named[0] if named else None

    @property
    def amounts(self) -> list[str]:
        """`word 1,234` behind a refusal's code and a colon, as far as each is such a pair."""
        told = self.comment.partition(f"{self.code}: ")[2]
        return re.findall(r"(?:^|, )([a-z]+ \d[\d,]*(?:\.\d\d)?)(?=,|;|$)", told) if self.code else []


def lines_of(page: Path) -> Iterator[Line]:
    """Every command of a page's blocks; a function or a continued line is one."""
    text = page.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        at = text.count("\n", 0, block.start(2)) + 1
        whole, begun = "", at
        for number, line in enumerate(block[2].splitlines(), at):
            if not whole:
                begun = number
            whole += line + "\n"
            if line.endswith("\\") or _is_open(whole):
                continue
            if whole.strip() and not whole.lstrip().startswith("#"):
                yield Line(whole.strip(), line.partition(" # ")[2].strip(), begun, bool(block[1]))
            whole = ""
        assert not whole, f"{page.name}:{begun}: a command that does not end"


def _is_open(text: str) -> bool:
    """Whether bash would wait for more: for a function's end or a quotation mark."""
    return subprocess.run(("bash", "-n", "-c", text), capture_output=True, check=False).returncode != 0


@dataclass
class Shell:
    """bash in a folder of its own, whose `pledgebook` is run here."""

    folder: Path
    network: Network | None = None
    said: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        exchange = self.folder / "exchange"
        exchange.mkdir()
        for name in ("asked", "answered"):
            os.mkfifo(exchange / name)
        # Read and write: the pipe stays open between two commands.
        self._asked = os.open(exchange / "asked", os.O_RDWR)
        self._exchange = exchange
        self._bash = subprocess.Popen(
            ("bash", "--norc"), stdin=subprocess.PIPE, cwd=self.folder, env={**os.environ, "X": str(exchange)}
        )
        self._tell(
            'pledgebook() { printf "%s\\0" "$#" "$@" >"$X/asked"; cat "$X/answered"; return "$(cat "$X/code")"; }'
        )

    def close(self) -> None:
        assert self._bash.stdin is not None
        # Killed, since after a failure it may wait for an answer for ever; the nodes are stopped whatever happens here.
        self._bash.kill()
        self._bash.wait()
        self._bash.stdin.close()
        os.close(self._asked)
        if self.network is not None:
            self.network.stop_all()

    def type(self, line: str) -> tuple[int, str]:
        """A line's exit code, and all that its commands said."""
        self.said.clear()
        self._tell(f'{line}\nprintf "%s\\0" done "$?" >"$X/asked"')
        while True:
            first = self._word()
            if first == "done":
                return int(self._word()), "".join(text for _, text in self.said)
            self._answer([self._word() for _ in range(int(first))])

    def _answer(self, arguments: list[str]) -> None:
        out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
        code, told = 70, ""
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = self._run(arguments)
            out.seek(0)
            told = out.read()
        finally:
            # Also when the command is broken: bash waits for an answer.
            self.said.append((code, told + err.getvalue()))
            (self._exchange / "code").write_text(str(code))
            (self._exchange / "answered").write_text(told)

    def _run(self, arguments: list[str]) -> int:
        match arguments:
            case ["network", "up", folder]:
                self.network = Network(read_directory(self.folder / folder))
                self.network.start_all()
                self.network.wait_healthy()
                return 0
            case _:
                return run(arguments)

    def _tell(self, text: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(f"{text}\n".encode())
        self._bash.stdin.flush()

    def _word(self) -> str:
        word = b""
        while True:
            assert select.select([self._asked], [], [], _ANSWER_S)[0], "bash does not go on"
            byte = os.read(self._asked, 1)
            if byte == b"\0":
                return word.decode()
            word += byte


@contextlib.contextmanager
def shell_in(folder: Path) -> Iterator[Shell]:
    """bash and the commands of this process in one folder, with the network where the pages say."""
    shell = Shell(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("PLEDGEBOOK_NETWORK", str(folder / "net"))
        try:
            yield shell
        finally:
            shell.close()


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with shell_in(tmp_path_factory.mktemp("examples")) as shell:
        assert play(START, shell)
        yield shell


def play(page: Path, shell: Shell) -> int:
    """Type a page's lines and hold what is said against its comments; how many there were."""
    typed = 0
    for line in lines_of(page):
        if line.text.startswith("scripts/"):  # they set up an environment; tested in test_demonstration
            continue
        typed += 1
        code, said = shell.type(line.text)
        where = f"{page.name}:{line.number}: {line.text}\n{said}"
        if line.is_later:
            assert code in (0, 1), where
            continue
        assert code == (0 if line.code is None else 1), where
        if line.code is not None:
            assert line.code in said, where
            spoken = " ".join(said.replace("│", " ").split())
            assert [amount for amount in line.amounts if amount not in spoken] == [], where
    return typed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_come_out_as_it_says(shell: Shell, page: Path) -> None:
    assert play(page, shell)


def test_the_first_steps_of_the_readme_come_out_as_it_says(tmp_path: Path) -> None:
    with shell_in(tmp_path) as shell:
        assert play(ROOT / "README.md", shell)


def test_a_record_names_the_debtor_whose_reference_it_has(shell: Shell) -> None:
    shell.type("R=$(registered N-1 2600 debtor-2); S=$(registered N-2 2700 DE:HRB777)")
    code, said = shell.type("pledgebook receivable $R --as exporter-1")
    assert (code, "debtor-2 (lei:PLDGBUYER00000000273)" in said) == (0, True), said
    code, said = shell.type("pledgebook receivable $S --as exporter-1")
    assert (code, "no member of this folder" in said) == (0, True), said

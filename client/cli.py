"""The command `pledgebook`: verbs of members and auditors, and what other packages add to it.

Commands of the node (`network`, `node`) come in by name, as entry points of the group `pledgebook.commands`: this
package does not know the node (docs/decisions/0002). Errors of the user's making are told in one line, with what to
do; only a bug shows a traceback. Exit codes: `client.commands.output`; `pledgebook audit` has its own table.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from registry.errors import InvariantViolation, RegistryError

from .audit import commands as audit_commands
from .commands import (
    arrears,
    assignment,
    by_operation,
    collection,
    commitments,
    correction,
    cover,
    disposal,
    draft,
    evidence,
    existence,
    governance,
    importing,
    members,
    nodes,
    output,
    policy_view,
    pool,
    portfolio,
    queries,
    query_history,
    reporting,
    restraint,
    reversal,
    security,
)
from .errors import ClientError

ENTRY_POINT_GROUP = "pledgebook.commands"
_NET = "--network ./net"

app = typer.Typer(
    name="pledgebook",
    help=(
        "A registry of receivables in which nothing is pledged twice. Every answer is verified before it is shown.\n\n"
        "Exit codes: 0 done, 1 refused or a proof does not hold, 2 wrong use, 3 no answer in time."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"pledgebook {importlib.metadata.version('pledgebook')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before any command."""


app.add_typer(members.keys_app, name="keys")
app.add_typer(governance.govern_app, name="govern")
governance.govern_app.command("nodes", epilog=f"Example: pledgebook govern nodes {_NET}")(nodes.show_nodes)
governance.govern_app.command("policy", epilog=f"Example: pledgebook govern policy {_NET} --out policy.json")(
    policy_view.show_policy
)
governance.govern_app.command(
    "change-validators",
    epilog=f"Example: pledgebook govern change-validators {_NET} --admit factor-9.json --power factor-2=0",
)(nodes.change_validators)
app.add_typer(reporting.alerts_app, name="alerts")
app.add_typer(cover.cover_app, name="cover")
app.add_typer(pool.pool_app, name="pool")
app.add_typer(draft.draft_app, name="draft")
app.add_typer(commitments.commitments_app, name="commitment")
app.command(
    epilog=f"Example: pledgebook enrol debtor-1 {_NET} --member-id lei:529900T8BM49AURSDO55 --role debtor"
)(members.enrol)
app.command(
    epilog=f"Example: pledgebook register {_NET} --as exporter-1 --debtor debtor-1 --invoice INV-7 "
    "--amount 1200.00 --currency USD --issued 2026-11-01 --due 2027-01-30"
)(existence.register)
app.command(epilog=f"Example: pledgebook confirm RECEIVABLE {_NET} --as debtor-1 --amount 1200.00")(
    existence.confirm
)
app.command(
    epilog=f"Example: pledgebook dispute RECEIVABLE {_NET} --as debtor-1 --amount 50.00 --reason quality"
)(existence.dispute)
app.command(epilog=f"Example: pledgebook resolve RECEIVABLE {_NET} --as debtor-1 --freed 50.00")(
    existence.resolve
)
app.command(
    epilog=f"Example: pledgebook assign RECEIVABLE {_NET} --as exporter-1 --to factor-1 --amount 700.00"
)(disposal.assign)
app.command(
    epilog=f"Example: pledgebook assign-batch portfolio.csv {_NET} --as exporter-1 --to factor-1 --independent"
)(portfolio.assign_batch)
app.command(
    epilog=f"Example: pledgebook offer RECEIVABLE {_NET} --as exporter-1 --to factor-1 --amount 700.00 --hours 48"
)(assignment.offer)
app.command(epilog=f"Example: pledgebook withdraw-offer RECEIVABLE {_NET} --as exporter-1")(
    assignment.withdraw_offer
)
app.command(epilog=f"Example: pledgebook accept RECEIVABLE {_NET} --as factor-1")(assignment.accept)
app.command(
    epilog=f"Example: pledgebook reassign RECEIVABLE {_NET} --as factor-1 --to exporter-1 --amount 700.00"
)(assignment.reassign)
app.command(
    epilog=f"Example: pledgebook assign-blanket {_NET} --as exporter-1 --to factor-1 --debtor debtor-1 "
    "--from 2026-11-01 --until 2027-10-31"
)(assignment.assign_blanket)
app.command(epilog=f"Example: pledgebook notify RECEIVABLE {_NET} --as factor-1")(assignment.notify)
app.command(epilog=f"Example: pledgebook acknowledge RECEIVABLE {_NET} --as debtor-1 --holder factor-1")(
    assignment.acknowledge
)
app.command(
    epilog=f"Example: pledgebook pledge RECEIVABLE {_NET} --as exporter-1 --to factor-2 --amount 300.00 --until 2027-06-30"
)(disposal.pledge)
app.command(epilog=f"Example: pledgebook release RECEIVABLE {_NET} --as factor-2")(disposal.release)
app.command(
    epilog=f"Example: pledgebook pay RECEIVABLE {_NET} --as factor-1 --amount 700.00 --bank DEUTDEFF --reference 2027-0042"
)(collection.pay)
app.command(epilog=f"Example: pledgebook settle RECEIVABLE {_NET} --as exporter-1")(collection.settle)
app.command(epilog=f"Example: pledgebook renew RECEIVABLE {_NET} --as factor-2 --until 2028-06-30")(
    security.renew
)
app.command(epilog=f"Example: pledgebook enforce RECEIVABLE {_NET} --as factor-2 --amount 300.00")(
    security.enforce
)
app.command(
    epilog=f"Example: pledgebook set-account RECEIVABLE {_NET} --as factor-1 --commitment {'5e' * 32}"
)(arrears.set_account)
app.command(
    epilog=f"Example: pledgebook report-indirect RECEIVABLE {_NET} --as factor-1 --holder factor-1 --amount 700.00 "
    "--bank DEUTDEFF --reference 2027-0042"
)(arrears.report_indirect)
app.command(
    epilog=f"Example: pledgebook reverse-payment RECEIVABLE {_NET} --as factor-1 --bank DEUTDEFF --reference 2027-0042"
)(arrears.reverse_payment)
app.command(epilog=f"Example: pledgebook declare-default RECEIVABLE {_NET} --as factor-1")(
    arrears.declare_default
)
app.command(
    "object", epilog=f"Example: pledgebook object RECEIVABLE {_NET} --as debtor-1 --statement {'5e' * 32}"
)(restraint.object_to)
app.command(epilog=f"Example: pledgebook withdraw-objection RECEIVABLE {_NET} --as debtor-1")(
    restraint.withdraw_objection
)
app.command(epilog=f"Example: pledgebook freeze RECEIVABLE {_NET} --as court-1 --case 2027-74-1")(
    restraint.freeze
)
app.command(epilog=f"Example: pledgebook unfreeze RECEIVABLE {_NET} --as court-1 --case 2027-74-1")(
    restraint.unfreeze
)
app.command(
    epilog=f"Example: pledgebook reverse-by-judgment RECEIVABLE {_NET} --as court-1 --case 2027-74-1 "
    f"--decision {'5e' * 32} --assignment exporter-1,factor-1,600.00"
)(reversal.reverse_by_judgment)
app.command(
    epilog=f"Example: pledgebook link-registration RECEIVABLE {_NET} --as factor-1 --number {'5e' * 32} "
    f"--registrant {'5e' * 32} --on 2026-11-20 --until 2027-11-19"
)(restraint.link_registration)
app.command(
    epilog=f"Example: pledgebook link-search RECEIVABLE {_NET} --as factor-1 --number {'5e' * 32} "
    f"--registrant {'5e' * 32} --on 2026-11-20"
)(restraint.link_search)
app.command(epilog=f"Example: pledgebook cancel RECEIVABLE {_NET} --as exporter-1")(existence.cancel)
app.command(
    epilog=f"Example: pledgebook register-future {_NET} --as exporter-1 --debtor debtor-1 --contract C-9 "
    "--cap 50000.00 --currency USD --signed 2026-11-01 --ends 2027-10-31"
)(evidence.register_future)
app.command(
    epilog=f"Example: pledgebook crystallise RECEIVABLE {_NET} --as exporter-1 --debtor debtor-1 --witness debtor-1 "
    "--invoice INV-8 --amount 900.00 --issued 2026-12-01 --due 2027-03-01 --delivery BL-7/1/90/90"
)(evidence.crystallise)
app.command(
    epilog=f"Example: pledgebook attest RECEIVABLE {_NET} --as carrier --kind delivery --number BL-7 --line 1 --quantity 90"
)(evidence.attest)
app.command(
    epilog=f"Example: pledgebook consent consent.json {_NET} --as debtor-1 --exporter exporter-1 --until 2027-12-31"
)(correction.consent)
app.command(
    epilog=f"Example: pledgebook confirm-tacitly RECEIVABLE {_NET} --as factor-1 --consent consent.json"
)(correction.confirm_tacitly)
app.command(epilog=f"Example: pledgebook reject RECEIVABLE {_NET} --as debtor-1 --reason not_delivered")(
    correction.reject
)
app.command(
    epilog=f"Example: pledgebook credit-note RECEIVABLE {_NET} --as exporter-1 --number CN-3 --share exporter-1=120.00"
)(correction.credit_note)
app.command(epilog=f"Example: pledgebook correct RECEIVABLE {_NET} --as exporter-1 --issued 2026-11-02")(
    correction.correct
)
app.command(
    epilog=f"Example: pledgebook status {_NET} --exporter exporter-1 --debtor debtor-1 --invoice INV-7"
)(queries.status)
app.command(epilog=f"Example: pledgebook receivable RECEIVABLE {_NET} --as exporter-1")(queries.receivable)
app.command(epilog=f"Example: pledgebook queries RECEIVABLE {_NET} --as exporter-1")(query_history.queries)

app.command(
    "import", epilog=f"Example: pledgebook import invoices.csv {_NET} --as exporter-1 --currency USD"
)(importing.import_invoices)
app.command("import-mapping", epilog="Example: pledgebook import-mapping > mapping.toml")(
    importing.show_mapping
)
app.command(epilog=f"Example: pledgebook export {_NET} -o chain.pbk")(audit_commands.export)
app.command(
    epilog="Example: pledgebook report --as-of 120 --sector --export chain.pbk --genesis genesis.json --format xlsx --out r.xlsx"
)(reporting.report)
app.command(
    epilog="Example: pledgebook audit chain.pbk --genesis genesis.json --head 120:5f0c... --json report.json"
)(audit_commands.audit)

app.command("operations", epilog="Example: pledgebook operations")(by_operation.show_operations)


def add_installed_commands() -> None:
    """Add the command groups that the installed distributions offer, by the names they register."""
    offered = importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)
    taken = {group.name for group in app.registered_groups}
    for entry_point in sorted(offered, key=lambda point: point.name):
        if entry_point.name not in taken:
            app.add_typer(entry_point.load(), name=entry_point.name)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    add_installed_commands()
    try:
        app(args=list(arguments), prog_name="pledgebook")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else output.ExitCode.USAGE
    except InvariantViolation:
        raise
    except (ClientError, RegistryError) as error:
        return _report(error, as_json="--json" in arguments)
    except KeyboardInterrupt:
        typer.echo("pledgebook: interrupted", err=True)
        return 130
    return output.ExitCode.DONE


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def _report(error: ClientError | RegistryError, *, as_json: bool) -> int:
    if as_json:
        output.print_json(output.error_document(error))
    else:
        typer.echo(f"pledgebook: {output.error_line(error)}", err=True)
    return output.exit_code_of(error)


if __name__ == "__main__":
    main()

"""Reports and alerts of one node, made by processes of their own beside it: ordering must not wait for them.

    report_worker   a process that follows the chain again and writes one report
    report_desk     starts it for callers, one at a time, and keeps the latest reports
    alert_tables    what the alert worker remembers, and the alerts that were raised, on disk
    alert_worker    a process that follows the chain and writes alerts
    alert_desk      starts it when somebody watches, and reads what it has written

Nothing here is needed to run a node; the files can be deleted, and are made again.
"""

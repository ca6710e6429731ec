"""What a supervisor reads from the chain: figures as of a height, and alerts. Derived, and the same for everybody.

    observation   one block as the folds see it: entries, results, and what each operation wrote
    positions     what a factor, or the sector, has at stake on one receivable
    flows         what passed in a period
    figures       the figures of one factor or of the sector
    alerts        kinds of alerts, and the figures by which they are judged
    standing      which alerts stand on one receivable on a day
    attempts      which alerts the results of a block give
    alert_watch   each alert once, at the first block at which it holds
    fold          all of it over a chain, up to a report
    document      a report as canonical JSON

Everything here is a function of the genesis document and the blocks: a node and an auditor who run it over the same chain get
the same bytes. Nothing of it is part of the state or of a root.
"""

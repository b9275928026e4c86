"""What a run does, step by step; Airflow tasks and the command line call the same functions.

Each takes the :class:`~cutover.steps.context.Run`, records its start and end in the ledger, and may
be called again after a crash: what is done stays done.
"""

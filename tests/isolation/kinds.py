"""The kinds of attempt to cross a site, from the issue's list, and what is tried for each.

`make isolation` fails when a kind has no case. A test names its kind with `@pytest.mark.isolation("kind")`;
`control=True` says that it is a negative control: the guard is taken away, and the row does cross.
"""

from __future__ import annotations

KINDS: dict[str, str] = {
    "no scope": "every kind of statement, ORM and raw, while no scope is open",
    "bad site": "an empty, malformed, None, nil or unknown site as the scope",
    "outside a transaction": "the setting made outside a transaction or left by an earlier one",
    "pooled connection": "a persistent connection that served A is used for B, for nobody, and by a thread",
    "nested scope": "a scope or binding of B inside one of A",
    "rollback and savepoint": "errors, rollbacks and savepoints inside a scope",
    "role switching": "SET ROLE, SESSION AUTHORIZATION, row_security, logins that could step out",
    "foreign keys": "a row of A that points at a row of B, and deletes that would cascade",
    "unique oracle": "writing B's unique values as A",
    "upserts": "ignore_conflicts and update_conflicts on B's rows",
    "full_clean": "full_clean() with a foreign key or unique value of B",
    "moving a row": "changing site_id",
    "lazy work": "querysets, prefetches, iterators and rows of A used in B",
    "on_commit": "callbacks after commit that look for rows",
    "tasks": "tasks without a base class, sweepers, and bases with a wrong site",
    "retry": "a task that is run again after an error or a lost worker",
    "chain": "the second step of a Celery chain",
    "commands and signals": "management commands, signal handlers and admin actions without a scope",
    "statistics": "EXPLAIN, pg_class, pg_stats and the statistics views",
    "sequences": "counters that would tell how many rows others have",
    "pg_stat_activity": "statement text of other sessions of the same login",
    "LISTEN/NOTIFY": "channels between sessions",
    "advisory locks": "lock keys that could be seen or held by others",
    "temp tables": "rows left in temporary objects of a pooled connection",
    "leaky functions": "functions in WHERE that tell of rows before the policy hides them",
    "views and definers": "views, materialised views, partitions, SECURITY DEFINER functions",
    "COPY and TRUNCATE": "commands that go around row security",
    "history": "audit rows, which copy what they record",
    "catalogue guard": "the database is spoiled in each way that the guard knows",
    "outside provers": "pgrls lint and verify over the migrated database, squawk over migrations",
    "string-built SQL": "statements that are not constants",
    "cache keys": "values cached in A and asked for in B",
    "throttle counters": "requests of A counted against B",
    "sessions": "a session that worked in A, and what its row holds",
    "logs and error reports": "secrets, tokens and personal data in lines and answers",
    "exports and files": "files written or served by the application",
    "admin log": "Django's own log and its recent actions",
    "forged tokens": "tokens of other issuers, keys, algorithms and sites",
    "every endpoint": "every URL with a caller of A and ids of B",
    "host and header": "Host against X-Site-Code",
}

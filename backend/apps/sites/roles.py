"""The PostgreSQL roles of POSX, by what each may do. Made by ``provision.py``; named by every policy.

owner     NOLOGIN  owns every table and function; no policy names it, so it sees no row of a site.
migrator  LOGIN    runs migrations; inherits the owner's rights to ALTER and has its own policy, so that
                   data migrations see rows and new foreign keys are really checked.
app       LOGIN    web, worker, beat, shell: rows of one site at a time.
auditor   LOGIN    reads rows of every site and writes nothing: the platform administrator's look, recorded.
lookup    NOLOGIN  owns the few SECURITY DEFINER functions that must look across sites, and may read
                   only the columns they name.
"""

OWNER = "posx_owner"
MIGRATOR = "posx_migrator"
APP = "posx_app"
AUDITOR = "posx_auditor"
LOOKUP = "posx_lookup"

ALL = (OWNER, LOOKUP, MIGRATOR, APP, AUDITOR)
LOGINS = frozenset({MIGRATOR, APP, AUDITOR})
BY_WORD = {"owner": OWNER, "lookup": LOOKUP, "migrator": MIGRATOR, "app": APP, "auditor": AUDITOR}

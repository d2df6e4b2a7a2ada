"""The PostgreSQL roles of POSX, by what each may do. Made by ``provision.py``; named by every policy.

owner     NOLOGIN  owns every table and function; no policy names it, so it sees no row of a site.
migrator  LOGIN    runs migrations; inherits the owner's rights to ALTER and has its own policy, so that
                   data migrations see rows and new foreign keys are really checked.
app       LOGIN    web, worker, beat, shell: rows of one site at a time.
lookup    NOLOGIN  owns the few SECURITY DEFINER functions that must look across sites, and may read
                   only the columns they name.
"""

OWNER = "posx_owner"
MIGRATOR = "posx_migrator"
APP = "posx_app"
LOOKUP = "posx_lookup"

"""The logins derived from the one that Railway gives."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from config.logins import admin_database, app_database, derive_login_password

URL = "postgresql://postgres:p%40ss@db:5433/railway?sslmode=require"


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_the_derivation_is_hkdf_sha256(password: str) -> None:
    import base64

    derived = HKDF(SHA256(), length=32, salt=None, info=b"posx/posx_app").derive(password.encode())

    assert (
        derive_login_password(password, "posx_app") == base64.urlsafe_b64encode(derived).rstrip(b"=").decode()
    )


def test_each_login_has_its_own_password() -> None:
    assert derive_login_password("p", "posx_app") != derive_login_password("p", "posx_migrator")


def test_processes_log_in_as_the_app_with_timeouts() -> None:
    database = app_database(URL)

    assert database["ENGINE"] == "apps.sites.postgresql"
    assert (database["USER"], database["PASSWORD"]) == ("posx_app", derive_login_password("p@ss", "posx_app"))
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db", 5433, "railway")
    assert database["OPTIONS"]["sslmode"] == "require"
    assert "statement_timeout=300s" in database["OPTIONS"]["options"]


def test_an_address_of_the_apps_own_replaces_the_derived_login() -> None:
    database = app_database(URL, "postgresql://other:pw@pooler:6432/railway")

    assert (database["USER"], database["PASSWORD"], database["HOST"]) == ("other", "pw", "pooler")


def test_the_administrators_login_has_no_statement_timeout() -> None:
    database = admin_database(URL)

    assert (database["USER"], database["PASSWORD"]) == ("postgres", "p@ss")
    assert "options" not in database["OPTIONS"]

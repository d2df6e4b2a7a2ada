"""The page of variables is what the code reads."""

from apps.operations.management.commands.describe_environment import environment_table
from tests.servers import BACKEND


def test_the_page_holds_the_table_as_the_code_has_it() -> None:
    page = (BACKEND.parent / "docs" / "RAILWAY_ENV_VARIABLES.md").read_text()
    assert environment_table() in page

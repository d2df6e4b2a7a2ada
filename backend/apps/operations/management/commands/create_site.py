"""`manage.py create_site`: a new site with its asset and first staff, by flags or by questions."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from apps.accounts.addresses import InvalidAddress
from apps.accounts.models import Role
from apps.core.context import acting_as
from apps.core.problems import Problem
from apps.operations.services.site_setup import NewAsset, NewSite, generated_password, site_set_up

# (option, question, default); without a default the answer is needed.
QUESTIONS: list[tuple[str, str, str | None]] = [
    ("code", "Code of the site (2 to 16 capital letters and digits)", None),
    ("name", "Name", None),
    ("host", "Host name of its own domain (empty: X-Site-Code only)", ""),
    ("currencies", "Currencies, by commas", "USD"),
    ("asset_code", "Code of its token", None),
    ("asset_name", "Name of its token", None),
    ("asset_decimals", "Decimals of its token", "18"),
    ("chain_id", "Chain id (EIP-155)", "1"),
    ("contract_address", "Contract address (empty: native asset)", ""),
    ("custody_asset_id", "The custody provider's id of the asset", None),
    ("custody_vault_id", "The custody provider's vault account", "0"),
    ("login", "Name of the first login in the admin", None),
    ("login_role", "Its role (buyer, operator, approver, auditor)", "approver"),
]


class Command(BaseCommand):
    help = "Make a site with one asset, a first admin login and further staff, all or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        for option, question, default in QUESTIONS:
            fallback = "" if default is None else f" Default: {default or 'none'}."
            parser.add_argument(f"--{option.replace('_', '-')}", help=f"{question}.{fallback}")
        parser.add_argument(
            "--platform-admin", action="store_true", help="The login may also manage all sites."
        )
        parser.add_argument(
            "--prompt-password",
            action="store_true",
            help="Ask for the login's password; else one is generated.",
        )
        parser.add_argument(
            "--member",
            action="append",
            default=[],
            type=_member,
            metavar="ROLE=SUBJECT",
            help="A member by the subject of their access tokens; may be repeated.",
        )
        parser.add_argument(
            "--no-input", action="store_true", help="Ask nothing: what is missing is an error."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        asks = not options["no_input"] and sys.stdin.isatty()
        answers = _answers(options, asks=asks)
        password = _prompted_password() if options["prompt_password"] else generated_password()
        try:
            plan = _plan(answers, password, options)
            with acting_as("command", "create_site"):
                site, is_new_login = site_set_up(plan=plan)
        except ValidationError as error:
            raise CommandError("\n".join(_sentences(error))) from error
        except (InvalidAddress, ValueError) as error:
            raise CommandError(str(error)) from error
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        self.stdout.write(f"Site {site.code} is made: {site.name} ({site.id})")
        self.stdout.write(f"Login {plan.login}, {plan.login_role.label}")
        if not is_new_login:
            self.stdout.write("It existed already and keeps its password.")
        elif not options["prompt_password"]:
            self.stdout.write(f"Password, shown only now: {password}")


def _answers(options: dict[str, Any], *, asks: bool) -> dict[str, str]:
    """Flags first, then questions, then defaults. Raises CommandError that names every missing flag."""
    answers: dict[str, str] = {}
    missing: list[str] = []
    for option, question, default in QUESTIONS:
        value: str | None = options[option]
        if value is None and asks:
            value = input(f"{question}{f' [{default}]' if default else ''}: ").strip() or default
        elif value is None:
            value = default
        if value is None:
            missing.append(f"--{option.replace('_', '-')}")
        answers[option] = value or ""
    if missing:
        raise CommandError(f"Missing: {', '.join(missing)}")
    return answers


def _plan(answers: dict[str, str], password: str, options: dict[str, Any]) -> NewSite:
    """Raises ValueError for what is no number or no role."""
    asset = NewAsset(
        code=answers["asset_code"],
        name=answers["asset_name"],
        decimals=int(answers["asset_decimals"]),
        chain_id=int(answers["chain_id"]),
        contract_address=answers["contract_address"],
        custody_asset_id=answers["custody_asset_id"],
        custody_vault_id=answers["custody_vault_id"],
    )
    return NewSite(
        code=answers["code"],
        name=answers["name"],
        host=answers["host"] or None,
        currencies=[word.strip().upper() for word in answers["currencies"].split(",") if word.strip()],
        asset=asset,
        login=answers["login"],
        login_role=Role(answers["login_role"]),
        login_password=password,
        is_platform_admin=options["platform_admin"],
        members=dict(options["member"]),
    )


def _member(text: str) -> tuple[str, Role]:
    role, separator, subject = text.partition("=")
    if not separator or role not in Role.values or not subject.strip():
        raise ArgumentTypeError(f"{text!r} is not ROLE=SUBJECT with a role of {', '.join(Role.values)}")
    return subject.strip(), Role(role)


def _prompted_password() -> str:
    first = getpass.getpass("Password: ")
    if first != getpass.getpass("Again: "):
        raise CommandError("The two passwords differ.")
    return first


def _sentences(error: ValidationError) -> list[str]:
    if hasattr(error, "error_dict"):
        return [f"{name}: {' '.join(messages)}" for name, messages in error.message_dict.items()]
    return list(error.messages)

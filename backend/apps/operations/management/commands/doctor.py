"""``manage.py doctor``: what is wrong here, what it means, and the exact fix."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.operations.doctor.examination import examine, worst
from apps.operations.doctor.findings import Finding, Severity


class Command(BaseCommand):
    help = (
        "Looks for every known fault of an installation: a table of states, and for each fault what it means and the "
        "exact fix. Changes nothing. Exit code 0: fine, 1: warnings, 2: something is broken."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one object for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine()
        if options["json"]:
            report = {
                "worst": worst(findings).name.lower(),
                "findings": [finding.as_dict() for finding in findings],
            }
            self.stdout.write(json.dumps(report, indent=1))
        else:
            self._tell(findings)
        if code := int(worst(findings)):
            sys.exit(code)

    def _tell(self, findings: list[Finding]) -> None:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            self.stdout.write(f"{finding.severity.name.lower():<8} {finding.name:<{width}}  {finding.state}")
        for finding in findings:
            if finding.severity is not Severity.OK:
                self.stdout.write(f"\n{finding.name}\n  means  {finding.meaning}\n  fix    {finding.fix}")

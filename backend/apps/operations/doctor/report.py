"""Findings as people and programs read them."""

from __future__ import annotations

import json

from apps.operations.doctor.findings import Finding, Severity


def worst(findings: list[Finding]) -> Severity:
    """The exit code."""
    return max((finding.severity for finding in findings), default=Severity.OK)


def as_json(findings: list[Finding]) -> str:
    """One object: the worst severity, and every finding."""
    report = {
        "worst": worst(findings).name.lower(),
        "findings": [finding.as_dict() for finding in findings],
    }
    return json.dumps(report, indent=1)


def as_table(findings: list[Finding]) -> str:
    """A line of state each, then what each fault means and its fix."""
    width = max(len(finding.name) for finding in findings)
    lines = [
        f"{finding.severity.name.lower():<8} {finding.name:<{width}}  {finding.state}" for finding in findings
    ]
    lines += [
        f"\n{finding.name}\n  means  {finding.meaning}\n  fix    {finding.fix}"
        for finding in findings
        if finding.severity is not Severity.OK
    ]
    return "\n".join(lines)

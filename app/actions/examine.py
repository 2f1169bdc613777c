"""The doctor as a background job: every check of the installation, with the findings as the job's result."""

from typing import Any

from app.context import Context
from app.doctor import Finding, examine
from core.jobs import Reporter


def examine_installation(context: Context, reporter: Reporter) -> dict[str, Any]:
    """Run the checks; `ok` is True when all passed. A check that fails is a finding, not a failed job."""
    found: list[Finding] = []
    for finding in examine(context):
        found.append(finding)
        reporter.progress(len(found), 0, f"{finding.name}: {finding.text}")
        if reporter.cancelled():
            break
    failed = [finding.name for finding in found if not finding.ok]
    summary = (
        f"{len(failed)} of {len(found)} checks failed: {', '.join(failed)}."
        if failed
        else f"All {len(found)} checks passed."
    )
    reporter.progress(len(found), len(found), summary)
    return {"ok": not failed, "findings": [finding._asdict() for finding in found]}

"""Every prompt of the product, in our own words: pure functions from values to messages, each with a name and a version.

Knows what models are asked; does not know which model answers or how replies are read (`core.parsing`).
"""

from collections.abc import Mapping

from core.prompts import council, judging, policy
from core.prompts.template import Template

PROMPTS: Mapping[str, Template] = {
    template.name: template for template in (*council.TEMPLATES, *judging.TEMPLATES, *policy.TEMPLATES)
}
"""All templates by name."""


def digest(name: str) -> str:
    """SHA-256 of a template (name, version, fixed texts), in hex. Raises KeyError for a name that is not in `PROMPTS`."""
    return PROMPTS[name].digest

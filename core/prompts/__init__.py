"""Every prompt of the product, in our own words: pure functions from values to messages, each with a name and a version.

Knows what models are asked; does not know which model answers or how replies are read (`core.parsing`).
"""

from collections.abc import Mapping

from core.prompts import checklist, conversing, council, judging, policy, simulation, verdicts
from core.prompts.template import Template

PROMPTS: Mapping[str, Template] = {
    template.name: template for template in (*council.TEMPLATES, *judging.TEMPLATES, *policy.TEMPLATES)
}
"""All templates that the starter model has a lesson for, by name."""

FURTHER: Mapping[str, Template] = {
    template.name: template
    for template in (*checklist.TEMPLATES, *verdicts.TEMPLATES, *conversing.TEMPLATES, *simulation.TEMPLATES)
}
"""Templates for larger models: the starter model has not learned to answer them."""


def digest(name: str) -> str:
    """SHA-256 of a template (name, version, fixed texts), in hex. Raises KeyError for a name that is in neither mapping."""
    return (PROMPTS.get(name) or FURTHER[name]).digest

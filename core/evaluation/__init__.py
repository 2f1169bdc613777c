"""Evaluation (SPEC 5): methods into messages, replies into verdicts, verdicts into the figures of Tables 1 and 3. Pure."""

"""Dialogue simulation (SPEC 6, after ALOE): people and what they tell when, the questions and replies of a turn, the report."""

"""Engines: what answers for each role, called, counted and cached, and the model servers that we start ourselves."""

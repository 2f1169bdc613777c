"""The commands of `subtext` by noun; each file adds its own to the parser."""

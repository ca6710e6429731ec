"""The verbs of the command line, a module per family of the rulebook; `client.cli` puts them together."""

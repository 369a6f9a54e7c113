"""The `policy` commands, one module for each group. `policies.cli` puts them together."""

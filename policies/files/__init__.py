"""Policy and edit files in YAML: their form, reading and writing them, and the cases that test a policy."""

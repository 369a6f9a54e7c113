"""Casbin's stock enforcer on the whole policy, as the evals use it: one oracle for tests and long runs."""

from evals.access.oracle import Oracle as Oracle

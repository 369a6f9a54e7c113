"""What is installed decides what Casbin does: two packages bring a module of that name."""

from importlib.metadata import distributions, version

import casbin
from packaging.version import Version


def test_no_other_package_has_overwritten_pycasbin() -> None:
    """`casbin`, the frozen ancestor, comes with stock adapters and watchers and silently takes its place."""
    names = {distribution.metadata["Name"].lower().replace("_", "-") for distribution in distributions()}
    assert "pycasbin" in names
    assert "casbin" not in names
    assert hasattr(casbin.Enforcer, "add_policies_ex")


def test_the_evaluator_of_the_matcher_is_one_that_cannot_be_escaped() -> None:
    """CVE-2026-32640: below 1.0.5, an expression reaches out of the sandbox."""
    assert Version(version("simpleeval")) >= Version("1.0.8")

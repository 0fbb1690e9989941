"""A stand-in for rules_python where Bazel still has the Python rules built in (before 7)."""

_DEFS = """
py_binary = native.py_binary
py_library = native.py_library
py_test = native.py_test
"""

def _native_rules_python_impl(repository):
    repository.file("BUILD")
    repository.file("python/BUILD")
    repository.file("python/defs.bzl", _DEFS)

native_rules_python = repository_rule(implementation = _native_rules_python_impl)

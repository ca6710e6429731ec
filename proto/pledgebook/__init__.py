"""Pledgebook's wire interface; each version is a subpackage of generated code."""

"""Meridian Freight, an invented logistics company: its documents, its people and questions about it.

Everything here is our own writing. Names are invented, telephone numbers are of the range reserved for fiction,
addresses are under `.example`, and the bank codes of the account numbers do not exist.
"""

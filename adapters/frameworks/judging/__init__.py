"""Judges released implementations of dropout one after the other; tools/judge-frameworks is the program."""

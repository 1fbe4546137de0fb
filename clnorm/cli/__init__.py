"""The command line: one file a verb, each of them a call into the library."""

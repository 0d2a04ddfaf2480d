"""The command line: one small file a command group, thin over the use cases.

Exit codes: 0 done, 1 the answer is no, 2 wrong use or configuration.
"""
